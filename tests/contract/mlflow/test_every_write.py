"""Every way to write into MLflow, in every state that Proctor can be in: refused in time with 403, or not its business.

A 5xx or 429 would be repeated by MLflow's clients for minutes; and whoever only reads must not notice anything.
"""

import os
import signal
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import RestException

from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World
from tests.contract.mlflow.test_signatures import UNGUARDED, WRITES
from tests.contract.mlflow.test_ways_around import train, versions

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
NAME: Final = "every"
LIMIT: Final = 2.0
"""Seconds in which an answer must be there, whatever state Proctor is in."""
BASE: Final = "/api/2.0/mlflow"


@dataclass(frozen=True)
class Registered:
    """A version of alice's, hashed, with what its calls need."""

    version: str
    experiment: str
    run: str
    folder: str
    source: dict[str, str]


@pytest.fixture(scope="module")
def registered(world: World, data: Data) -> Registered:
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    run, info, _ = train(world, data, "alice", NAME)
    with world.as_user("alice"):
        version = mlflow.register_model(info.model_uri, NAME).version
    catalog.eventually(lambda: version in versions(world, NAME))
    # In use, so that what is refused is refused for good: the calls here are made again and again.
    world.proctor.made(f"/v1/models/{NAME}/{version}/allowance", {"environments": ["prod"]})
    folder = f"{run.info.experiment_id}/models/{info.model_id}/artifacts"
    source = {"source": info.model_uri, "model_id": info.model_id}
    return Registered(version, run.info.experiment_id, run.info.run_id, folder, source)


Call = tuple[str, str, dict[str, Any]]


def asking(one: Registered) -> dict[str, Call]:
    """Return the calls on which somebody decides, by the method of MLflow's store or the route that they end in."""
    this = {"name": NAME, "version": one.version}
    stage = {**this, "stage": "Production", "archive_existing_versions": True}
    artifacts = "/api/2.0/mlflow-artifacts"
    return {
        "rename_registered_model": ("POST", f"{BASE}/registered-models/rename", {"name": NAME, "new_name": "x"}),
        "delete_registered_model": ("DELETE", f"{BASE}/registered-models/delete", {"name": NAME}),
        "create_model_version": ("POST", f"{BASE}/model-versions/create", {"name": NAME, **one.source}),
        "transition_model_version_stage": ("POST", f"{BASE}/model-versions/transition-stage", stage),
        "delete_model_version": ("DELETE", f"{BASE}/model-versions/delete", this),
        "set_registered_model_alias": ("POST", f"{BASE}/registered-models/alias", {**this, "alias": "champion"}),
        "a run": ("POST", f"{BASE}/runs/create", {"experiment_id": one.experiment, "tags": []}),
        "a child run": (
            "POST", f"{BASE}/runs/create",
            {"experiment_id": one.experiment, "tags": [{"key": "mlflow.parentRunId", "value": one.run}]},
        ),
        "a file": ("PUT", f"{artifacts}/artifacts/{one.folder}/MLmodel", {}),
        "a file by the UI": ("PUT", f"/ajax-api/2.0/mlflow-artifacts/artifacts/{one.folder}/x", {}),
        "files that go": ("DELETE", f"{artifacts}/artifacts/{one.folder}", {}),
        "a file in parts": (
            "POST", f"{artifacts}/mpu/create/{one.folder}/MLmodel", {"path": "MLmodel", "num_parts": 1}
        ),
        "a file in parts, all there": ("POST", f"{artifacts}/mpu/complete/{one.folder}/MLmodel", {"path": "MLmodel"}),
        "a signed address": (
            "POST", f"{BASE}/artifacts/presigned-upload-url", {"model_id": one.source["model_id"], "path": "MLmodel"}
        ),
    }  # fmt: skip


def free(one: Registered) -> dict[str, Call]:
    """Return the calls that work in any state: what proves nothing, and taking out of use."""
    this = {"name": NAME, "version": one.version}
    note = {"key": "note", "value": "x"}
    return {
        "create_registered_model": ("POST", f"{BASE}/registered-models/create", {"name": f"free-{uuid.uuid4().hex}"}),
        "update_registered_model": ("PATCH", f"{BASE}/registered-models/update", {"name": NAME, "description": "x"}),
        "set_registered_model_tag": ("POST", f"{BASE}/registered-models/set-tag", {"name": NAME, **note}),
        "delete_registered_model_tag": (
            "DELETE", f"{BASE}/registered-models/delete-tag", {"name": NAME, "key": "note"}
        ),
        "update_model_version": ("PATCH", f"{BASE}/model-versions/update", {**this, "description": "x"}),
        "set_model_version_tag": ("POST", f"{BASE}/model-versions/set-tag", {**this, **note}),
        "delete_model_version_tag": ("DELETE", f"{BASE}/model-versions/delete-tag", {**this, "key": "note"}),
        "delete_registered_model_alias": (
            "DELETE", f"{BASE}/registered-models/alias", {"name": NAME, "alias": "champion"}
        ),
        "a stage that is none": (
            "POST", f"{BASE}/model-versions/transition-stage",
            {**this, "stage": "Archived", "archive_existing_versions": False},
        ),
        "a metric of one's own": (
            "POST", f"{BASE}/runs/log-metric", {"run_id": one.run, "key": "m", "value": 1.0, "timestamp": 1}
        ),
        "a tag of one's own": ("POST", f"{BASE}/runs/set-tag", {"run_id": one.run, **note}),
    }  # fmt: skip


def reads(one: Registered) -> dict[str, Call]:
    return {
        "the version": ("GET", f"{BASE}/model-versions/get?name={NAME}&version={one.version}", {}),
        "the models": ("GET", f"{BASE}/registered-models/search", {}),
        "the run": ("GET", f"{BASE}/runs/get?run_id={one.run}", {}),
        "the files": ("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={one.folder}", {}),
        "a file": ("GET", f"/api/2.0/mlflow-artifacts/artifacts/{one.folder}/MLmodel", {}),
    }


def test_every_method_of_the_store_that_writes_is_tried_here(registered: Registered) -> None:
    webhooks = {name for name in UNGUARDED if name.endswith("_webhook")}  # for admins alone
    tried = set(asking(registered)) | set(free(registered))
    assert (WRITES | set(UNGUARDED)) - webhooks == {name for name in tried if "_" in name}


def answers(world: World, calls: dict[str, Call]) -> Iterator[tuple[str, httpx.Response]]:
    """Yield the answer to each call of alice's, and see to it that it is there in time."""
    with httpx.Client(base_url=world.mlflow.url, auth=("alice", "alicepassword1234"), timeout=20) as client:
        for name, (method, path, body) in calls.items():
            started = time.monotonic()
            answer = client.request(method, path, json=body or None)
            took = time.monotonic() - started
            assert took < LIMIT, f"{name} took {took:.2f} s: {answer.text}"
            yield name, answer


def hold(world: World, registered: Registered, *, surely: bool = True) -> None:
    """Try everything. `surely`: nothing that somebody decides on may succeed."""
    refuse(world, registered, surely=surely)
    with world.as_user("alice"), pytest.MonkeyPatch.context() as patch:
        # As users have it: what MLflow's client repeats, it repeats for minutes.
        patch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
        started, found = time.monotonic(), "allowed"
        try:
            MlflowClient().set_registered_model_alias(NAME, "champion", registered.version)
        except RestException as error:
            found = error.error_code
        assert found == "PERMISSION_DENIED" or not surely
        assert found in {"PERMISSION_DENIED", "allowed"}
        assert time.monotonic() - started < LIMIT
    for name, answer in answers(world, free(registered) | reads(registered)):
        assert answer.status_code == 200, (name, answer.text)


def refuse(world: World, registered: Registered, *, surely: bool = True) -> None:
    for name, answer in answers(world, asking(registered)):
        if answer.status_code == 403:
            document = answer.json()
            assert (document["error_code"], document["message"][:8]) == ("PERMISSION_DENIED", "Proctor:"), (
                name,
                document,
            )
        else:
            assert (answer.status_code, surely) == (200, False), (name, answer.text)


@contextmanager
def hung(world: World) -> Iterator[None]:
    world.proctor.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        world.proctor.signal(signal.SIGCONT)


@contextmanager
def locked(world: World) -> Iterator[None]:
    (path,) = Path(world.proctor.state_dir).glob("*.db")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")


def _engines(number: int) -> Callable[[World], Any]:
    @contextmanager
    def state(world: World) -> Iterator[None]:
        found = world.proctor.engines()
        for engine in found:
            os.kill(engine, number)
        try:
            yield
        finally:
            for engine in set(world.proctor.engines()) & set(found):
                os.kill(engine, signal.SIGCONT)

    return state


STATES: Final[dict[str, Callable[[World], Any]]] = {
    "hung": hung, "its database is locked": locked, "OPA is hung": _engines(signal.SIGSTOP),
    "OPA is dead": _engines(signal.SIGKILL),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_in_no_state_does_anything_pass_unasked_or_end_in_an_error(
    world: World, registered: Registered, state: str
) -> None:
    with STATES[state](world):
        # An OPA that hangs or died is replaced by another within a second or two; then questions are answered again.
        hold(world, registered, surely=not state.startswith("OPA"))
    catalog.eventually(lambda: started(world, registered), 20)


def started(world: World, registered: Registered) -> bool:
    """Tell whether Proctor decides again: what it says of a run without a preflight is a rule's word."""
    ((_, answer),) = answers(world, {"a run": asking(registered)["a run"]})
    assert answer.status_code == 403
    return "training.preflight_valid" in answer.text


LIES: Final = {
    "closes": b"",
    "no HTTP": b"\x00\xff what\r\n\r\n",
    "500": b"HTTP/1.1 500 x\r\ncontent-length: 2\r\n\r\n{}",
    "429": b"HTTP/1.1 429 x\r\nretry-after: 100\r\ncontent-length: 2\r\n\r\n{}",
    "302": b"HTTP/1.1 302 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    "yes in words": b'HTTP/1.1 200 x\r\ncontent-length: 18\r\n\r\n{"allowed": "true"}',
    "a yes that is cut off": b'HTTP/1.1 200 x\r\ncontent-length: 99\r\n\r\n{"allowed": true}',
    "a yes that is no 200": b'HTTP/1.1 201 x\r\ncontent-length: 17\r\n\r\n{"allowed": true}',
    "drips": b"",
    "silence": b"",
}


@contextmanager
def lying(path: str, lie: str) -> Iterator[None]:
    """Be on Proctor's socket, and answer each call with a lie."""
    with socket.socket(socket.AF_UNIX) as listener:
        Path(path).unlink(missing_ok=True)
        listener.bind(path)
        listener.listen(64)
        ended = threading.Event()

        def serve(connection: socket.socket) -> None:
            with connection:
                connection.recv(65536)
                if lie == "silence":
                    ended.wait(30)
                    return
                if lie == "drips":
                    connection.sendall(b"HTTP/1.1 200 x\r\ncontent-length: 9999\r\n\r\n")
                    while not ended.wait(0.1):
                        try:
                            connection.sendall(b" ")
                        except OSError:
                            return
                    return
                connection.sendall(LIES[lie])

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            Path(path).unlink()


def test_a_dead_proctor_and_whoever_answers_in_its_place_is_no_yes(world: World, registered: Registered) -> None:
    world.proctor.kill()
    try:
        hold(world, registered)
        for lie in LIES:
            with lying(world.proctor.socket, lie):
                refuse(world, registered)
    finally:
        world.proctor.start()
    catalog.eventually(lambda: started(world, registered), 20)
