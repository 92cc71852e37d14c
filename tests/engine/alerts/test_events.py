import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proctor.alerts import events
from proctor.settings import SinkSettings
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.waiver import Waiver

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SINK = SinkSettings(name="pager", url="http://127.0.0.1/hook")


def decision(**changed: Any) -> Decision:
    return Decision.model_validate(
        {
            "id": "dec_" + "0" * 26,
            "outcome": "deny",
            "reason": "non_compliant",
            "message": "1 rule denies",
            "environment": "prod",
            "actor": "person:ada0",
            "subject": {
                "kind": "deployment", "id": "x", "name": "ml/Deployment/scorer",
                "digest": "sha256:" + "a" * 64, "parts": {},
            },
            "received_at": NOW,
            "decided_at": NOW,
            **changed,
        }
    )  # fmt: skip


def test_a_denial_becomes_a_structured_cloud_event() -> None:
    (message,) = events.for_decision(decision(), [SINK])
    event = json.loads(message.body)
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "subject", "time")} == {
        "specversion": "1.0",
        "id": "dec_" + "0" * 26,
        "source": "/proctor",
        "type": "proctor.decision.denied.v1",
        "subject": "ml/Deployment/scorer",
        "time": "2026-03-01T12:00:00.000000Z",
    }
    assert event["data"]["outcome"] == "deny"
    assert (message.sink, message.dedupe_key) == ("pager", event["id"])


@pytest.mark.parametrize(
    ("changed", "event_type"),
    [
        ({"outcome": "error", "reason": "engine_unavailable"}, "proctor.decision.failed.v1"),
        ({"outcome": "require_approval", "reason": "approval_required"}, "proctor.decision.approval_required.v1"),
        ({"outcome": "deny", "reason": "invalid_request", "subject": None}, "proctor.decision.denied.v1"),
    ],
)
def test_whatever_does_not_allow_is_told(changed: dict[str, Any], event_type: str) -> None:
    (message,) = events.for_decision(decision(**changed), [SINK])
    assert message.event_type == event_type


@pytest.mark.parametrize("changed", [{"outcome": "allow", "reason": "compliant"}, {"dry_run": True}])
def test_allows_and_dry_runs_are_not(changed: dict[str, Any]) -> None:
    assert events.for_decision(decision(**changed), [SINK]) == []


def test_sinks_choose_their_events() -> None:
    sinks = [
        SINK.model_copy(update={"name": "all"}),
        SINK.model_copy(update={"name": "decisions", "events": ["proctor.decision.*"]}),
        SINK.model_copy(update={"name": "waivers", "events": ["proctor.waiver.*"]}),
        SINK.model_copy(update={"name": "none", "events": []}),
    ]
    assert [message.sink for message in events.for_decision(decision(), sinks)] == ["all", "decisions"]


def test_the_same_decision_gives_the_same_bytes() -> None:
    assert events.for_decision(decision(), [SINK]) == events.for_decision(decision(), [SINK])


def test_findings_are_bounded() -> None:
    finding = {
        "rule": "deployment.x", "title": "x", "severity": "high", "at": [], "item": [], "status": "fail",
        "effect": "deny", "message": "m" * 2000, "remediation": "r",
    }  # fmt: skip
    (message,) = events.for_decision(decision(findings=[finding] * 1000), [SINK])
    data = json.loads(message.body)["data"]
    assert (len(data["findings"]), data["findings_total"]) == (events.MAX_FINDINGS, 1000)
    assert len(message.body) < 32_000


def test_each_change_of_a_waiver_has_its_own_id() -> None:
    waiver = Waiver(
        id="wvr_1", rule="deployment.x", subject_digest="sha256:" + "a" * 64, environment="prod", item=["m"],
        valid_from=NOW, valid_until=NOW + timedelta(days=1), reason="because of the vendor", requested_by="person:ada0",
        requested_at=NOW,
    )  # fmt: skip
    keys = set()
    for change in ("requested", "signed", "revoked"):
        (message,) = events.for_waiver(change, waiver, NOW, [SINK])
        assert message.event_type == f"proctor.waiver.{change}.v1"
        keys.add(message.dedupe_key)
    assert len(keys) == 3


@pytest.mark.parametrize("outcome", [("deny", "non_compliant"), ("error", "engine_timeout")])
def test_an_audit_stops_nothing_and_what_it_finds_is_a_violation(outcome: tuple[str, str]) -> None:
    judged = {"outcome": outcome[0], "reason": outcome[1]}
    assert events.for_decision(decision(**judged, point="audit"), [SINK]) == []
    assert len(events.for_decision(decision(**judged, point="ci"), [SINK])) == 1
