"""`proctor audit`: what was allowed, judged again on a real server, today and on the date when a rule takes effect."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.cli.main import run
from proctor.inventory.deployments import Deployments
from proctor.ledger.cases import CaseStore
from proctor.ledger.clock import Clock
from proctor.store.database import Database
from proctor.vocabulary.decision import Decision
from tests.engine.policy import packs
from tests.live import postgres, subjects
from tests.live.server import ProctorServer, running

pytestmark = pytest.mark.timeout(180)  # servers start, and on a busy machine that takes its time
EFFECTIVE = "2027-12-02"
CODE = "deployment.partners_only"


def _pack(folder: Path) -> Path:
    """Write a pack with one rule, which no model of this test meets, and which is in force from a date on."""
    place = folder / "governance" / "rules" / "deployment" / "partners_only"
    place.mkdir(parents=True)
    body = packs.RIGHT.replace('{"internal", "partner"}', '{"partner"}')
    text = packs.source("partners_only", body).replace("severity: medium", "severity: critical")
    text = text.replace("#   owner: your-team", f'#   owner: your-team\n#   effective_on: "{EFFECTIVE}T00:00:00Z"')
    (place / "partners_only.rego").write_text(text)
    (place / "partners_only_test.rego").write_text(packs.TEST.format(name="partners_only"))
    (folder / ".manifest").write_text(json.dumps({"roots": ["governance/rules/deployment/partners_only"]}))
    return folder


@pytest.fixture(scope="module")
def server(opa_binary: Path) -> Iterator[ProctorServer]:
    """Run a server on which one deployment was allowed, and another whose case has been masked since."""
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        configuration = {"policy": {"packs": [str(_pack(folder / "pack"))]}}
        server = ProctorServer(folder, opa_binary, configuration)
        with running(server):
            key = subjects.register(server, "fraud")
            for workload in ("scorer", "forgotten"):
                status, found = server.call("POST", "/v1/decisions", subjects.deployment("fraud"), key=key)
                assert (status, found["outcome"]) == (200, "allow")
                _remember(folder, workload, found)
            _mask(folder, found["input_digest"])
        with running(server):
            yield server
    finally:
        shutil.rmtree(folder)


def _remember(folder: Path, workload: str, found: dict[str, Any]) -> None:
    """Note the deployment as the admission's adapter does."""
    database = Database.open(postgres.url_of(folder))
    try:
        deployments = Deployments.load(database, Clock().now)
        record = {name: value for name, value in found.items() if name != "recorded"}
        asyncio.run(deployments.remember(f"ml-prod/{workload}", {}, Decision.model_validate(record)))
    finally:
        database.close()


def _mask(folder: Path, digest: str) -> None:
    database = Database.open(postgres.url_of(folder))
    try:
        assert CaseStore(database, folder, Clock(), timedelta(days=1)).mask(digest)
    finally:
        database.close()


@pytest.fixture
def audit(
    server: ProctorServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)

    def ask(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run(["audit", *arguments, "--output", "json"])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out) if out else {"err": err}

    return ask


def _states(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["subject"]: (row["state"], row["since"]) for row in found["subjects"]}


def test_today_it_stands_and_on_the_date_it_falls(audit: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    forgotten = {"ml-prod/forgotten": ("unknown", "now")}
    code, found = audit()
    assert (code, found["judged"], _states(found)) == (3, 2, forgotten), "what nobody can judge is no success"
    assert "masked" in found["subjects"][0]["why"]
    code, found = audit("--at", "2027-12-01")
    assert _states(found) == forgotten
    code, found = audit("--at", EFFECTIVE)
    assert code == 3
    assert _states(found) == forgotten | {"ml-prod/scorer": ("falls", "then")}
    (rule,) = found["rules"]
    assert (rule["rule"], rule["count"], rule["since"]) == (CODE, 1, "then")
    assert rule["message"] == "partners_only is not right"
    assert found["at"] == f"{EFFECTIVE}T00:00:00Z"


def test_an_audit_leaves_nothing_behind(server: ProctorServer, audit: Callable[..., tuple[int, Any]]) -> None:
    before = server.call("GET", "/v1/decisions")[1]
    audit("--at", EFFECTIVE)
    assert server.call("GET", "/v1/decisions")[1] == before
    assert server.call("GET", "/v1/violations")[1]["violations"] == []


def test_only_those_who_look_on_may(server: ProctorServer) -> None:
    principal = server.made("/v1/principals", {"kind": "person", "name": "lo", "roles": ["auditor", "requester"]})["id"]
    body = {"principal": principal, "points": ["*"], "environments": ["*"], "expires_in_days": 1}
    auditor = server.made("/v1/keys", body | {"roles": ["auditor"]})["key"]
    requester = server.made("/v1/keys", body | {"roles": ["requester"]})["key"]
    assert server.call("GET", "/v1/audit", key=auditor)[0] == 200
    assert server.call("GET", "/v1/audit", key=requester)[0] == 403


@pytest.mark.parametrize("at", ["yesterday", "1999-01-01", "2300-01-01", "2027-13-01"])
def test_a_date_that_is_none_is_refused(at: str, audit: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    code, found = audit("--at", at)
    assert code == 2
    assert "reading the parameter at" in found["err"]


def test_a_part_is_followed_by_the_next(server: ProctorServer) -> None:
    first = server.call("GET", "/v1/audit?limit=1")[1]
    assert (first["judged"], first["total"], first["next"]) == (1, 2, "deployment/ml-prod/forgotten")
    second = server.call("GET", "/v1/audit?limit=1&after=deployment%2Fml-prod%2Fforgotten")[1]
    assert (second["judged"], second["next"], second["rows"]) == (1, None, [])
