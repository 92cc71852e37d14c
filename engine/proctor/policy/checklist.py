"""The evidence that a subject needs at a stage: as a checklist for people, and as an empty input to fill.

Both come from the index, so they ask for exactly what the aggregator will look for, the factors of the risk tier
included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proctor.errors import NotFoundError, UsageError
from proctor.opa.annotations import levels, parse_duration
from proctor.policy import suppliers
from proctor.policy.catalogue import Catalogue, group_of
from proctor.vocabulary.words import EvidenceTier

RISK: Final = "(risk tier)"
"""Stands for a rule where the computation of the risk tier wants a group."""
_REQUEST: Final = "(request) "
_EVIDENCE: Final = ("source", "about", "observed_at", "fetched_at", "tier", "digest")


@dataclass(frozen=True, slots=True)
class Question:
    """What can be asked of a policy: one row of its selection."""

    stage: str
    kind: str
    operation: str
    codes: tuple[str, ...]

    @property
    def named(self) -> str:
        """Return it as options of the command."""
        return f"--kind {self.kind} --operation {self.operation}"


@dataclass(slots=True)
class Wanted:
    """One group of facts, with all that any rule asks of it."""

    group: str
    fields: dict[str, str] = field(default_factory=dict)
    tier: EvidenceTier = EvidenceTier.DECLARED
    max_age: str = ""
    about: set[str] = field(default_factory=set)
    rules: list[str] = field(default_factory=list)
    always: bool = False
    """Some rule wants it even of what is exempt."""

    def row(self) -> dict[str, Any]:
        """Return it as a row."""
        return {
            "group": self.group,
            "fields": [f"{name}: {kind}" for name, kind in sorted(self.fields.items())],
            "tier": str(self.tier),
            "max_age": self.max_age,
            "about": sorted(self.about),
            "needed": "always" if self.always else "unless exempt",
            "rules": self.rules,
            "delivered_by": ["caller"]
            if self.group.startswith(_REQUEST)
            else [supplier.name for supplier in suppliers.of(self.group)],
        }


def questions(
    catalogue: Catalogue,
    stage: str,
    kind: str | None = None,
    operation: str | None = None,
    code: str | None = None,
) -> list[Question]:
    """Return what can be asked at a stage, narrowed by kind, operation and one rule.

    Raises `NotFoundError` where nothing is left: no rule would apply, which is an error in a decision too.
    """
    if code is not None and code not in catalogue.rules:
        raise NotFoundError(f"looking for the rule {code}", "no such rule", "See 'proctor policy list'")
    every = [
        Question(one_stage, one_kind, one_operation, tuple(leaf["codes"]))
        for one_stage, kinds in catalogue.index.document["select"].items()
        for one_kind, operations in kinds.items()
        for one_operation, leaf in operations.items()
    ]
    found = [
        one
        for one in every
        if one.stage == stage
        and kind in (None, one.kind)
        and operation in (None, one.operation)
        and (code is None or code in one.codes)
    ]
    if not found:
        known = "; ".join(f"{one.stage} {one.named}" for one in every if code is None or code in one.codes)
        raise NotFoundError(f"looking for rules at the stage {stage}", "none applies", f"Rules apply at: {known}")
    return found


def wanted(catalogue: Catalogue, asked: Sequence[Question], code: str | None = None) -> list[Wanted]:
    """Return the groups that `asked` wants, all rules together or those of the rule `code`, sorted by group."""
    found: dict[str, Wanted] = {}
    for name in dict.fromkeys(name for question in asked for name in question.codes if code in (None, name)):
        rule = catalogue.rules[name]
        for need in rule.custom.evidence:
            if need.request is not None:
                one = found.setdefault(_REQUEST + need.request, Wanted(_REQUEST + need.request))
                one.fields[need.request] = str(need.type)
                one.always = True
            else:
                group = group_of(rule, need)
                one = found.setdefault(group, Wanted(group))
                one.fields |= need.fields
                one.tier = max(one.tier, need.min_tier, key=lambda tier: tier.rank)
                one.max_age = _shorter(one.max_age, need.max_age)
                one.about.add(need.about)
                one.always = one.always or not need.unless_exempt
            one.rules = list(dict.fromkeys([*one.rules, name]))
    if code is None:
        _add_risk(catalogue, asked, found)
    return [found[group] for group in sorted(found)]


def empty_input(catalogue: Catalogue, asked: Sequence[Question], code: str | None = None) -> dict[str, Any]:
    """Return the input of one question with `null` wherever something is to be filled in.

    With `code`, with the facts of that rule alone. Raises `UsageError` where `asked` has several: one input is about
    one subject.
    """
    if len(asked) > 1:
        raise UsageError(
            "making an empty input",
            f"rules apply to {len(asked)} different questions",
            f"Choose one: {'; '.join(question.named for question in asked)}",
        )
    (question,) = asked
    facts: dict[str, Any] = {}
    requested: list[str] = []
    for name in (one for one in question.codes if code in (None, one)):
        custom = catalogue.rules[name].custom
        for item, identity in zip(_items(facts, custom.levels), custom.item_id, strict=True):
            item.setdefault(identity, None)
    for one in wanted(catalogue, asked, code):
        if one.group.startswith(_REQUEST):
            requested.append(one.group.removeprefix(_REQUEST))
            continue
        scope, _, group = one.group.rpartition("/")
        holder = [facts, *_items(facts, levels(scope))][-1]
        holder[group] = {**dict.fromkeys(sorted(one.fields)), "evidence": dict.fromkeys(_EVIDENCE)}
    parts = {name: [None] for name in sorted(facts) if isinstance(facts[name], list)}
    document: dict[str, Any] = {
        "schema": "proctor/input/v1",
        "point": None,
        "stage": question.stage,
        "operation": question.operation,
        "environment": None,
        "actor": {"id": None, "kind": None, "groups": [], "authenticated_by": None},
        "subject": {"kind": question.kind, "id": None, "name": None, "digest": None, "parts": parts},
        "facts": facts,
        "waivers": [],
        "approvals": [],
        "context": {"now": None, "effective_at": None, "request_id": None, "cases": {}},
    }
    return document | {name: None for name in requested if name not in document}


def _items(facts: dict[str, Any], lists: Sequence[str]) -> list[dict[str, Any]]:
    """Return the one item of each level of a place, made where it is not there yet."""
    found: list[dict[str, Any]] = []
    holder = facts
    for name in lists:
        holder = holder.setdefault(name, [{} if found else {"id": None, "digest": None}])[0]
        found.append(holder)
    return found


def _add_risk(catalogue: Catalogue, asked: Sequence[Question], found: dict[str, Wanted]) -> None:
    tiers: Mapping[str, Any] = catalogue.index.document["tiers"]
    for kind in dict.fromkeys(question.kind for question in asked):
        if kind not in tiers:
            continue
        for need in tiers[kind]["needs"]:
            group = "/".join(filter(None, (need["scope"], need["at"])))
            one = found.setdefault(group, Wanted(group))
            one.fields |= need["fields"]
            one.about.add(need["about"])
            one.tier = max(one.tier, *(tier for tier in EvidenceTier if tier.rank == need["min_rank"]), key=_rank)
            one.rules = list(dict.fromkeys([*one.rules, RISK]))
            one.always = True


def _rank(tier: EvidenceTier) -> int:
    return tier.rank


def _shorter(one: str, other: str | None) -> str:
    if not one or not other:
        return one or other or ""
    return min(one, other, key=parse_duration)
