"""Ways around the gate that lead over files: over MLflow's routes, and past them, on its disk."""

import os

import httpx
import mlflow
import pytest
from mlflow import MlflowClient

import proctor
from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World
from tests.contract.mlflow.test_story import refused, rules
from tests.contract.mlflow.test_ways_around import NAME, Trained, alias, train, trained, versions

__all__ = ["trained"]
# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
MLMODEL = "flavors: {}\nsignature: {inputs: '[]', outputs: '[]'}\n"


def write(world: World, method: str, path: str, user: str = "alice", content: bytes = b"x") -> httpx.Response:
    return httpx.request(
        method, f"{world.mlflow.url}{path}", content=content, auth=(user, f"{user}password1234"), timeout=20
    )  # fmt: skip


@pytest.mark.parametrize(
    "spelling",
    [
        "{folder}/MLmodel", "{folder}/new.txt", "./{folder}/MLmodel", "{coded}/MLmodel", "{twice}/MLmodel",
        "{thrice}/MLmodel", "{folder}//MLmodel",
    ],
)  # fmt: skip
@pytest.mark.parametrize("base", ["/api/2.0", "/ajax-api/2.0"])
def test_files_of_a_registered_version_are_not_written_over(
    world: World, trained: Trained, base: str, spelling: str
) -> None:
    coded = trained.folder.replace("m-", "%6d-")
    folders = {
        "folder": trained.folder, "coded": coded, "twice": coded.replace("%", "%25"),
        "thrice": coded.replace("%", "%2525"),
    }  # fmt: skip
    before = {path: path.read_bytes() for path in world.mlflow.artifacts.rglob("*") if path.is_file()}
    answer = write(world, "PUT", f"{base}/mlflow-artifacts/artifacts/{spelling.format(**folders)}")
    assert answer.status_code == 403, answer.text
    after = {path: path.read_bytes() for path in world.mlflow.artifacts.rglob("*") if path.is_file()}
    assert after == before


def test_nothing_above_a_version_is_deleted_either(world: World, trained: Trained) -> None:
    for path in (
        f"{trained.experiment}", f"{trained.experiment}/models", f"{trained.experiment}/models/{trained.info.model_id}",
        trained.folder, f"{trained.folder}/MLmodel",
    ):  # fmt: skip
        answer = write(world, "DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{path}")
        assert answer.status_code == 403, (path, answer.text)
    assert any(trained.info.model_id in str(path) for path in world.mlflow.artifacts.rglob("MLmodel"))


def test_a_file_cannot_be_uploaded_by_the_forms_of_the_ui(world: World, data: Data, trained: Trained) -> None:
    """A version whose files lie inside its run, as MLflow 2 made them."""
    with world.as_user("alice"):
        mlflow.set_experiment("around")
        with proctor.training(**world.plan()) as run:
            mlflow.log_text(MLMODEL, "model/MLmodel")
        client = MlflowClient()
        client.create_registered_model("old-style")
        source = f"{run.info.artifact_uri}/model"
        made = client.create_model_version("old-style", source, run.info.run_id)
    found = catalog.eventually(lambda: versions(world, "old-style").get(made.version))
    assert found["author"] == world.ids["alice"]
    form = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run.info.run_id}&path="
    assert write(world, "POST", f"{form}model/MLmodel").status_code == 403
    assert write(world, "POST", f"{form}model%252FMLmodel").status_code == 403
    assert write(world, "POST", f"{form}notes.txt").status_code == 200
    with world.as_user("alice"), pytest.raises(Exception, match="403"):
        MlflowClient().log_text(run.info.run_id, "flavors: {evil: {}}", "model/MLmodel")


@pytest.mark.parametrize("auth", [None, ("alice", "wrong"), ("nobody", "nobodypassword1234")])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "artifacts/{folder}/MLmodel"), ("DELETE", "artifacts/{folder}"),
        ("POST", "mpu/create/{folder}/MLmodel"), ("POST", "mpu/complete/{folder}/MLmodel"),
    ],
)  # fmt: skip
def test_whoever_mlflow_does_not_know_learns_nothing_from_the_guard(
    world: World, trained: Trained, method: str, path: str, auth: tuple[str, str] | None
) -> None:
    url = f"{world.mlflow.url}/api/2.0/mlflow-artifacts/{path.format(folder=trained.folder)}"
    answer = httpx.request(method, url, content=b"x", auth=auth, timeout=20)
    assert answer.status_code == 401, answer.text
    assert NAME not in answer.text
    assert "Proctor" not in answer.text


def test_a_file_that_was_written_on_disk_after_hashing_stops_a_promotion_at_once(
    world: World, trained: Trained, data: Data
) -> None:
    """Same size, same time of modification: only the kernel's own stamp says so."""
    _, info, _ = train(world, data, "alice", "around")
    with world.as_user("alice"):
        version = mlflow.register_model(info.model_uri, "touched").version
        client = MlflowClient()
        catalog.eventually(lambda: "governance.files" in client.get_model_version("touched", version).tags)
        refused(lambda: client.set_model_version_tag("touched", version, "governance.files", "x"))
        refused(lambda: client.delete_model_version_tag("touched", version, "governance.files"))
    assert "registration.validator_independent" in rules(refused(lambda: alias(world, version, "touched")))
    (file,) = [path for path in world.mlflow.artifacts.rglob("model.pkl") if info.model_id in str(path)] or [
        path for path in world.mlflow.artifacts.rglob("MLmodel") if info.model_id in str(path)
    ]
    raw, stamp = file.read_bytes(), file.stat()
    with file.open("r+b") as opened:
        opened.write(bytes([raw[0] ^ 1]))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    text = refused(lambda: alias(world, version, "touched"))
    assert "manifest_pending" in text or "not those that were registered" in text
    catalog.eventually(lambda: "not those that were registered" in refused(lambda: alias(world, version, "touched")))
    file.write_bytes(raw)
    catalog.eventually(
        lambda: "registration.validator_independent" in rules(refused(lambda: alias(world, version, "touched")))
    )


def test_a_file_that_was_added_on_disk_stops_a_promotion_at_once(world: World, trained: Trained) -> None:
    (folder,) = [path.parent for path in world.mlflow.artifacts.rglob("MLmodel") if trained.info.model_id in str(path)]
    with world.as_user("alice"):
        client = MlflowClient()
        catalog.eventually(lambda: "governance.files" in client.get_model_version(NAME, trained.version).tags)
    added = folder / "sitecustomize.py"
    added.write_bytes(b"")
    try:
        text = refused(lambda: alias(world, trained.version))
        assert "manifest_pending" in text or "not those that were registered" in text
    finally:
        added.unlink()
    catalog.eventually(lambda: rules(refused(lambda: alias(world, trained.version))))
