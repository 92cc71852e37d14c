"""Turns a checked verdict into the findings and the one line that a person reads."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from proctor.opa.index import Index, render
from proctor.vocabulary.decision import Finding, Gap, Problem, Verdict, VerdictFinding
from proctor.vocabulary.words import BLOCKING, Effect, Outcome, Status

_SHOWN_GAPS = 3
_GAPS = {
    "absent": "nothing is known",
    "missing": "the field is missing",
    "mistyped": "the field has the wrong type",
    "unattributed": "it carries no evidence",
    "other_subject": "the evidence is about something else",
    "weak": "the evidence is too weak",
    "undated": "the evidence has no valid time",
    "future": "the evidence is dated in the future",
    "stale": "the evidence is too old",
    "list_absent": "the list is missing",
    "list_incomplete": "the list is not what the subject's digest was computed from",
    "list_empty": "the list is empty",
    "unidentified": "the item has no identity",
    "request": "the request does not say",
}


def unprovided(verdict: Verdict, index: Index) -> list[str]:
    """Return the rules that only warn because nobody supplies their facts, and about which nothing else was found.

    The profile `starter` lists them by name (`index.warned`). A rule of which one place says more than that nothing
    is known, such as evidence that is stale or a value that fails, is none of them: its findings are shown.
    """
    silent = {raw.rule for raw in verdict.findings if raw.rule in index.warned}
    return sorted(silent - {raw.rule for raw in verdict.findings if not _says_nothing(raw)})


def _says_nothing(raw: VerdictFinding) -> bool:
    return (
        raw.effect is Effect.WARN
        and raw.status is Status.NOT_EVALUABLE
        and bool(raw.why)
        and all(gap.gap == "absent" for gap in raw.why)
    )


def findings(
    verdict: Verdict,
    facts: Mapping[str, Any],
    request: Mapping[str, Any],
    index: Index,
    without: Collection[str] = (),
) -> list[Finding]:
    """Return the findings with messages, worst first: denials, then questions, then what does not block.

    `without` names rules whose findings are left out (`unprovided`).
    """
    rendered = [_finding(raw, facts, request, index) for raw in verdict.findings if raw.rule not in without]
    order = [Effect.DENY, Effect.ASK, Effect.WAIVED, Effect.APPROVED, Effect.WARN, Effect.DRYRUN, Effect.NONE]
    severities = ["critical", "high", "medium", "low"]
    return sorted(rendered, key=lambda f: (order.index(f.effect), severities.index(f.severity), f.rule, str(f.at)))


def _finding(raw: VerdictFinding, facts: Mapping[str, Any], request: Mapping[str, Any], index: Index) -> Finding:
    rule = index.rules[raw.rule]
    item = at(facts, raw.at)
    if raw.status is Status.NOT_EVALUABLE:
        message = f"{rule['title']}: can't be judged, {_gaps(raw.why)}"
    else:
        message = render(rule["message"], item, request)
    return Finding(
        rule=raw.rule,
        title=rule["title"],
        severity=rule["severity"],
        at=raw.at,
        item=raw.item,
        status=raw.status,
        effect=raw.effect,
        message=message,
        remediation=rule["remediation"],
        why=raw.why,
        by=raw.by,
        controls=rule["controls"],
        clauses=rule["clauses"],
    )


def _gaps(gaps: Sequence[Gap]) -> str:
    lines = []
    for gap in gaps[:_SHOWN_GAPS]:
        where = "/".join(map(str, gap.at)) + (f".{gap.field}" if gap.field else "")
        lines.append(f"{_GAPS.get(gap.gap, gap.gap)} ({where.lstrip('.') or 'request'})")
    more = f" and {len(gaps) - _SHOWN_GAPS} more" if len(gaps) > _SHOWN_GAPS else ""
    return "; ".join(lines) + more if lines else "its evidence is not proven"


def at(facts: Mapping[str, Any], place: Sequence[str | int]) -> Mapping[str, Any]:
    """Return the item at a place, or nothing where there is none."""
    found: Any = facts
    for part in place:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return found if isinstance(found, Mapping) else {}


def sentence(outcome: Outcome, found: Sequence[Finding], problems: Sequence[Problem], policy: str) -> str:
    """Return one line that says what came out and why."""
    blocking = [f for f in found if f.effect in BLOCKING]
    passing = [f for f in found if f.effect not in BLOCKING]
    if outcome is Outcome.ALLOW:
        notes = ", ".join(sorted({f"{f.effect} {f.rule}" for f in passing}))
        return f"allowed under policy {policy}" + (f" ({notes})" if notes else "")
    if outcome is Outcome.REQUIRE_APPROVAL:
        return f"needs approval: {_first(blocking)}"
    if blocking:
        return f"denied: {_first(blocking)}"
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        first = problems[0]
        return f"{'denied' if outcome is Outcome.DENY else 'error'}: {first.path or 'request'} {first.message}{more}"
    return str(outcome)


def _first(found: Sequence[Finding]) -> str:
    more = f" (and {len(found) - 1} more findings)" if len(found) > 1 else ""
    return f"{found[0].message}{more}" if found else "no finding"
