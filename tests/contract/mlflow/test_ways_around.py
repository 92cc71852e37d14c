"""Every way around the gate that goes over MLflow's server, tried with real requests: none leads to a promotion."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from sklearn.linear_model import LogisticRegression

import proctor
from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World
from tests.contract.mlflow.test_story import CARD, evaluate_into, log_model, refused, rules

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
NAME = "around"
MLMODEL = "flavors: {}\nsignature: {inputs: '[]', outputs: '[]'}\n"
IS_PROMPT = "mlflow.prompt.is_prompt"


@dataclass
class Trained:
    """A model of alice's, registered and hashed, with everything that it needs but a validation."""

    experiment: str
    run: str
    info: Any
    model: Any
    version: str
    data: Data

    @property
    def folder(self) -> str:
        """Return the path of its files below the artifact routes."""
        return f"{self.experiment}/models/{self.info.model_id}/artifacts"


def train(world: World, data: Data, user: str, experiment: str) -> tuple[Any, Any, Any]:
    with world.as_user(user):
        mlflow.set_experiment(experiment)
        catalog.eventually(lambda: proctor.preflight(**world.plan()).allowed)
        with proctor.training(**world.plan()) as run:
            model = LogisticRegression().fit(data.features[:400], data.labels[:400])
            return run, log_model(model, data), model


def versions(world: World, name: str) -> dict[str, Any]:
    return {one["version"]: one for one in world.proctor.call("GET", "/v1/models")[1]["models"] if one["name"] == name}


def promotable_versions(world: World, data: Data, name: str, count: int = 1) -> list[str]:
    """Return as many new versions of a model `name`, in an experiment of that name, that may be promoted."""
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    run, info, model = train(world, data, "alice", name)
    grant = {"username": "victor", "resource_type": "experiment", "resource_id": run.info.experiment_id}
    world.mlflow.rest("POST", "/api/3.0/mlflow/users/permissions/grant", grant | {"permission": "EDIT"})
    evaluate_into(world, data, "victor", SimpleNamespace(info=info, model=model), name, "fit")
    with world.as_user("alice"):
        card = CARD.replace("name: fraud", f"name: {name}")
        MlflowClient().log_text(run.info.run_id, card, "governance/model_card.md")
        made = [mlflow.register_model(info.model_uri, name).version for _ in range(count)]
    catalog.eventually(lambda: set(made) <= set(versions(world, name)))
    return made


def alias(world: World, version: str, name: str = NAME, user: str = "alice") -> None:
    with world.as_user(user):
        MlflowClient().set_registered_model_alias(name, "champion", version)


@pytest.fixture(scope="module")
def trained(world: World, data: Data) -> Iterator[Trained]:
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    run, info, model = train(world, data, "alice", "around")
    for person in ("victor", "mallory"):
        grant = {"username": person, "resource_type": "experiment", "resource_id": run.info.experiment_id}
        world.mlflow.rest("POST", "/api/3.0/mlflow/users/permissions/grant", grant | {"permission": "EDIT"})
    with world.as_user("alice"):
        MlflowClient().log_text(
            run.info.run_id, CARD.replace("name: fraud", f"name: {NAME}"), "governance/model_card.md"
        )
        version = mlflow.register_model(info.model_uri, NAME).version
    catalog.eventually(lambda: version in versions(world, NAME))
    return Trained(run.info.experiment_id, run.info.run_id, info, model, version, data)


# --- Evidence in somebody else's name -------------------------------------------------------------------------------


def test_an_author_cannot_write_into_the_validators_run(world: World, trained: Trained) -> None:
    with world.as_user("victor"):
        mlflow.set_experiment("around")
        with proctor.training(**world.plan(), context="evaluation") as run:
            pass
    victors = run.info.run_id
    now = int(time.time() * 1000)
    forged = Metric("accuracy_score", 0.99, now, 0, trained.info.model_id, "holdout", "12345678", victors)
    with world.as_user("alice"):
        client = MlflowClient()
        attempts = (
            lambda: client.set_tag(victors, "validation.verdict", "fit"),
            lambda: client.log_metric(victors, "accuracy_score", 0.99, model_id=trained.info.model_id),
            lambda: client.log_batch(victors, metrics=[forged]),
            lambda: client.log_batch(victors, tags=[RunTag("validation.verdict", "fit")]),
            lambda: client.log_param(victors, "seed", "7"),
            lambda: client.delete_tag(victors, "mlflow.user"),
        )
        for attempt in attempts:
            assert "was started by victor" in refused(attempt)
        for former in ({"run_uuid": victors}, {"runUuid": victors}):
            body = former | {"key": "validation.verdict", "value": "fit"}
            answer = world.mlflow.rest("POST", "/api/2.0/mlflow/runs/set-tag", body, "alice")
            assert answer.status_code in {400, 403}, answer.text
    with world.as_user("victor"):
        assert "validation.verdict" not in mlflow.get_run(victors).data.tags
        MlflowClient().set_tag(victors, "note", "one's own run takes tags")
    assert rules(refused(lambda: alias(world, trained.version))) >= {"registration.validator_independent"}


def test_a_run_of_the_prompt_lab_cannot_be_started_in_somebodys_name(world: World, trained: Trained) -> None:
    body = {
        "experiment_id": trained.experiment, "run_name": "x", "prompt_template": "{a}", "model_route": "r",
        "prompt_parameters": [{"key": "a", "value": "b"}], "model_input": "i", "model_output": "o",
        "mlflow_version": "3", "tags": [{"key": "governance.user", "value": "victor"}],
    }  # fmt: skip
    for changed in (body, {**body, "tags": []}):
        answer = world.mlflow.rest("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run", changed, "alice")
        assert answer.status_code == 403, answer.text


def test_a_model_cannot_be_logged_as_if_somebody_elses_run_had_made_it(world: World, trained: Trained) -> None:
    body = {"experiment_id": trained.experiment, "name": "model", "source_run_id": trained.run}
    answer = world.mlflow.rest("POST", "/api/2.0/mlflow/logged-models", body, "mallory")
    assert answer.status_code == 403, answer.text
    assert "was started by alice" in answer.text


def test_a_version_has_the_author_of_its_files_and_not_of_the_run_that_it_names(
    world: World, trained: Trained, data: Data
) -> None:
    _, info, _ = train(world, data, "mallory", "mallorys")
    with world.as_user("mallory"):
        client = MlflowClient()
        client.create_registered_model("borrowed")
        made = client.create_model_version("borrowed", info.model_uri, trained.run, model_id=info.model_id)
    found = catalog.eventually(lambda: versions(world, "borrowed").get(made.version))
    assert found["author"] == world.ids["mallory"]


def test_a_child_of_somebody_elses_run_has_no_preflight_of_ones_own(world: World, trained: Trained) -> None:
    body = {"experiment_id": trained.experiment, "tags": [{"key": "mlflow.parentRunId", "value": trained.run}]}
    answer = world.mlflow.rest("POST", "/api/2.0/mlflow/runs/create", body, "mallory")
    assert (answer.status_code, "own false" in answer.text) == (403, True), answer.text


# --- Past MLflow ----------------------------------------------------------------------------------------------------


def test_only_mlflows_own_key_may_speak_for_mlflow(world: World, trained: Trained) -> None:
    """With a data scientist's key, anybody could name the validator and the measurement that they like."""
    evidence = {
        "name": NAME, "version": trained.version, "created_at": "2026-01-01T00:00:00Z", "signature_inputs": True,
        "signature_outputs": True, "user": "alice",
    }  # fmt: skip
    file = {"path": "MLmodel", "sha256": "0" * 64, "size": 1, "unsafe": False}
    bodies = {
        "gate": {"action": "promote", "user": "victor", "target": "alias:champion", "version": evidence},
        "manifest": {"version": evidence, "files": [file], "hashed_at": "2026-01-01T00:00:00Z"},
        "pending": {"versions": []},
    }
    elsewhere = {"principal": world.gate, "roles": ["gate"], "points": ["ci"], "environments": ["*"]}
    for key in (world.keys["alice"], None, world.proctor.made("/v1/keys", elsewhere)["key"]):
        for path, body in bodies.items():
            status, found = world.proctor.call("POST", f"/v1/adapters/mlflow/{path}", body, key=key)
            assert (status, found["code"]) == (403, "forbidden"), (path, found)


# --- Prompts that are models ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", "false", "x"])
def test_a_model_that_calls_itself_a_prompt_is_judged_like_any_other(
    world: World, trained: Trained, value: str
) -> None:
    name = f"prompt-{value}"
    rest = world.mlflow.rest
    tags = [{"key": IS_PROMPT, "value": value}]
    made = rest("POST", "/api/2.0/mlflow/registered-models/create", {"name": name, "tags": tags}, "alice")
    assert made.status_code == 200, made.text
    body = {"name": name, "source": trained.info.model_uri, "model_id": trained.info.model_id}
    for version in (body, body | {"tags": tags}):
        answer = rest("POST", "/api/2.0/mlflow/model-versions/create", version, "alice")
        assert answer.status_code in {400, 403}, answer.text
    if value != "true":  # MLflow itself takes only that one for a prompt's
        return
    # With a prompt's source it is a prompt, and no files are behind its alias.
    prompt = {"name": name, "source": "dummy-source", "tags": [*tags, {"key": "mlflow.prompt.text", "value": "hello"}]}
    assert rest("POST", "/api/2.0/mlflow/model-versions/create", prompt, "alice").status_code == 200
    body = {"name": name, "alias": "champion", "version": "1"}
    assert rest("POST", "/api/2.0/mlflow/registered-models/alias", body, "alice").status_code == 200


def test_a_version_does_not_become_a_prompt_afterwards(world: World, trained: Trained) -> None:
    with world.as_user("alice"):
        client = MlflowClient()
        refused(lambda: client.set_model_version_tag(NAME, trained.version, IS_PROMPT, "true"))
        refused(lambda: client.set_registered_model_tag(NAME, IS_PROMPT, "false"))


# --- Names ----------------------------------------------------------------------------------------------------------


def test_a_version_that_is_deleted_and_made_again_inherits_nothing(world: World, trained: Trained, data: Data) -> None:
    """Version numbers begin at 1 again: other files under the old name are found, and are not promoted."""
    with world.as_user("alice"):
        first = mlflow.register_model(trained.info.model_uri, "again").version
    before = catalog.eventually(lambda: versions(world, "again").get(first))
    _, info, _ = train(world, data, "alice", "around")
    with world.as_user("alice"):
        client = MlflowClient()
        client.delete_registered_model("again")
        assert mlflow.register_model(info.model_uri, "again").version == first == "1"
    found = catalog.eventually(lambda: [
        one for one in world.proctor.call("GET", "/v1/violations?open=true")[1]["violations"] if one["key"] == "again/1"
    ])  # fmt: skip
    assert found[0]["kind"] == "artifact_changed"
    assert found[0]["detail"]["registered"] == before["digest"]
    assert "not those that were registered" in refused(lambda: alias(world, first, "again"))


def test_two_versions_of_one_logged_model_and_a_copy_are_all_hashed(world: World, trained: Trained) -> None:
    with world.as_user("alice"):
        second = mlflow.register_model(trained.info.model_uri, NAME).version
        copied = MlflowClient().copy_model_version(f"models:/{NAME}/{trained.version}", "copied").version
        client = MlflowClient()
        decisions = {
            client.get_model_version(*one).tags["governance.decision"] for one in ((NAME, second), ("copied", copied))
        }
        assert {recorded(world, one) for one in decisions} == {("registration", "register", "allow")}
        assert len(decisions) == 2, "a copy has a decision of its own"
        forged = {
            "name": "copied",
            "source": f"models:/{NAME}/{trained.version}",
            "tags": [{"key": "governance.x", "value": "y"}],
        }
        assert world.mlflow.rest("POST", "/api/2.0/mlflow/model-versions/create", forged, "alice").status_code == 403
    again = catalog.eventually(lambda: versions(world, NAME).get(second))
    copy = catalog.eventually(lambda: versions(world, "copied").get(copied))
    original = versions(world, NAME)[trained.version]
    assert again["digest"] == copy["digest"] == original["digest"]
    assert again["author"] == copy["author"] == world.ids["alice"]


def test_a_version_number_is_one_however_it_is_written(world: World, trained: Trained) -> None:
    for spelling in ("01", "1 ", "001"):
        body = {"name": NAME, "alias": "champion", "version": spelling}
        answer = world.mlflow.rest("POST", "/api/2.0/mlflow/registered-models/alias", body, "alice")
        assert answer.status_code in {400, 403, 404}, answer.text


# --- Odd values -----------------------------------------------------------------------------------------------------


def test_no_odd_value_makes_a_500_or_stops_the_others(world: World, trained: Trained, data: Data) -> None:
    with world.as_user("alice"):
        client = MlflowClient()
        for claimed in ("", "x" * 3000, "dec_\u00e9", "dec_" + "0" * 26):
            experiment = {
                "experiment_id": trained.experiment,
                "tags": [{"key": "governance.preflight", "value": claimed}],
            }
            answer = world.mlflow.rest("POST", "/api/2.0/mlflow/runs/create", experiment, "alice")
            assert answer.status_code == 403, answer.text
            assert "did not answer a moment ago" not in answer.text
        with proctor.training(**world.plan()) as run:
            frame = pd.DataFrame(data.features[:9], columns=list("abcd"))
            dataset = mlflow.data.from_pandas(frame, name="odd")
            mlflow.log_input(dataset, context="evaluation")
            for value in (float("nan"), float("inf")):
                mlflow.log_metric("accuracy", value, model_id=trained.info.model_id, dataset=dataset)
            body = {"run_id": run.info.run_id, "key": "k", "value": 1.0, "timestamp": 2**62}
            world.mlflow.rest("POST", "/api/2.0/mlflow/runs/log-metric", body, "alice")
        text = refused(lambda: client.set_registered_model_alias(NAME, "champion", trained.version))
    assert rules(text)
    assert "nobody could be asked" not in text
    assert alice_may_still_start(world)


def alice_may_still_start(world: World) -> bool:
    with world.as_user("alice"), proctor.training(**world.plan()):
        return True


# --- Verdicts -------------------------------------------------------------------------------------------------------


def test_a_verdict_counts_until_its_author_thinks_otherwise(world: World, trained: Trained) -> None:
    evaluate_into(world, trained.data, "victor", trained, "around", "fit")
    assert "registration.validator_independent" not in refused_rules(world, trained)
    evaluate_into(world, trained.data, "victor", trained, "around", "unfit")
    assert "registration.validator_independent" in refused_rules(world, trained)
    evaluate_into(world, trained.data, "victor", trained, "around", "fit")
    with world.as_user("alice"):
        assert refused_rules(world, trained) == set()

        def shown() -> tuple[str, str, str]:
            tags = MlflowClient().get_model_version(NAME, trained.version).tags
            return recorded(world, tags["governance.decision"])

        catalog.eventually(lambda: shown() == ("registration", "promote", "allow"))
        started = mlflow.get_run(trained.run).data.tags["governance.decision"]
        assert recorded(world, started) == ("training", "run", "allow")


@pytest.fixture(scope="module")
def promotable(world: World, trained: Trained) -> list[str]:
    """Return two versions that may be promoted."""
    evaluate_into(world, trained.data, "victor", trained, "around", "fit")
    with world.as_user("alice"):
        found = [mlflow.register_model(trained.info.model_uri, NAME).version for _ in range(2)]
    catalog.eventually(lambda: set(found) <= set(versions(world, NAME)))
    return found


def observed(world: World) -> list[dict[str, Any]]:
    """Return what the ledger has of things that were taken out of use, the oldest first."""
    with closing(sqlite3.connect(f"file:{world.proctor.state_dir}/proctor.db?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT record FROM ledger_entries WHERE kind = 'observation' ORDER BY entry_index"
        ).fetchall()
    return [json.loads(record)["record"] for (record,) in rows]


def test_what_leaves_a_stage_or_alias_is_recorded_and_holds_no_longer(world: World, promotable: list[str]) -> None:
    one, other = promotable
    with world.as_user("alice"):
        client = MlflowClient()

        def move(version: str, stage: str, archive: bool = False) -> str:
            client.transition_model_version_stage(NAME, version, stage, archive)
            found = catalog.eventually(lambda: client.get_model_version(NAME, version).tags.get("governance.decision"))
            return str(found)

        before = len(observed(world))
        move(one, "Production")
        assert len(observed(world)) == before
        move(other, "production", archive=True)  # it takes the first one out
        assert client.get_model_version(NAME, one).current_stage == "Archived"
        seen = catalog.eventually(lambda: observed(world)[before:])
        assert [(entry["item"], entry["by"], entry["decision"]) for entry in seen] == [
            (f"models:/{NAME}/{one}", world.ids["alice"], None)  # what held for it, the other's decision has replaced
        ]
        move(other, "Archived")
        seen = catalog.eventually(lambda: observed(world)[before + 1 :])
        assert seen[0]["item"] == f"models:/{NAME}/{other}"
        assert recorded(world, seen[0]["decision"]) == ("registration", "promote", "allow")
        client.set_registered_model_alias(NAME, "Champion", one)
        client.delete_registered_model_alias(NAME, "Champion")
        seen = catalog.eventually(lambda: observed(world)[before + 2 :])
        assert (seen[0]["item"], seen[0]["subject"]) == (f"models:/{NAME}/{one}", f"{NAME} as champion")
        assert recorded(world, seen[0]["decision"]) == ("registration", "promote", "allow")
        client.delete_registered_model_alias(NAME, "nobody")


def recorded(world: World, decision: str) -> tuple[str, str, str]:
    """Return what Proctor has recorded of the decision that stands on something in MLflow."""
    status, found = world.proctor.call("GET", f"/v1/decisions/{decision}")
    assert status == 200, found
    return found["stage"], found["operation"], found["outcome"]


def refused_rules(world: World, trained: Trained) -> set[str]:
    body = {"name": NAME, "alias": "champion", "version": trained.version}
    answer = world.mlflow.rest("POST", "/api/2.0/mlflow/registered-models/alias", body, "alice")
    assert answer.status_code == 200 or rules(answer.text), answer.text
    return rules(answer.text)
