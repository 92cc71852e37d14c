"""Which decisions come out differently under another policy, and which rules are behind it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proctor.decide.conclude import Conclusion
from proctor.opa.index import Index
from proctor.vocabulary.decision import Finding
from proctor.vocabulary.words import BLOCKING, Outcome, Status

_STRICTNESS: Final = {Outcome.ALLOW: 0, Outcome.REQUIRE_APPROVAL: 1, Outcome.DENY: 2, Outcome.ERROR: 3}
NO_RULE: Final = "(no rule)"
"""Behind a flip that no finding explains: a problem with the request or the policy."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a decision stands under one policy: its outcome, and the messages of what blocks, by rule."""

    outcome: Outcome
    blocking: Mapping[str, str]
    warning: frozenset[str]
    """Rules that were found wanting and do not block."""
    unrecorded: frozenset[str] = frozenset()
    """Rules that block only because the record lacks a fact that its own policy did not ask for."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One decision that comes out differently."""

    id: str
    change: str
    """`allow -> deny`, ..."""
    rules: tuple[str, ...]
    message: str
    unrecorded: bool
    """True: nothing in the record says whether the fact was there. The new policy asks for what the old one did not."""


def recorded(record: Mapping[str, Any]) -> Standing:
    """Return how a decision stood when it was made."""
    findings = record.get("findings", [])
    blocking = {one["rule"]: one["message"] for one in reversed(findings) if one["effect"] in BLOCKING}
    warning = {one["rule"] for one in findings} | set(record.get("unprovided", []))
    return Standing(Outcome(record["outcome"]), blocking, frozenset(warning - blocking.keys()))


def concluded(found: Conclusion, unrecorded: frozenset[str] = frozenset()) -> Standing:
    """Return how a decision stands under the policy that it was concluded with."""
    blocking = {one.rule: one.message for one in reversed(found.findings) if one.effect in BLOCKING}
    if found.problems:
        blocking[NO_RULE] = found.problems[0].message
    warning = {one.rule for one in found.findings} | set(found.unprovided)
    return Standing(found.outcome, blocking, frozenset(warning - blocking.keys()), unrecorded & blocking.keys())


def flip(id_: str, before: Standing, after: Standing) -> Flip | None:
    """Return what becomes of a decision, if something does."""
    if before.outcome is after.outcome:
        return None
    stricter = _STRICTNESS[after.outcome] > _STRICTNESS[before.outcome]
    of, other = (after, before) if stricter else (before, after)
    rules = sorted(of.blocking.keys() - other.blocking.keys()) or sorted(of.blocking) or [NO_RULE]
    unrecorded = stricter and of.unrecorded.issuperset(rules)
    message = of.blocking.get(rules[0], "")
    return Flip(id_, f"{before.outcome} -> {after.outcome}", tuple(rules), message, unrecorded)


def unrecorded(
    findings: Sequence[Finding], document: Mapping[str, Any], then: Index | None, now: Index
) -> frozenset[str]:
    """Return the rules that found nothing but facts missing that the recording policy `then` did not take along.

    An input holds what the rules of its time declared. What another policy asks for beyond that may have been there.
    """
    if not findings:
        return frozenset()
    taken = _declared(document, then)
    asked = _declared(document, now)
    # A group of which some was taken along would have been there: its absence is what was recorded.
    beyond = {f"{scope}|{group}" for scope, group, _ in asked} - {f"{scope}|{group}" for scope, group, _ in taken}
    fields = {f"{scope}|{group}|{name}" for scope, group, name in asked - taken}
    found: dict[str, bool] = {}
    for one in findings:
        if one.effect in BLOCKING:
            excused = (
                one.status is Status.NOT_EVALUABLE
                and bool(one.why)
                and all(_beyond(gap.at, gap.field, beyond, fields) for gap in one.why if gap.gap != "request")
            )
            found[one.rule] = found.get(one.rule, True) and excused
    return frozenset(rule for rule, excused in found.items() if excused)


def _beyond(at: Sequence[str | int], field: str | None, groups: Collection[str], fields: Collection[str]) -> bool:
    names = [part for part in at if isinstance(part, str)]
    group = names[-1] if names else ""
    scope = "/".join(f"{name}/*" for name in names[:-1])
    return f"{scope}|{group}|{field}" in fields if field else f"{scope}|{group}" in groups


def _declared(document: Mapping[str, Any], index: Index | None) -> frozenset[tuple[str, str, str]]:
    if index is None:
        return frozenset()
    selection = index.selection(document["stage"], document["subject"]["kind"], document["operation"])
    if selection is None:
        return frozenset()
    return frozenset(
        (scope, group, name)
        for scope, groups in selection.fields.items()
        for group, names in groups.items()
        for name in names
    )
