"""A model goes the whole way: real MLflow, real training, a real catalog; refused for each reason, then allowed."""

import json
import re
from types import SimpleNamespace
from typing import Any

import httpx
import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

import proctor
from proctor.notebook.preflight import TrainingRefusedError
from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
MODEL = "fraud"
CARD = """---
name: fraud
purpose: fraud-detection
---
# Intended use
Tells transactions apart.
# Training data
Payments of one year.
# Evaluation
On a holdout.
# Limitations
One country.
"""
made: dict[str, Any] = {}
"""What the story has made so far; the tests run in their order."""


def refused(action: Any) -> str:
    with pytest.raises((RestException, MlflowException)) as error:
        action()
    text = str(error.value)
    assert "PERMISSION_DENIED" in text or "403" in text, text
    return text


def rules(text: str) -> set[str]:
    return set(re.findall(r"\[([a-z]+\.[a-z_]+)\]", text))


def champion(world: World, user: str = "alice") -> None:
    with world.as_user(user):
        MlflowClient().set_registered_model_alias(MODEL, "champion", made["version"].version)


def log_model(model: Any, data: Data) -> Any:
    """Log a model with all that a rule asks for; stated requirements spare MLflow a process that finds them out."""
    signature = infer_signature(data.features[:2], model.predict(data.features[:2]))
    return mlflow.sklearn.log_model(model, name="model", signature=signature, pip_requirements=["scikit-learn"])


def evaluate(world: World, data: Data, user: str, rows: int, verdict: str = "fit") -> None:
    evaluate_into(world, data, user, SimpleNamespace(**made), "fraud", verdict, rows)


def evaluate_into(
    world: World, data: Data, user: str, trained: Any, experiment: str, verdict: str, rows: int = 390
) -> None:
    """Measure `trained.model`, logged as `trained.info`, as `user`, with a verdict on it."""
    frame = pd.DataFrame(data.features[-rows:], columns=list("abcd"))
    frame["label"] = data.labels[-rows:]
    with world.as_user(user):
        mlflow.set_experiment(experiment)
        with proctor.training(**world.plan(), context="evaluation", tags={"validation.verdict": verdict}):
            dataset = mlflow.data.from_pandas(frame, name="holdout", targets="label")
            mlflow.log_input(dataset, context="evaluation")
            score = float(trained.model.score(data.features[-rows:], data.labels[-rows:]))
            mlflow.log_metric("accuracy_score", score, model_id=trained.info.model_id, dataset=dataset)


def test_01_a_run_without_a_preflight_is_refused_by_mlflow_itself(world: World) -> None:
    with world.as_user("alice"):
        experiment = mlflow.set_experiment("fraud")
        assert "training.preflight_valid" in refused(mlflow.start_run)
        assert "training.preflight_valid" in refused(lambda: MlflowClient().create_run(experiment.experiment_id))
        refused(lambda: mlflow.start_run(tags={"governance.preflight": "dec_00000000000000000000000000"}))


def test_02_training_is_refused_before_it_starts_and_says_who_can_help(world: World) -> None:
    with world.as_user("alice"), pytest.raises(TrainingRefusedError) as error, proctor.training(**world.plan()):
        pytest.fail("it started")
    preflight = error.value.preflight
    text = str(preflight)
    assert "data.dataset_owned" in text
    assert "the catalog names an owner" in text
    page = preflight._repr_html_()
    assert page.count("<tr>") == len(preflight.lines()) + 1
    assert "<script" not in page


def test_03_the_catalog_has_said_so_and_a_real_model_is_trained(world: World, data: Data) -> None:
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    with world.as_user("alice"):
        mlflow.set_experiment("fraud")
        catalog.eventually(lambda: proctor.preflight(**world.plan()).allowed)
        with proctor.training(**world.plan()) as run:
            made["model"] = LogisticRegression().fit(data.features[:400], data.labels[:400])
            made["info"] = log_model(made["model"], data)
            with mlflow.start_run(nested=True) as child:  # a sweep's child asks for nothing of its own
                pass
        made["run"] = run.info.run_id
        tags = mlflow.get_run(made["run"]).data.tags
        assert tags["governance.user"] == "alice"
        assert mlflow.get_run(child.info.run_id).data.tags["governance.preflight"] == tags["governance.preflight"]
    grant = {"username": "victor", "resource_type": "experiment", "resource_id": run.info.experiment_id}
    granted = world.mlflow.rest("POST", "/api/3.0/mlflow/users/permissions/grant", grant | {"permission": "EDIT"})
    assert granted.status_code == 200, granted.text


def test_04_somebody_elses_preflight_starts_nothing(world: World) -> None:
    with world.as_user("alice"):
        claimed = mlflow.get_run(made["run"]).data.tags["governance.preflight"]
    with world.as_user("mallory"):
        mlflow.set_experiment("mallory")
        text = refused(lambda: mlflow.start_run(tags={"governance.preflight": claimed}))
    assert "own false" in text


@pytest.mark.parametrize("key", ["governance.status", "governance.user", "Governance.Preflight", "GOVERNANCE.x"])
def test_05_forged_tags_are_refused_at_create_set_and_delete(world: World, key: str) -> None:
    with world.as_user("alice"):
        client = MlflowClient()
        refused(lambda: client.create_registered_model(f"forged-{key.lower()}", tags={key: "approved"}))
        refused(lambda: client.set_tag(made["run"], key, "mallory"))
        refused(lambda: client.delete_tag(made["run"], key))
        refused(lambda: client.set_logged_model_tags(made["info"].model_id, {key: "x"}))
        batch = world.mlflow.rest(
            "POST",
            "/api/2.0/mlflow/runs/log-batch",
            {"run_id": made["run"], "tags": [{"key": key, "value": "x"}]},
            "alice",
        )
        assert batch.status_code == 403
        for path in ("/ajax-api/2.0/mlflow/runs/set-tag", "/api/2.0/mlflow/runs/set-tag"):
            body = {"run_id": made["run"], "key": key, "value": "x"}
            assert world.mlflow.rest("POST", path, body, "alice").status_code == 403


def test_06_a_version_is_registered_and_its_files_are_hashed(world: World) -> None:
    with world.as_user("alice"):
        refused(lambda: mlflow.register_model(made["info"].model_uri, MODEL, tags={"governance.status": "approved"}))
        made["version"] = mlflow.register_model(made["info"].model_uri, MODEL)

    def registered() -> Any:
        return [one for one in world.proctor.call("GET", "/v1/models")[1]["models"] if one["name"] == MODEL]

    (one,) = catalog.eventually(registered)
    assert one["digest"].startswith("sha256:")
    assert one["files"] > 3
    assert (one["purpose"], one["data_class"], one["author"]) == ("fraud-detection", "personal", world.ids["alice"])
    assert one["datasets"] == [catalog.PAYMENTS.urn]
    made["digest"] = one["digest"]


def test_07_the_alias_is_refused_for_everything_that_is_missing(world: World, data: Data) -> None:
    missing = {
        "registration.card_complete",
        "registration.performance_sufficient",
        "registration.validator_independent",
    }
    assert rules(refused(lambda: champion(world))) == missing
    for path in ("/api/2.0/mlflow/registered-models/alias", "/ajax-api/2.0/mlflow/registered-models/alias"):
        for alias in ("champion", "Champion", "CHAMPION"):
            body = {"name": MODEL, "alias": alias, "version": made["version"].version}
            response = world.mlflow.rest("POST", path, body, "alice")
            assert response.status_code == 403, response.text
            assert response.json()["error_code"] == "PERMISSION_DENIED"
    stage = {
        "name": MODEL,
        "version": made["version"].version,
        "stage": "pRoDuCtIoN",
        "archive_existing_versions": True,
    }
    assert (
        world.mlflow.rest("POST", "/api/2.0/mlflow/model-versions/transition-stage", stage, "alice").status_code == 403
    )
    evaluate(world, data, "victor", 50)
    text = refused(lambda: champion(world))
    assert "on 50 samples" in text
    assert "registration.validator_independent" not in rules(text)


def test_08_what_the_author_measures_and_validates_proves_nothing(world: World, data: Data) -> None:
    evaluate(world, data, "alice", 390)
    text = refused(lambda: champion(world))
    assert rules(text) >= {"registration.performance_sufficient", "registration.validator_independent"}


def test_09_with_the_evidence_of_the_right_people_it_is_allowed(world: World, data: Data) -> None:
    evaluate(world, data, "victor", 390)
    assert rules(refused(lambda: champion(world))) == {"registration.card_complete"}
    with world.as_user("alice"):
        client = MlflowClient()
        client.log_text(made["run"], CARD.replace("fraud-detection", "credit-scoring"), "governance/model_card.md")
        assert "purpose" in refused(lambda: champion(world))
        client.log_text(made["run"], CARD, "governance/model_card.md")
    champion(world)
    champion(world)
    with world.as_user("alice"):
        assert MlflowClient().get_model_version_by_alias(MODEL, "champion").version == made["version"].version


def test_10_what_is_in_use_keeps_its_name_and_its_files(world: World) -> None:
    with world.as_user("alice"):
        client = MlflowClient()
        for action in (
            lambda: client.rename_registered_model(MODEL, "other"),
            lambda: client.delete_registered_model(MODEL),
            lambda: client.delete_model_version(MODEL, made["version"].version),
            lambda: client.set_registered_model_tag(MODEL, "mlflow.prompt.is_prompt", "true"),
        ):
            refused(action)
        with pytest.raises(Exception, match="403"):
            client.log_text(made["run"], "other", "governance/model_card.md")
    path = f"/api/2.0/mlflow-artifacts/artifacts/1/models/{made['info'].model_id}/artifacts/MLmodel"
    for user in ("alice", "admin"):
        password = "adminpassword1234" if user == "admin" else "alicepassword1234"
        response = httpx.put(f"{world.mlflow.url}{path}", content=b"x", auth=(user, password), timeout=10)
        assert response.status_code == 403, response.text


def test_11_the_same_digest_may_be_deployed_and_another_may_not(world: World, opa_binary: Any) -> None:
    made_service = world.proctor.made("/v1/principals", {"kind": "service", "name": "cd", "environments": ["prod"]})[
        "id"
    ]
    world.proctor.made(f"/v1/principals/{made_service}/aliases", {"system": "kubernetes", "name": "cd@example.com"})

    def review(uri: str) -> dict[str, Any]:
        container = {
            "name": "server", "image": "registry.example.com/s/mlserver@sha256:" + "1" * 64,
            "env": [{"name": "MODEL_URI", "value": uri}], "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        }  # fmt: skip
        template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}
        request = {
            "uid": "0b9e6f3a-2f6f-4a7e-9a51-6b7c8d9e0f10", "namespace": "ml", "name": "x", "operation": "CREATE",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "userInfo": {"username": "cd@example.com"},
            "object": {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "ml"},
                "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template},
            },
        }  # fmt: skip
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        url = f"{catalog.url(world.proctor)}/v1/adapters/kubernetes/admit"
        answer: dict[str, Any] = httpx.post(url, json=body, timeout=20).json()["response"]
        return answer

    allowed = review(f"models:/{MODEL}/{made['version'].version}")
    assert allowed["allowed"] is True, allowed
    denied = review(f"models:/{MODEL}/99")
    assert denied["allowed"] is False
    assert "model_registered" in json.dumps(denied)


def test_12_an_owner_who_leaves_opens_a_violation_and_one_who_comes_resolves_it(world: World) -> None:
    world.emit(ownership=catalog.owners())
    found = catalog.eventually(lambda: world.violations().get("no_longer_allowed"))
    assert [finding["rule"] for finding in found["detail"]["findings"]] == ["data.dataset_owned"]
    assert "data.dataset_owned" in rules(refused(lambda: champion(world)))
    world.emit(ownership=catalog.owners("team:payments"))
    catalog.eventually(lambda: "no_longer_allowed" not in world.violations())


def test_13_files_that_change_behind_the_gate_are_found(world: World) -> None:
    (file,) = [path for path in world.mlflow.artifacts.rglob("MLmodel") if made["info"].model_id in str(path)]
    original = file.read_bytes()
    file.write_bytes(original + b"\n# changed\n")
    found = catalog.eventually(lambda: world.violations().get("artifact_changed"))
    assert found["detail"]["registered"] == made["digest"]
    file.write_bytes(original)
    catalog.eventually(lambda: "artifact_changed" not in world.violations())
