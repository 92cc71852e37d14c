"""What was allowed and no longer is: a real server, OPA and sink; the registry is asked for as its plugin asks.

The plugin in a real MLflow makes the same calls in `tests/contract/mlflow`. Here they are made by hand, so that the way
from a catalog's event to a violation and its alert is proven in seconds.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.contract.lifecycle import test_catalog as catalog
from tests.live import postgres
from tests.live.server import ProctorServer, running

MODEL = "fraud"
MODEL_ID = "m-" + "7" * 32
made: dict[str, Any] = {}
"""What the story has made so far; the tests run in their order."""


@dataclass
class World:
    """A server, its sink, and the people whom both know."""

    server: ProctorServer
    sink: catalog.Sink
    ids: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def settle(self) -> None:
        """Add the people, the registry's gate and the catalog, each with a key."""
        person = {"kind": "person", "roles": ["requester"], "purposes": ["*"], "data_classes": ["*"]}
        bodies = dict.fromkeys(("alice", "victor", "olga"), person)
        gate = {"kind": "service", "roles": ["gate"]}
        for name, body in (bodies | {"mlflow": gate, "catalog": gate}).items():
            self.ids[name] = self.server.made("/v1/principals", body | {"name": name})["id"]
        for name in ("alice", "victor"):
            self._link(name, "mlflow", name)
        self._link("olga", "catalog", "team:payments")
        asserts = [f"datasets/*/{group}" for group in catalog.GROUPS]
        everywhere = {"points": ["*"], "environments": ["*"]}
        self._key("alice", roles=["requester"], **everywhere)
        self._key("mlflow", roles=["gate"], **everywhere)
        self._key("catalog", roles=["gate"], kind="catalog", asserts=asserts)

    def _link(self, name: str, system: str, login: str) -> None:
        self.server.made(f"/v1/principals/{self.ids[name]}/aliases", {"system": system, "name": login})

    def _key(self, name: str, **body: Any) -> None:
        self.keys[name] = self.server.made("/v1/keys", {"principal": self.ids[name], **body})["key"]

    def emit(self, *owners: str) -> None:
        """Let the catalog say who owns the dataset, and all else that it knows of it."""
        facets = {"ownership": catalog.owners(*owners), "tags": catalog.tags(**catalog.GOOD)}
        catalog.client(self.server, self.keys["catalog"]).emit(catalog.event(datetime.now(UTC), **facets))

    def call(self, path: str, body: Any) -> Any:
        status, found = self.server.call("POST", f"/v1/adapters/mlflow/{path}", body, key=self.keys["mlflow"])
        assert status == 200, found
        return found

    def decision(self, decision: str) -> Any:
        status, found = self.server.call("GET", f"/v1/decisions/{decision}")
        assert status == 200, found
        return found

    def violations(self, query: str = "?open=true") -> list[Any]:
        found: list[Any] = self.server.call("GET", f"/v1/violations{query}")[1]["violations"]
        return found

    def told(self) -> list[str]:
        """Return the types of the events that the sink has got."""
        return [event["type"] for event in self.sink.got]


def evidence(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    logged = {
        "name": "payments", "digest": "1", "source_type": "s3", "source": '{"uri": "s3://lake/payments"}',
        "version": "7",
    }  # fmt: skip
    return {
        "name": MODEL, "version": "1", "model_id": MODEL_ID, "run_id": "r", "user": "alice",
        "preflight": made["preflight"], "created_at": now, "signature_inputs": True, "signature_outputs": True,
        "inputs": [logged],
        "measurements": [
            {
                "metric": "accuracy", "value": 0.93, "dataset": "holdout@1", "samples": 2000, "user": "victor",
                "at": now,
            }
        ],
        "card": {
            "headings": ["Intended use", "Training data", "Evaluation", "Limitations"], "statements": {}, "at": now
        },
        "validator": "victor", "validated_at": now, **changes,
    }  # fmt: skip


def promote(world: World) -> Any:
    return world.call("gate", {"action": "promote", "user": "alice", "target": "alias:champion", "version": evidence()})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, opa_binary: Path) -> Iterator[World]:
    sink = catalog.Sink()
    os.environ["SINK_SECRET"] = catalog.SECRET
    sinks = [{"name": "pager", "url": sink.url, "events": ["*"], "secret_env": "SINK_SECRET"}]
    try:
        with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder, ExitStack() as stack:
            if request.param == "postgresql":
                database: postgres.Server = request.getfixturevalue("postgresql")
                stack.enter_context(postgres.beside(Path(folder), stack.enter_context(database.database())))
            server = ProctorServer(Path(folder), opa_binary, catalog.CONFIGURATION | {"sinks": sinks})
            with running(server):
                found = World(server, sink)
                found.settle()
                yield found
    finally:
        sink.server.shutdown()
        sink.server.server_close()


def test_01_a_version_is_judged_by_the_risk_of_its_purpose_before_it_is_registered(world: World) -> None:
    world.emit("team:payments")
    asked = catalog.eventually(
        lambda: (
            (found := catalog.ask(world.server, world.keys["alice"], catalog.plan()))["outcome"] == "allow" and found
        )
    )
    made["preflight"] = asked["id"]
    reply = world.call("gate", {"action": "register", "user": "alice", "version": evidence(version="new")})
    assert reply["allowed"], reply
    tier = world.decision(reply["decision"])["tier"]
    assert (tier["value"], tier["unknown"]) == ("medium", [])
    unknown = world.call(
        "gate", {"action": "register", "user": "alice", "version": evidence(version="new", preflight=None)}
    )
    assert world.decision(unknown["decision"])["tier"]["value"] == "critical"


def test_02_it_is_promoted_and_nothing_is_against_policy(world: World) -> None:
    file = {"path": "MLmodel", "sha256": "0" * 64, "size": 1, "unsafe": False}
    manifest = {"version": evidence(), "files": [file], "hashed_at": datetime.now(UTC).isoformat()}
    made["digest"] = world.call("manifest", manifest)["digest"]
    reply = promote(world)
    assert reply["allowed"], reply
    made["promotion"] = reply["decision"]
    tier = world.decision(reply["decision"])["tier"]
    assert (tier["value"], tier["unknown"]) == ("medium", [])
    assert world.violations() == []


def test_03_an_owner_who_leaves_the_dataset_opens_a_violation_and_an_alert(world: World) -> None:
    world.emit()
    (found,) = catalog.eventually(world.violations)
    assert (found["kind"], found["subject"]) == ("no_longer_allowed", f"{MODEL} as champion")
    assert found["detail"]["allowed_by"] == made["promotion"]
    (finding,) = found["detail"]["findings"]
    assert (finding["rule"], finding["item"]) == ("data.dataset_owned", [catalog.PAYMENTS.urn])
    event = catalog.eventually(lambda: [one for one in world.sink.got if one["type"].startswith("proctor.violation")])
    assert [one["type"] for one in event] == ["proctor.violation.opened.v1"]
    assert event[0]["data"]["id"] == found["id"]
    audits = [one for one in world.server.call("GET", "/v1/decisions")[1]["decisions"] if one["point"] == "audit"]
    assert {one["outcome"] for one in audits} == {"deny"}, "each is in the ledger"
    assert audits[0]["request_id"] == made["promotion"]
    history = world.server.command("violation", "show", found["id"])
    assert history.returncode == 0
    assert "data.dataset_owned" in history.stdout


def test_04_more_of_the_same_opens_no_second_one(world: World) -> None:

    def denied() -> int:
        return world.told().count("proctor.decision.denied.v1")

    before = denied()
    for _ in range(3):
        world.emit("somebody whom nobody knows")
    time.sleep(1.0)
    assert len(world.violations("")) == 1
    assert denied() == before, "an audit stops nothing, and tells by its violation"
    assert not promote(world)["allowed"]
    catalog.eventually(lambda: denied() == before + 1)


def test_05_an_owner_who_comes_back_resolves_it(world: World) -> None:
    world.emit("team:payments")
    catalog.eventually(lambda: not world.violations())
    (found,) = world.violations("")
    assert found["resolution"].startswith("allowed again by dec_")
    catalog.eventually(lambda: "proctor.violation.resolved.v1" in world.told())


def test_06_a_dead_opa_hides_no_violation_for_long(world: World) -> None:
    """Between the event and the answer, OPA is gone: what was not answered is asked again."""
    for engine in world.server.engines():
        os.kill(engine, 9)
    world.emit("team:risk")
    catalog.eventually(world.violations, 30)


def test_07_an_owner_whom_proctor_gets_to_know_resolves_it_and_one_who_leaves_opens_it(world: World) -> None:
    """That a person is somebody, or nobody any more, is no catalog's event."""
    otto = world.server.made("/v1/principals", {"kind": "person", "name": "otto"})["id"]
    world.server.made(f"/v1/principals/{otto}/aliases", {"system": "catalog", "name": "team:risk"})
    catalog.eventually(lambda: not world.violations())
    assert world.server.call("DELETE", f"/v1/principals/{otto}")[0] == 200
    (found,) = catalog.eventually(world.violations)
    assert [one["rule"] for one in found["detail"]["findings"]] == ["data.dataset_owned"]


def test_08_a_stricter_policy_finds_what_stands_at_the_start(world: World) -> None:
    world.emit("team:payments")
    catalog.eventually(lambda: not world.violations())
    world.server.stop()
    stricter = {"thresholds": {"evaluation_samples": {"low": 100, "medium": 2001, "high": 3000, "critical": 4000}}}
    world.server.configure(catalog.CONFIGURATION | {"policy": catalog.CONFIGURATION["policy"] | stricter})
    world.server.start()
    (found,) = catalog.eventually(world.violations)
    assert [one["rule"] for one in found["detail"]["findings"]] == ["registration.performance_sufficient"]


def test_09_a_preflight_ends_with_its_time(opa_binary: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder:
        server = ProctorServer(Path(folder), opa_binary, catalog.CONFIGURATION | {"preflight_hours": 3 / 3600})
        with running(server):
            world = World(server, catalog.Sink())
            try:
                world.settle()
                world.emit("team:payments")
                key = world.keys["alice"]
                asked = catalog.eventually(
                    lambda: (found := catalog.ask(server, key, catalog.plan()))["outcome"] == "allow" and found
                )
                call = {"action": "create_run", "user": "alice", "preflight": asked["id"]}
                assert world.call("gate", call)["allowed"]
                assert not world.call("gate", call | {"user": "victor"})["allowed"], "it was given to somebody else"
                time.sleep(3.0)
                late = world.call("gate", call)
                assert not late["allowed"]
                assert "training.preflight_valid" in late["message"]
            finally:
                world.sink.server.shutdown()
                world.sink.server.server_close()
