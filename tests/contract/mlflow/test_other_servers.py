"""The same gate under gunicorn, where MLflow has no native routes, and with workspaces, where names are not unique."""

import os
from collections.abc import Iterator
from dataclasses import replace

import httpx
import mlflow
import pytest
from mlflow import MlflowClient

from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World
from tests.contract.mlflow.test_story import refused, rules
from tests.contract.mlflow.test_ways_around import train, versions
from tests.live.registry import ADMIN, ADMIN_PASSWORD, MlflowServer, running_mlflow

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
WORKSPACE = "team-a"


@pytest.fixture(scope="module")
def elsewhere(world: World) -> Iterator[World]:
    """Yield the world with another MLflow in it: gunicorn, workspaces; its admin is a person that Proctor knows."""
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    folder = world.mlflow.folder.parent / "w"
    options = ["--enable-workspaces", "--gunicorn-opts", "--timeout 120"]
    with running_mlflow(MlflowServer(folder, world.mlflow.settings, options=options)) as server:
        there = replace(world, mlflow=server)
        there.link(ADMIN)
        made = server.rest("POST", "/api/3.0/mlflow/workspaces", {"name": WORKSPACE})
        assert made.status_code in {200, 201}, made.text
        yield there


@pytest.fixture
def in_workspace() -> Iterator[None]:
    mlflow.set_workspace(WORKSPACE)
    yield
    mlflow.set_workspace(None)
    os.environ.pop("MLFLOW_WORKSPACE", None)


@pytest.mark.usefixtures("in_workspace")
def test_models_of_a_workspace_have_names_of_their_own_and_sealed_files(elsewhere: World, data: Data) -> None:
    run, info, _ = train(elsewhere, data, ADMIN, "there")
    with elsewhere.as_user(ADMIN):
        version = mlflow.register_model(info.model_uri, "fraud").version
        found = catalog.eventually(lambda: versions(elsewhere, f"{WORKSPACE}.fraud").get(version))
        assert found["author"] == elsewhere.ids[ADMIN]
        text = refused(lambda: MlflowClient().set_registered_model_alias("fraud", "champion", version))
        assert rules(text) == {
            "registration.card_complete", "registration.performance_sufficient", "registration.validator_independent",
        }  # fmt: skip
        refused(lambda: MlflowClient().set_tag(run.info.run_id, "governance.user", "x"))
    experiment = run.info.experiment_id
    model = f"{experiment}/models/{info.model_id}"
    for method, path in (
        ("PUT", f"{model}/artifacts/MLmodel"), ("PUT", f"{model.replace('m-', '%256d-')}/artifacts/MLmodel"),
        ("DELETE", model), ("DELETE", experiment),
    ):  # fmt: skip
        url = f"{elsewhere.mlflow.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
        headers = {"X-MLFLOW-WORKSPACE": WORKSPACE}
        stranger = httpx.request(method, url, content=b"x", headers=headers, timeout=20)
        assert (stranger.status_code, "Proctor" in stranger.text) == (401, False), stranger.text
        answer = httpx.request(
            method, url, content=b"x", auth=(ADMIN, ADMIN_PASSWORD), headers=headers, timeout=20
        )  # fmt: skip
        assert answer.status_code == 403, (method, path, answer.text)
        assert "Proctor" in answer.text


def test_a_run_without_a_preflight_is_refused_under_gunicorn_too(elsewhere: World) -> None:
    with elsewhere.as_user(ADMIN):
        mlflow.set_experiment("here")
        assert "training.preflight_valid" in refused(mlflow.start_run)
