"""Counts the verdict again, as a stranger would: against the engine's own pinned index and the input that was sent.

A difference is an error, whoever is wrong: OPA, the bundle, the socket's other end or this module.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from proctor.errors import OpaError
from proctor.opa.index import Index, Selection
from proctor.vocabulary.decision import Verdict, VerdictFinding
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import Effect, Outcome, RiskTier, Status

_HARMLESS: Final = frozenset({Effect.WAIVED, Effect.APPROVED, Effect.WARN, Effect.DRYRUN})


def recount(verdict: Verdict, document: Mapping[str, Any], index: Index, selection: Selection) -> None:
    """Raise `OpaError` when the verdict does not follow from its own findings and the pinned index."""
    if verdict.policy.revision != index.revision:
        raise OpaError(
            "checking the verdict",
            f"it came from policy {verdict.policy.revision!r:.80}, not from {index.revision!r}",
            "Is another OPA answering on this address?",
            Reason.ENGINE_FOREIGN_REVISION,
        )
    if verdict.problems:
        _expect(verdict.outcome is Outcome.ERROR, f"problems, yet the outcome is {verdict.outcome}")
        return
    _expect(set(verdict.rules) == set(selection.codes), "the rules that were judged are not those that were selected")
    tier = verdict.tier
    _expect(not tier.unknown or tier.value is RiskTier.CRITICAL, f"factors are unknown, yet the tier is {tier.value}")
    _expect(sum(score.points for score in tier.factors.values()) == tier.points, "the factors do not add up")
    _counts(verdict, document["facts"], index)
    for finding in verdict.findings:
        _effect(finding, verdict, document, index)
    _expect(verdict.outcome is _outcome(verdict), f"the findings do not lead to the outcome {verdict.outcome}")


def _expect(holds: bool, found: str) -> None:
    if not holds:
        raise _mismatch(found)


def _mismatch(found: str) -> OpaError:
    return OpaError("counting the verdict again", found, "Report it with the decision id", Reason.VERDICT_MISMATCH)


def _counts(verdict: Verdict, facts: Mapping[str, Any], index: Index) -> None:
    places = {(finding.rule, tuple(finding.at)) for finding in verdict.findings}
    _expect(len(places) == len(verdict.findings), "one rule has two findings at one place")
    reported: dict[str, list[tuple[str | int, ...]]] = {}
    for rule, place in places:
        reported.setdefault(rule, []).append(place)
    _expect(reported.keys() <= verdict.rules.keys(), "a finding of a rule that was not judged")
    scopes: dict[str, frozenset[tuple[str | int, ...]]] = {}
    for code, count in verdict.rules.items():
        found = reported.get(code, ())
        if count.places != count.compliant + count.exempt + len(found):
            raise _mismatch(f"{code}: places are missing")
        if count.places <= 0 and not index.rules[code]["may_be_empty"]:
            raise _mismatch(f"{code}: looked at no place")
        scope = index.rules[code]["scope"]
        levels = index.document["scopes"][scope]
        if scope not in scopes:
            scopes[scope] = _items(levels, facts)
        _looked_everywhere(code, count.places, found, scopes[scope], levels, facts)
    for finding in verdict.findings:
        named = _identity(index.rules[finding.rule]["item_id"], tuple(finding.at), facts)
        _expect(finding.item == named, f"{finding.rule}: a finding names {finding.item}, where {named} stands")


def _looked_everywhere(
    code: str,
    places: int,
    found: Sequence[tuple[str | int, ...]],
    items: frozenset[tuple[str | int, ...]],
    levels: Sequence[str],
    facts: Mapping[str, Any],
) -> None:
    """Hold the places of a rule against the items that were sent: a rule that skipped one proved nothing of it."""
    # A list that can't be used is one place, named by its path, and then no item is looked at.
    unusable = sum(1 for place in found if place and isinstance(place[-1], str))
    sent = unusable or len(items)
    if places != sent:
        raise _mismatch(f"{code}: looked at {places} places, {sent} were sent")
    known = _lists(levels, facts) if unusable else items
    if not known.issuperset(found):
        raise _mismatch(f"{code}: a finding at a place that was not sent")


def _items(levels: Sequence[str], facts: Mapping[str, Any]) -> frozenset[tuple[str | int, ...]]:
    """Return the places of a scope as `lib.places` enumerates them: paths of alternating list names and indices."""
    found: dict[tuple[str | int, ...], Any] = {(): facts}
    for level in levels:
        found = {
            (*path, level, position): item
            for path, parent in found.items()
            if isinstance(parent, Mapping) and isinstance(parent.get(level), list)
            for position, item in enumerate(parent[level])
        }
    return frozenset(found)


def _lists(levels: Sequence[str], facts: Mapping[str, Any]) -> frozenset[tuple[str | int, ...]]:
    """Return the paths of the lists that a scope walks: `models`, or `datasets` and the `columns` of each of them."""
    return frozenset((*place, level) for depth, level in enumerate(levels) for place in _items(levels[:depth], facts))


def _identity(fields: Sequence[str], place: Sequence[str | int], facts: Mapping[str, Any]) -> list[str]:
    """Return the identity of a place as `lib.places` has it: one id for each level, nothing where one is missing."""
    found: list[str] = []
    item: Any = facts
    for level, position, field in zip(place[::2], place[1::2], fields, strict=False):
        item = item[level][position]
        name = item.get(field) if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name == "":
            return []
        found.append(name)
    return found if len(found) == len(fields) else []


def _outcome(verdict: Verdict) -> Outcome:
    effects = {finding.effect for finding in verdict.findings}
    if Effect.DENY in effects:
        return Outcome.DENY
    if Effect.ASK in effects:
        return Outcome.REQUIRE_APPROVAL
    return Outcome.ALLOW if effects <= _HARMLESS else Outcome.ERROR


def _effect(finding: VerdictFinding, verdict: Verdict, document: Mapping[str, Any], index: Index) -> None:
    rule = index.rules[finding.rule]
    action = index.action(verdict.tier.value, document["environment"], document["point"], finding.rule)
    _expect(action is not None, f"{finding.rule}: no action is configured")
    pending = rule["effective_on"] != "" and document["context"]["effective_at"] < _comparable(rule["effective_on"])
    if action == "dryrun":
        wanted = {Effect.DRYRUN}
    elif pending or action == "warn":
        wanted = {Effect.WARN}
    elif finding.effect is Effect.WAIVED:
        _expect(finding.status is Status.FAIL and rule["waivable"] is not False, f"{finding.rule} can't be waived here")
        _expect(_sent(finding, document, "waivers"), f"{finding.rule} rests on a waiver that was not in the input")
        _expect(_only_one(finding, document["facts"], index), f"{finding.rule}: {finding.item} names several items")
        wanted = {Effect.WAIVED}
    elif finding.effect is Effect.APPROVED:
        _expect(finding.status is Status.FAIL and bool(rule["approvable"]), f"{finding.rule} can't be approved here")
        _expect(_sent(finding, document, "approvals"), f"{finding.rule} rests on an approval that was not in the input")
        _expect(_only_one(finding, document["facts"], index), f"{finding.rule}: {finding.item} names several items")
        wanted = {Effect.APPROVED}
    elif finding.status is Status.FAIL and rule["approvable"]:
        wanted = {Effect.ASK}
    else:
        wanted = {Effect.DENY}
    _expect(finding.effect in wanted, f"{finding.rule}: effect {finding.effect} where {wanted.pop()} follows")


def _only_one(finding: VerdictFinding, facts: Mapping[str, Any], index: Index) -> bool:
    """Tell whether no other place carries the identity by which an exception names its item."""
    rule = index.rules[finding.rule]
    places = _items(index.document["scopes"][rule["scope"]], facts)
    return sum(_identity(rule["item_id"], place, facts) == finding.item for place in places) == 1


def _comparable(timestamp: str) -> str:
    """Write a whole-second `Z` time with microseconds, so that it compares as text with the context's times."""
    return timestamp.removesuffix("Z") + ".000000Z"


def _sent(finding: VerdictFinding, document: Mapping[str, Any], name: str) -> bool:
    if name == "waivers":
        return any(
            waiver["id"] == finding.by and waiver["rule"] == finding.rule and waiver["item"] == finding.item
            for waiver in document["waivers"]
        )
    return any(
        approval["id"] == finding.by
        and any(covered["rule"] == finding.rule and covered["item"] == finding.item for covered in approval["covers"])
        for approval in document["approvals"]
    )
