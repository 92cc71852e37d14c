"""What MLflow's users meet while Proctor is hung, dead, without OPA or without its database; and what a yes costs."""

import signal
import sqlite3
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from proctor_adapters.mlflow.doctor import examine
from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World
from tests.contract.mlflow.test_ways_around import promotable_versions
from tests.live.registry import MlflowServer, running_mlflow

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
NAME = "states"
ALIAS = "/api/2.0/mlflow/registered-models/alias"
LIMIT = 2.0
"""Seconds in which an answer must be there, whatever state Proctor is in."""


@pytest.fixture(scope="module")
def champion(world: World, data: Data) -> dict[str, str]:
    """Make a version that may be promoted; return the body of the call that does it."""
    (version,) = promotable_versions(world, data, NAME)
    return {"name": NAME, "alias": "champion", "version": version}


def attempt(world: World, body: dict[str, str]) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    response = world.mlflow.rest("POST", ALIAS, body, "alice")
    return response, time.monotonic() - started


def refused_in_time(world: World, body: dict[str, str]) -> httpx.Response:
    response, took = attempt(world, body)
    assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED"), response.text
    assert took < LIMIT, f"the refusal took {took:.2f} s"
    return response


def allowed_again(world: World, body: dict[str, str]) -> None:
    catalog.eventually(lambda: attempt(world, body)[0].status_code == 200, 20)


def test_a_hung_proctor_is_a_refusal_within_two_seconds_and_then_at_once(
    world: World, champion: dict[str, str]
) -> None:
    allowed_again(world, champion)
    world.proctor.signal(signal.SIGSTOP)
    try:
        assert "nobody could be asked" in refused_in_time(world, champion).text
        _, took = attempt(world, champion)
        assert took < 0.75, "after one failure the next costs no budget"
        # Taking a version out of use works at any time.
        stage = {"name": NAME, "version": champion["version"], "stage": "Archived", "archive_existing_versions": False}
        retired = world.mlflow.rest("POST", "/api/2.0/mlflow/model-versions/transition-stage", stage, "alice")
        assert retired.status_code == 200, retired.text
    finally:
        world.proctor.signal(signal.SIGCONT)
    allowed_again(world, champion)


def test_many_at_once_do_not_each_wait_for_a_hung_proctor(world: World, champion: dict[str, str]) -> None:
    world.proctor.signal(signal.SIGSTOP)
    try:
        took: list[float] = []
        refused_in_time(world, champion)
        time.sleep(2.2)  # the circuit half opens: one of them finds out, the others don't wait with it
        threads = [threading.Thread(target=lambda: took.append(attempt(world, champion)[1])) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(took) == 6
        assert sum(one > 1.2 for one in took) <= 1, took
    finally:
        world.proctor.signal(signal.SIGCONT)
    allowed_again(world, champion)


def test_a_locked_database_is_a_refusal(world: World, champion: dict[str, str]) -> None:
    (path,) = Path(world.proctor.state_dir).glob("*.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            refused_in_time(world, champion)
            refused_in_time(world, champion)
        finally:
            database.execute("ROLLBACK")
    allowed_again(world, champion)


def test_an_opa_that_dies_is_a_refusal_or_nothing_at_all(world: World, champion: dict[str, str]) -> None:
    for engine in world.proctor.engines():
        subprocess.run(["kill", "-9", str(engine)], check=True)  # noqa: S607 (the system's own)
    response, took = attempt(world, champion)
    assert response.status_code in {200, 403}, response.text
    assert took < LIMIT
    allowed_again(world, champion)


def test_a_dead_proctor_costs_milliseconds(world: World, champion: dict[str, str]) -> None:
    world.proctor.kill()
    try:
        refused_in_time(world, champion)
        _, took = attempt(world, champion)
        assert took < 0.75
    finally:
        world.proctor.start()
    allowed_again(world, champion)


@pytest.fixture(scope="module")
def plain(world: World) -> Iterator[MlflowServer]:
    """Start a server without the gate on the same database, as somebody might."""
    with running_mlflow(MlflowServer(world.mlflow.folder, {}, gated=False)) as server:
        yield server


def test_the_doctor_tells_a_gated_server_from_one_that_is_not(world: World, plain: MlflowServer) -> None:
    environment = world.mlflow.credentials("admin") | world.mlflow.settings
    states = {one.check: one for one in examine(environment, world.mlflow.url)}
    assert {name: states[name].state for name in ("proctor", "server", "registry", "runs")} == dict.fromkeys(
        ("proctor", "server", "registry", "runs"), "ok"
    )
    found = {one.check: one for one in examine({**environment, "PROCTOR_API_KEY": "prk_nobody"}, plain.url)}
    assert {name: found[name].state for name in ("proctor", "registry", "runs")} == dict.fromkeys(
        ("proctor", "registry", "runs"), "broken"
    )
    assert "--registry-store-uri" in found["registry"].fix
    stranger = {one.check: one for one in examine(world.mlflow.credentials("alice"), "http://127.0.0.1:1")}
    assert stranger["server"].state == "broken"


def test_a_yes_costs_a_few_calls_on_loopback(world: World, champion: dict[str, str], plain: MlflowServer) -> None:
    """The same call on a plain server over the same database, and a decision without MLflow, taken in turns."""
    decision = {
        "schema": "proctor/request/v1", "stage": "training", "operation": "train", "environment": "dev",
        "subject": {"kind": "run", "name": "x"}, "point": "notebook", "purpose": "fraud-detection",
        "facts": {"datasets": []},
    }  # fmt: skip
    auth = ("alice", "alicepassword1234")
    with (
        httpx.Client(base_url=world.mlflow.url, auth=auth, timeout=20) as gated_client,
        httpx.Client(base_url=plain.url, auth=auth, timeout=20) as plain_client,
        httpx.Client(base_url=catalog.url(world.proctor), timeout=20) as proctor_client,
    ):
        key = {"Authorization": f"Bearer {world.keys['alice']}"}
        calls: dict[str, Callable[[], httpx.Response]] = {
            "gated": lambda: gated_client.post(ALIAS, json=champion),
            "plain": lambda: plain_client.post(ALIAS, json=champion),
            "decision": lambda: proctor_client.post("/v1/decisions", json=decision, headers=key),
        }
        took: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(32):
            for name, call in calls.items():
                started = time.perf_counter()
                response = call()
                elapsed = time.perf_counter() - started
                assert response.status_code == 200, (name, response.text)
                if turn > 1:
                    took[name].append(elapsed)
    middle = {name: statistics.median(values) for name, values in took.items()}
    added = middle["gated"] - middle["plain"]
    assert added < 6 * middle["decision"], middle
