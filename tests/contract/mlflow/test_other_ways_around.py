"""More ways around the gate: MLflow's twin routes, odd spellings of a body, and evidence that comes and goes."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import httpx
import mlflow
import pytest
from mlflow import MlflowClient

import proctor
from tests.contract.mlflow.conftest import World
from tests.contract.mlflow.test_story import evaluate_into, refused, rules
from tests.contract.mlflow.test_ways_around import NAME, Trained, alias, refused_rules, trained

__all__ = ["trained"]
# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
VERDICT = "validation.verdict"
KEY = "governance.status"


def post(world: World, path: str, content: bytes, kind: str) -> httpx.Response:
    url, headers = f"{world.mlflow.url}{path}", {"Content-Type": kind}
    return httpx.post(url, content=content, auth=("alice", "alicepassword1234"), headers=headers, timeout=20)


@pytest.mark.parametrize("base", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow", "//api/2.0/mlflow", "/api/2.0/%6dlflow"])
def test_each_route_has_a_twin_and_each_twin_is_guarded(world: World, trained: Trained, base: str) -> None:
    version = {"name": NAME, "version": trained.version}
    tag, model = {"key": KEY, "value": "approved"}, trained.info.model_id
    source = {"name": NAME, "source": trained.info.model_uri, "model_id": model, "tags": [tag]}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "registered-models/create", {"name": "forged", "tags": [tag]}),
        ("POST", "registered-models/set-tag", {"name": NAME, **tag}),
        ("DELETE", "registered-models/delete-tag", {"name": NAME, "key": KEY}),
        ("POST", "registered-models/alias", {**version, "alias": "champion"}),
        ("POST", "registered-models/alias", {**version, "alias": "ChAmPiOn"}),
        ("POST", "model-versions/create", source),
        ("POST", "model-versions/set-tag", {**version, **tag}),
        ("DELETE", "model-versions/delete-tag", {**version, "key": KEY}),
        ("POST", "model-versions/transition-stage", {**version, "stage": "PRODUCTION"}),
        ("POST", "runs/set-tag", {"run_id": trained.run, **tag}),
        ("POST", "runs/delete-tag", {"run_id": trained.run, "key": "governance.user"}),
        ("POST", "runs/log-batch", {"run_id": trained.run, "tags": [tag]}),
        ("PATCH", f"logged-models/{model}/tags", {"tags": [tag]}),
        ("DELETE", f"logged-models/{model}/tags/{KEY}", {}),
        ("POST", "experiments/set-experiment-tag", {"experiment_id": trained.experiment, **tag}),
        ("POST", "experiments/delete-experiment-tag", {"experiment_id": trained.experiment, "key": KEY}),
        ("POST", "experiments/create", {"name": "forged", "tags": [tag]}),
    ]  # fmt: skip
    for method, path, body in calls:
        answer = world.mlflow.rest(method, f"{base}/{path}", body, "alice")
        # A route that MLflow does not have is none: but what it has is refused by the gate, and by nothing else.
        assert answer.status_code in {403, 404, 405}, (path, answer.status_code, answer.text)
        if "//" not in base and "%" not in base:
            assert answer.json()["message"].startswith("Proctor:"), (path, answer.text)
    with world.as_user("alice"):
        client = MlflowClient()
        tags = client.get_run(trained.run).data.tags | client.get_model_version(NAME, trained.version).tags
        tags |= client.get_registered_model(NAME).tags | client.get_experiment(trained.experiment).tags
        assert KEY not in tags
        assert client.get_run(trained.run).data.tags["governance.user"] == "alice"
        assert not promoted(client, trained)


def promoted(client: MlflowClient, trained: Trained) -> bool:
    """Tell whether the version has an alias that means something."""
    aliases = client.get_registered_model(NAME).aliases
    return trained.version in {version for name, version in aliases.items() if name.casefold() == "champion"}


def spellings(body: dict[str, str]) -> dict[str, tuple[bytes, str]]:
    text = json.dumps(body)
    harmless = json.dumps(dict.fromkeys(body, "x"))
    camel = {key.split("_")[0] + "".join(part.title() for part in key.split("_")[1:]): body[key] for key in body}
    return {
        "encoded twice": (json.dumps(text).encode(), "application/json"),
        "keys twice, the last harmless": (f"{text[:-1]}, {harmless[1:]}".encode(), "application/json"),
        "keys twice, the first harmless": (f"{harmless[:-1]}, {text[1:]}".encode(), "application/json"),
        "camel case": (json.dumps(camel).encode(), "application/json"),
        "UTF-16": (text.encode("utf-16"), "application/json"),
        "text": (text.encode(), "text/plain"),
        "JSON with a charset": (text.encode(), "application/json; charset=utf-8"),
        "escaped": (("{" + ",".join(f'"{_escaped(k)}":"{_escaped(v)}"' for k, v in body.items()) + "}").encode(),
                    "application/json"),
    }  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


def test_no_spelling_of_a_body_hides_what_it_does(world: World, trained: Trained) -> None:
    with world.as_user("victor"):
        mlflow.set_experiment("around")
        with proctor.training(**world.plan(), context="evaluation") as run:
            pass
    verdict = {"run_id": run.info.run_id, "key": VERDICT, "value": "fit"}
    stamp = {"run_id": trained.run, "key": KEY, "value": "x"}
    moved = {"name": NAME, "alias": "champion", "version": trained.version}
    for body, path in ((verdict, "runs/set-tag"), (stamp, "runs/set-tag"), (moved, "registered-models/alias")):
        for name, (content, kind) in spellings(body).items():
            answer = post(world, f"/api/2.0/mlflow/{path}", content, kind)
            assert answer.status_code in {400, 403, 404}, (path, name, answer.status_code, answer.text)
    with world.as_user("alice"):
        client = MlflowClient()
        assert VERDICT not in client.get_run(run.info.run_id).data.tags
        assert KEY not in client.get_run(trained.run).data.tags
        assert not promoted(client, trained)


def test_a_version_keeps_its_source_and_an_update_is_only_a_description(world: World, trained: Trained) -> None:
    body = {"name": NAME, "version": trained.version, "description": "x", "source": "s3://evil", "run_id": "1" * 32}
    world.mlflow.rest("PATCH", "/api/2.0/mlflow/model-versions/update", body, "alice")
    with world.as_user("alice"):
        found = MlflowClient().get_model_version(NAME, trained.version)
        assert (found.source, found.run_id) == (trained.info.model_uri, trained.run)


def test_an_alias_that_is_deleted_and_set_again_and_a_renamed_model_are_asked_about(
    world: World, trained: Trained
) -> None:
    with world.as_user("alice"):
        client = MlflowClient()
        client.set_registered_model_alias(NAME, "candidate", trained.version)  # nobody's business
        client.delete_registered_model_alias(NAME, "champion")
        refused(lambda: client.set_registered_model_alias(NAME, "champion", trained.version))
        version = mlflow.register_model(trained.info.model_uri, "before").version
        client.set_registered_model_alias("before", "candidate", version)
        client.rename_registered_model("before", "after")
        # Under its new name nobody knows it, until its files have been hashed once more.
        refused(lambda: client.set_registered_model_alias("after", "champion", version))
        assert "champion" not in client.get_registered_model("after").aliases


def test_a_verdict_does_not_go_or_come_by_somebody_elses_hand(world: World, trained: Trained) -> None:
    evaluate_into(world, trained.data, "victor", trained, "around", "unfit")
    with world.as_user("victor"):
        (run, *_) = mlflow.search_runs(
            [trained.experiment], f"tags.`{VERDICT}` = 'unfit'", output_format="list", max_results=1
        )  # fmt: skip
    rest, this = world.mlflow.rest, {"run_id": run.info.run_id}
    experiment = {"experiment_id": trained.experiment}
    for path, body in (("runs/delete", this), ("experiments/delete", experiment)):
        answer = rest("POST", f"/api/2.0/mlflow/{path}", body, "alice")
        assert (answer.status_code, "victor" in answer.text) == (403, True), answer.text
    assert "registration.validator_independent" in refused_rules(world, trained)
    # Victor takes it back; by MLflow's permissions only a manager of the experiment could help him with that.
    with closing(sqlite3.connect(world.mlflow.folder / "mlflow.db", timeout=20)) as database, database:
        taken = "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?"
        assert database.execute(taken, (run.info.run_id,)).rowcount == 1
    for path, body in (("runs/restore", this), ("experiments/restore", experiment)):
        answer = rest("POST", f"/api/2.0/mlflow/{path}", body, "alice")
        assert (answer.status_code, "victor" in answer.text) == (403, True), answer.text
    assert rules(refused(lambda: alias(world, trained.version))) >= {"registration.validator_independent"}


def test_what_is_written_into_a_run_that_has_ended_is_still_its_own_users(world: World, trained: Trained) -> None:
    with world.as_user("mallory"):
        client = MlflowClient()
        refused(lambda: client.set_tag(trained.run, "mlflow.parentRunId", "x"))
        refused(lambda: client.log_param(trained.run, "p", "x"))
    with world.as_user("alice"):
        refused(lambda: MlflowClient().set_tag(trained.run, "governance.preflight", "dec_" + "0" * 26))


def test_graphql_changes_nothing(world: World, trained: Trained) -> None:
    query = 'mutation { mlflowSetRegisteredModelAlias(input: {name: "around", alias: "champion", version: "1"}) { x } }'
    answer = world.mlflow.rest("POST", "/graphql", {"query": query, "operationName": None}, "alice")
    assert answer.status_code in {200, 400, 401, 403}, answer.text
    assert "Cannot query field" in answer.text or answer.status_code != 200
    with world.as_user("alice"):
        assert not promoted(MlflowClient(), trained)
