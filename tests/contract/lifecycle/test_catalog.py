"""From a catalog's event to a decision: a real server, a real OPA, a real OpenLineage client."""

import http.server
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.facet_v2 import ownership_dataset, tags_dataset
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

from proctor.vocabulary.datasets import canonical
from tests.live.server import ProctorServer, running, wait_for

PRODUCER = "https://example.com/catalog"
PAYMENTS = canonical("s3://lake", "payments")
SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
GROUPS = ("catalog", "ownership", "sensitivity", "legal", "purposes", "consent", "licence", "retention")
CONFIGURATION: dict[str, Any] = {
    "policy": {"purposes": {"fraud-detection": {"exposure": "internal", "autonomy": "supervised"}}}
}


class Sink:
    """A real HTTP receiver of alerts."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sink.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/alerts"


def eventually(found: Callable[[], Any], limit: float = 15.0) -> Any:
    return wait_for(found, limit, lambda: "it did not happen", 0.05)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    found = Sink()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def server(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[ProctorServer]:
    import tempfile  # noqa: PLC0415 (pytest's own folders have paths too long for sockets)

    os.environ["PROCTOR_SINK_SECRET"] = SECRET
    with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder:
        sinks = [{"name": "pager", "url": sink.url, "events": ["proctor.violation.*"], "secret_env": "SINK_SECRET"}]
        os.environ["SINK_SECRET"] = SECRET
        server = ProctorServer(Path(folder), opa_binary, CONFIGURATION | {"sinks": sinks})
        with running(server):
            yield server


@pytest.fixture(scope="module")
def people(server: ProctorServer) -> dict[str, Any]:
    """Return a trainer and her key, the catalog and its key, and an owner whom the catalog knows by name."""
    alice = server.made(
        "/v1/principals",
        {"kind": "person", "name": "Alice", "roles": ["requester"], "purposes": ["*"], "data_classes": ["*"]},
    )["id"]
    bob = server.made("/v1/principals", {"kind": "person", "name": "Bob", "roles": ["requester"]})["id"]
    catalog = server.made("/v1/principals", {"kind": "service", "name": "catalog", "roles": ["gate"]})["id"]
    olga = server.made("/v1/principals", {"kind": "person", "name": "Olga"})["id"]
    server.made(f"/v1/principals/{olga}/aliases", {"system": "catalog", "name": "team:payments"})
    keys = {"olga": olga, "alice_id": alice}
    asserts = [f"datasets/*/{group}" for group in GROUPS]
    for name, owner, extra in (
        ("alice", alice, {"roles": ["requester"], "points": ["*"], "environments": ["*"]}),
        ("bob", bob, {"roles": ["requester"], "points": ["*"], "environments": ["*"]}),
        ("catalog", catalog, {"roles": ["gate"], "kind": "catalog", "asserts": asserts}),
        ("stranger", catalog, {"roles": ["gate"], "kind": "catalog", "asserts": []}),
    ):
        keys[name] = server.made("/v1/keys", {"principal": owner, **extra})["key"]
    return keys


def url(server: ProctorServer) -> str:
    found: str = json.loads((server.state_dir / "run" / "server.json").read_text())["url"]
    return found


def client(
    server: ProctorServer, key: str, compression: HttpCompression | None = HttpCompression.GZIP
) -> OpenLineageClient:
    config = HttpConfig(url=url(server), auth=ApiKeyTokenProvider({"apiKey": key}), compression=compression)
    return OpenLineageClient(transport=HttpTransport(config))


def tags(**values: str) -> tags_dataset.TagsDatasetFacet:
    fields = [
        tags_dataset.TagsDatasetFacetFields(key=f"governance.{k}", value=v, source="catalog") for k, v in values.items()
    ]
    return tags_dataset.TagsDatasetFacet(tags=fields)


def owners(*names: str) -> ownership_dataset.OwnershipDatasetFacet:
    return ownership_dataset.OwnershipDatasetFacet(
        owners=[ownership_dataset.Owner(name=name, type="MAINTAINER") for name in names]
    )


def event(moment: datetime, **facets: Any) -> DatasetEvent:
    dataset = StaticDataset(namespace="s3a://lake", name="/payments/", facets=facets)
    return DatasetEvent(eventTime=moment.isoformat(), producer=PRODUCER, dataset=dataset)


GOOD = {
    "pii": "true", "lawful_basis": "consent", "consent_status": "given", "consent_purposes": "fraud-detection",
    "licence": "internal", "purpose": "fraud-detection", "retention_until": "2099-01-01",
}  # fmt: skip


def plan(**changes: Any) -> dict[str, Any]:
    reference = {"namespace": PAYMENTS.namespace, "name": PAYMENTS.name, "version": "7", "pinned": True}
    return {
        "schema": "proctor/request/v1", "stage": "training", "operation": "train", "point": "notebook",
        "environment": "dev", "purpose": "fraud-detection",
        "subject": {"kind": "run", "name": "fraud training"},
        "facts": {
            "plan": {"purpose": "fraud-detection", "commit": "9f2c1e7", "clean": True, "locked": True, "seeded": True},
            "datasets": [{"id": PAYMENTS.urn, "digest": PAYMENTS.digest("7"), "reference": reference}],
        },
    } | changes  # fmt: skip


def ask(server: ProctorServer, key: str, request: dict[str, Any]) -> dict[str, Any]:
    status, decision = server.call("POST", "/v1/decisions", request, key=key)
    assert status == 200, decision
    found: dict[str, Any] = decision
    return found


def rules(decision: dict[str, Any]) -> dict[str, str]:
    return {finding["rule"]: finding["status"] for finding in decision["findings"] if finding["effect"] == "deny"}


def facts_of(server: ProctorServer) -> dict[str, Any]:
    _, found = server.call("GET", "/v1/datasets")
    return {row["urn"]: row["facts"] for row in found["datasets"]}


NOW = datetime.now(UTC)


def test_01_a_dataset_that_no_catalog_has_told_of_stops_the_training(
    server: ProctorServer, people: dict[str, Any]
) -> None:
    decision = ask(server, people["alice"], plan())
    assert decision["outcome"] == "deny"
    denied = rules(decision)
    assert denied["data.dataset_registered"] == "fail"
    for rule in (
        "data.dataset_owned",
        "data.lawful_basis_recorded",
        "data.consent_covers_purpose",
        "training.trainer_authorised",
    ):
        assert denied[rule] == "not_evaluable", rule


def test_02_what_a_key_may_not_assert_is_declared_and_proves_nothing(
    server: ProctorServer, people: dict[str, Any]
) -> None:
    client(server, people["stranger"]).emit(
        event(NOW - timedelta(minutes=9), ownership=owners("team:payments"), tags=tags(**GOOD))
    )
    eventually(lambda: PAYMENTS.urn in facts_of(server))
    assert {fact["tier"] for fact in facts_of(server)[PAYMENTS.urn].values()} == {"declared"}
    assert set(rules(ask(server, people["alice"], plan())).values()) == {"not_evaluable"}


def test_03_the_catalogs_own_word_lets_it_through(server: ProctorServer, people: dict[str, Any]) -> None:
    client(server, people["catalog"]).emit(
        event(NOW - timedelta(minutes=8), ownership=owners("team:payments"), tags=tags(**GOOD))
    )
    eventually(lambda: facts_of(server)[PAYMENTS.urn]["ownership"]["tier"] == "observed")
    decision = ask(server, people["alice"], plan())
    assert decision["outcome"] == "allow", decision["findings"]
    tier = decision["tier"]
    assert (tier["value"], tier["unknown"], tier["points"]) == ("medium", [], 3)
    assert tier["unscored"] == ["affected_groups", "purpose_class"]
    assert rules(ask(server, people["bob"], plan())) == {"training.trainer_authorised": "fail"}


def test_04_an_older_event_that_comes_late_changes_nothing(server: ProctorServer, people: dict[str, Any]) -> None:
    client(server, people["catalog"], None).emit(
        event(NOW - timedelta(days=3), ownership=owners(), tags=tags(licence="unknown"))
    )
    time.sleep(0.5)
    assert ask(server, people["alice"], plan())["outcome"] == "allow"


def test_05_each_thing_that_the_catalog_takes_back_stops_the_training_again(
    server: ProctorServer, people: dict[str, Any]
) -> None:
    catalog = client(server, people["catalog"])
    for minutes, (name, value, rule) in enumerate(
        [
            ("licence", "CC-BY-NC-4.0", "data.licence_permits_training"),
            ("consent_purposes", "credit-scoring", "data.consent_covers_purpose"),
            ("lawful_basis", "because", "data.lawful_basis_recorded"),
            ("purpose", "credit-scoring", "data.purpose_compatible"),
            ("retention_until", "2024-01-01", "data.retention_current"),
        ]
    ):
        catalog.emit(event(NOW - timedelta(minutes=7, seconds=-minutes), tags=tags(**(GOOD | {name: value}))))
        eventually(lambda expected=rule: expected in rules(ask(server, people["alice"], plan())))
    catalog.emit(event(NOW - timedelta(minutes=6), tags=tags(**GOOD)))
    eventually(lambda: not rules(ask(server, people["alice"], plan())))


def test_06_a_preflight_starts_runs_of_its_owner_and_of_nobody_else(
    server: ProctorServer, people: dict[str, Any]
) -> None:
    preflight = ask(server, people["alice"], plan())["id"]

    def run(claim: str | None) -> dict[str, Any]:
        facts: dict[str, Any] = {"datasets": []}
        if claim is not None:
            facts["claim"] = {"decision": claim}
        return plan(operation="run", point="mlflow-registry", facts=facts)

    assert ask(server, people["alice"], run(preflight))["outcome"] == "allow"
    assert rules(ask(server, people["bob"], run(preflight))) == {"training.preflight_valid": "fail"}
    refused = ask(server, people["bob"], plan())["id"]
    assert rules(ask(server, people["bob"], run(refused))) == {"training.preflight_valid": "fail"}
    for claim in (
        None,
        "dec_00000000000000000000000000",
        "nonsense",
        ask(server, people["alice"], run(preflight))["id"],
    ):
        assert rules(ask(server, people["alice"], run(claim))) == {"training.preflight_valid": "not_evaluable"}


def test_07_run_events_draw_lineage_and_never_stop_the_sender(server: ProctorServer, people: dict[str, Any]) -> None:
    run = RunEvent(
        eventTime=NOW.isoformat(), eventType=RunState.COMPLETE, producer=PRODUCER,
        run=Run(runId="0198f3a2-7b1c-7000-8000-000000000000"), job=Job(namespace="etl", name="load"),
        inputs=[InputDataset(namespace="postgres://db:5432", name="bank.public.transactions")],
        outputs=[OutputDataset(namespace="s3://lake", name="payments")],
    )  # fmt: skip
    client(server, people["catalog"]).emit(run)
    client(server, people["catalog"]).emit(run)
    with httpx.Client(base_url=url(server), headers={"Authorization": f"Bearer {people['catalog']}"}) as raw:
        assert raw.post("/api/v1/lineage", content=b"{}").status_code == 400
        assert raw.post("/api/v1/lineage", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}).status_code == 400
        batch = raw.post(
            "/api/v1/lineage/batch",
            json=[{"eventTime": NOW.isoformat(), "dataset": {"namespace": "s3://lake", "name": "x"}}, {}],
        )
        assert batch.json()["summary"] == {
            "received": 2, "successful": 1, "failed": 1, "retriable": 0, "non_retriable": 1,
        }  # fmt: skip
        assert raw.get("/api/v1/lineage").status_code == 405
    assert httpx.post(f"{url(server)}/api/v1/lineage", json={}).status_code == 401
    wrong = httpx.post(f"{url(server)}/api/v1/lineage", json={}, headers={"Authorization": "Bearer prk_aaaaaaaa_bbb"})
    assert wrong.status_code == 401
