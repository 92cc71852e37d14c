"""Refuses packs that weaken the policy that was there before them, unless the root configuration grants it by name.

Weaker is: an action turned down anywhere, for a rule that is not the pack's own; a threshold moved to where more
passes; any change of a list (what is on a list permits in one rule and forbids in another); a longer waiver.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proctor.errors import PolicyError
from proctor.opa import configuration
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.configuration import Configuration
from proctor.opa.packs import Pack
from proctor.settings import PolicySettings
from proctor.vocabulary.words import Action, RiskTier

_STRENGTH: Final = {Action.DRYRUN: 0, Action.WARN: 1, Action.DENY: 2}
_LIMIT: Final = re.compile(r'compare\.(at_least|at_most)\([^"]*?,\s*config\.threshold\("([a-z0-9_.-]+)"\)\)')
"""A comparison with a threshold. Rules compare with these two functions alone, and name thresholds literally."""


@dataclass(frozen=True, slots=True)
class Weakening:
    """One thing that a pack weakens: its name, for a grant, and what it does."""

    pack: str
    name: str
    detail: str


def check(
    provided: Path,
    own: PolicySettings,
    packs: Sequence[Pack],
    rules: Sequence[RuleAnnotation],
    source_of: Callable[[RuleAnnotation], str],
) -> None:
    """Raise `PolicyError` for each thing that a pack weakens without a grant, and for each grant without such a thing.

    `provided` is the file of the provided configuration, `rules` are all rules, and `source_of` reads one.
    """
    found = list(_weakened(provided, own, packs, rules, source_of))
    granted = {(grant.pack, grant.weakens) for grant in own.grants}
    problems = [f"{one.pack} weakens {one.name}: {one.detail}" for one in found if (one.pack, one.name) not in granted]
    idle = granted - {(one.pack, one.name) for one in found}
    problems += [f"policy.grants: {pack} does not weaken {name}; take the grant out" for pack, name in sorted(idle)]
    if problems:
        raise PolicyError(
            "checking that no pack weakens the policy",
            problems,
            "Change the pack, or grant it by name and with a reason under policy.grants",
        )


def _weakened(
    provided: Path,
    own: PolicySettings,
    packs: Sequence[Pack],
    rules: Sequence[RuleAnnotation],
    source_of: Callable[[RuleAnnotation], str],
) -> Iterator[Weakening]:
    # The organisation's root configuration is not in question: only what the packs do to one another and to ours.
    bare = PolicySettings(environments=own.environments)
    theirs = {code for pack in packs for code in pack.codes}
    there = [rule for rule in rules if rule.code not in theirs]
    before = configuration.load(provided, bare)
    for number, pack in enumerate(packs, 1):
        after = configuration.load(provided, bare, [other.configuration for other in packs[:number]])
        grown = [*there, *(rule for rule in rules if rule.code in pack.codes)]
        directions = _directions(source_of(rule) for rule in there)
        for name, detail in (
            *_actions(before, after, there, grown),
            *_thresholds(before, after, directions),
            *_lists(before, after),
            *_waivers(before, after, there),
        ):
            yield Weakening(pack.name, name, detail)
        there, before = grown, after


def _actions(
    before: Configuration, after: Configuration, there: Sequence[RuleAnnotation], grown: Sequence[RuleAnnotation]
) -> Iterator[tuple[str, str]]:
    if before.actions == after.actions:
        return
    was, now = configuration.actions(before, there, {}), configuration.actions(after, grown, {})
    weaker: dict[str, str] = {}
    for tier, environments in was["by"].items():
        for environment, points in environments.items():
            for point, table in points.items():
                changed = now["tables"][now["by"][tier][environment][point]]
                for code, action in was["tables"][table].items():
                    if _STRENGTH[Action(changed[code])] < _STRENGTH[Action(action)]:
                        where = f"{tier}/{environment}/{point}"
                        weaker.setdefault(code, f"{action} becomes {changed[code]} at {where} and maybe elsewhere")
    yield from ((f"action {code}", detail) for code, detail in sorted(weaker.items()))


def _directions(sources: Iterator[str]) -> dict[str, set[str]]:
    """Return for each threshold by which functions rules compare with it."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for function, name in _LIMIT.findall(source):
            found.setdefault(name, set()).add(function)
    return found


def _thresholds(
    before: Configuration, after: Configuration, directions: Mapping[str, set[str]]
) -> Iterator[tuple[str, str]]:
    for name, was in sorted(before.thresholds.items()):
        now = after.thresholds[name]
        for tier in RiskTier:
            if was[tier] == now[tier]:
                continue
            if directions.get(name) == {"at_least"}:
                weaker = now[tier] < was[tier]
            elif directions.get(name) == {"at_most"}:
                weaker = now[tier] > was[tier]
            else:
                weaker = True  # Nobody can tell which way is stricter, so neither way is free.
            if weaker:
                yield f"threshold {name}", f"{was[tier]} becomes {now[tier]} at the tier {tier}"
                break


def _lists(before: Configuration, after: Configuration) -> Iterator[tuple[str, str]]:
    for name, was in sorted(before.lists.items()):
        now = after.lists[name]
        if set(was) != set(now):
            changed = ", ".join(sorted(set(was) ^ set(now)))
            yield f"list {name}", f"it differs in {changed:.200}"


def _waivers(before: Configuration, after: Configuration, there: Sequence[RuleAnnotation]) -> Iterator[tuple[str, str]]:
    for rule in there:
        was, now = _days(rule, before), _days(rule, after)
        if now > was:
            yield f"waiver {rule.code}", f"{was} days become {now}"


def _days(rule: RuleAnnotation, settled: Configuration) -> int:
    own = rule.custom.waivable.max_days if rule.custom.waivable else 0
    return int(settled.waivers.get(rule.code, own))
