"""Pure: from a decision, or a reason without one, to the AdmissionReview that goes back.

Limits: the message is at most 1 kB, each warning at most 120 characters within 4096 for all of them (beyond that the
API server cuts to 256 and drops the rest), audit keys have no `/` (k8s.io/apiserver drops those that do).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from proctor.vocabulary.decision import Decision, Finding
from proctor.vocabulary.words import BLOCKING, Effect, Outcome, Severity
from proctor_adapters.kubernetes.findings import clean
from proctor_adapters.kubernetes.models import Envelope

MAX_MESSAGE: Final = 1000
MAX_WARNING: Final = 120
MAX_WARNINGS: Final = 4000
MAX_LINE: Final = 420
_WORST_FIRST: Final = tuple(Severity)


def allowed(envelope: Envelope, audit: Mapping[str, str], warnings: Sequence[str] = ()) -> bytes:
    """Return the review that lets the object through."""
    return _review(envelope, {"allowed": True, "auditAnnotations": dict(audit)}, warnings)


def denied(envelope: Envelope, message: str, audit: Mapping[str, str], warnings: Sequence[str] = ()) -> bytes:
    """Return the review that refuses the object, as HTTP 403 to whoever sent it."""
    status = {"status": "Failure", "reason": "Forbidden", "code": 403, "message": _cut(message, MAX_MESSAGE)}
    return _review(envelope, {"allowed": False, "status": status, "auditAnnotations": dict(audit)}, warnings)


def refused(envelope: Envelope, code: str, message: str, outcome: Outcome = Outcome.DENY) -> bytes:
    """Return the review that refuses what could not be judged. `outcome`: `error` for what the caller can't cure."""
    return denied(envelope, f"[{code}] {message}", {"outcome": str(outcome), "reason": code})


def not_a_review(message: str) -> bytes:
    """Return the `Status` for a body without a uid: an API server shows its message to whoever sent the object."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "BadRequest"}
    return json.dumps({**status, "message": message, "code": 400}).encode()


def decided(envelope: Envelope, decision: Decision, places: Mapping[str, list[str]]) -> bytes:
    """Return the review for a decision: only an allow lets the object through."""
    audit = audit_annotations(decision)
    warnings = list(_warnings(decision))
    if decision.allowed:
        return allowed(envelope, audit, warnings)
    return denied(envelope, message(decision, places), audit, warnings)


def audit_annotations(decision: Decision) -> dict[str, str]:
    """Return what the API server writes into its audit event beside the request."""
    found = {"decision-id": decision.id, "outcome": str(decision.outcome), "reason": str(decision.reason)}
    if decision.policy is not None:
        found["policy-revision"] = decision.policy.revision
        if decision.policy.digest:
            found["policy-digest"] = decision.policy.digest
    return {name: clean(value, 500) for name, value in found.items()}


def message(decision: Decision, places: Mapping[str, list[str]]) -> str:
    """Return one line for each finding that blocks, worst first, and the decision's id; at most 1 kB in all."""
    end = f"decision {decision.id}"
    blocking = [finding for finding in decision.findings if finding.effect in BLOCKING]
    lines = [_line(finding, places) for finding in sorted(blocking, key=lambda one: _WORST_FIRST.index(one.severity))]
    lines += [
        f"[{decision.reason}] {problem.path} {problem.message}".replace("  ", " ") for problem in decision.problems
    ]
    if not lines:
        lines = [f"[{decision.reason}] {decision.message}"]
    if decision.outcome is Outcome.REQUIRE_APPROVAL:
        end = f"approval is required; {end}"
    room = MAX_MESSAGE - len(end.encode()) - len("\n(and 999 more)\n")
    kept: list[str] = []
    for line in lines:
        short = _cut(clean(line, MAX_LINE), MAX_LINE if kept else room)
        if kept and sum(len(one.encode()) + 1 for one in kept) + len(short.encode()) > room:
            break
        kept.append(short)
    missing = len(lines) - len(kept)
    return "\n".join([*kept, *([f"(and {missing} more)"] if missing else []), end])


def _line(finding: Finding, places: Mapping[str, list[str]]) -> str:
    paths = [path for item in finding.item for path in places.get(item, ())]
    where = f", at {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "") if paths else ""
    return f"[{finding.rule}] {clean(finding.message, 240)}{where}; {finding.remediation}"


def _warnings(decision: Decision) -> Iterable[str]:
    for finding in decision.findings:
        if finding.effect is Effect.WAIVED:
            yield f"waived by {finding.by}: [{finding.rule}] {finding.message}"
        elif finding.effect is Effect.APPROVED:
            yield f"approved by {finding.by}: [{finding.rule}] {finding.message}"
        elif finding.effect in (Effect.WARN, Effect.DRYRUN):
            yield f"would deny: [{finding.rule}] {finding.message}"
    yield from decision.warnings


def _fitting(warnings: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for warning in warnings:
        short = clean(warning, MAX_WARNING).strip()
        if short and short not in kept and sum(map(len, kept)) + len(short) <= MAX_WARNINGS:
            kept.append(short)
    return kept


def _cut(value: str, limit: int) -> str:
    """Return `value` without what no UTF-8 can hold, at most `limit` bytes long."""
    plain = "\n".join(clean(line, limit) for line in value.split("\n"))
    raw = plain.encode()
    return plain if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore") + "..."


def _review(envelope: Envelope, response: Mapping[str, Any], warnings: Sequence[str]) -> bytes:
    content: dict[str, Any] = {"uid": envelope.uid, **response}
    fitting = _fitting(warnings)
    if fitting:
        content["warnings"] = fitting
    document = {"apiVersion": envelope.api_version, "kind": "AdmissionReview", "response": content}
    # ASCII escapes give back a uid with any character in it, even one that UTF-8 can't hold.
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
