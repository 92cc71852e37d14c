"""What goes out: CloudEvents 1.0 in the structured JSON format, fixed when they are written into the outbox.

An event holds what somebody needs to look the decision up, and no facts. Its bytes and its id never change between
attempts, so that a receiver can recognise what it has seen.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import fnmatch
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from proctor.ledger.outbox import OutboxMessage
from proctor.settings import SinkSettings
from proctor.store.moments import to_text
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.waiver import Waiver
from proctor.vocabulary.words import Outcome, Point

SOURCE: Final = "/proctor"
"""CloudEvents `source`: together with `id`, unique for each event of this installation."""
MAX_FINDINGS: Final = 50
"""Findings that an event names; the decision has all of them."""

_TYPES: Final[Mapping[Outcome, str]] = {
    Outcome.DENY: "proctor.decision.denied.v1",
    Outcome.ERROR: "proctor.decision.failed.v1",
    Outcome.REQUIRE_APPROVAL: "proctor.decision.approval_required.v1",
}
"""An allow is not an alert."""


def for_decision(decision: Decision, sinks: Sequence[SinkSettings]) -> list[OutboxMessage]:
    """Return one message for each sink that wants to hear of this decision; none for an allow or a dry run.

    None for an audit either: nothing was stopped by it, and what it found is a violation, which is told once and not
    every time that it is found again.
    """
    event_type = _TYPES.get(decision.outcome)
    if event_type is None or decision.dry_run or decision.point is Point.AUDIT:
        return []
    subject = decision.subject.name if decision.subject is not None else decision.id
    data: dict[str, Any] = {
        "decision": decision.id,
        "outcome": str(decision.outcome),
        "reason": str(decision.reason),
        "message": decision.message,
        "findings": [
            {"rule": finding.rule, "item": finding.item, "status": str(finding.status), "effect": str(finding.effect)}
            for finding in decision.findings[:MAX_FINDINGS]
        ],
        "findings_total": len(decision.findings),
    }
    known = {
        "stage": decision.stage,
        "operation": decision.operation,
        "point": decision.point,
        "environment": decision.environment,
        "actor": decision.actor,
        "subject_digest": decision.subject.digest if decision.subject is not None else None,
        "policy_revision": decision.policy.revision if decision.policy is not None else None,
    }
    data |= {name: str(value) for name, value in known.items() if value is not None}
    return _messages(event_type, decision.id, subject, decision.decided_at, data, sinks)


def for_waiver(change: str, waiver: Waiver, at: datetime, sinks: Sequence[SinkSettings]) -> list[OutboxMessage]:
    """Return one message for each sink that wants to hear that a waiver was `requested`, `signed` or `revoked`."""
    data = {
        "waiver": waiver.id,
        "change": change,
        "rule": waiver.rule,
        "subject_digest": waiver.subject_digest,
        "environment": waiver.environment,
        "item": list(waiver.item),
        "valid_from": to_text(waiver.valid_from),
        "valid_until": to_text(waiver.valid_until),
        "requested_by": waiver.requested_by,
        **({"signed_by": waiver.signed_by} if waiver.signed_by else {}),
        **({"revoked_by": waiver.revoked_by} if waiver.revoked_by else {}),
    }
    return _messages(f"proctor.waiver.{change}.v1", f"{waiver.id}.{change}", waiver.id, at, data, sinks)


def for_violation(
    change: str, violation: Mapping[str, Any], at: datetime, sinks: Sequence[SinkSettings]
) -> list[OutboxMessage]:
    """Return one message for each sink that wants to hear that a violation was `opened`, `updated` or `resolved`."""
    event_id = f"{violation['id']}.{change}.{to_text(at)}"
    return _messages(f"proctor.violation.{change}.v1", event_id, violation["subject"], at, dict(violation), sinks)


def _messages(
    event_type: str, event_id: str, subject: str, at: datetime, data: dict[str, Any], sinks: Sequence[SinkSettings]
) -> list[OutboxMessage]:
    wanting = [sink for sink in sinks if any(fnmatch.fnmatchcase(event_type, pattern) for pattern in sink.events)]
    if not wanting:
        return []
    body = canonical(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": event_type,
            "subject": subject,
            "time": to_text(at),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
    return [
        OutboxMessage(sink=sink.name, event_type=event_type, subject=subject, body=body, dedupe_key=event_id)
        for sink in wanting
    ]
