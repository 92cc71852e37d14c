"""What is known of one dataset under all its names and from all its sources. Pure.

Two rules. *Which word counts*: a source's newer word replaces its older one; of two sources the stronger counts, and of
equally strong ones the newer, so that nobody who may not assert something can push aside whoever may. *What several
names know together*: it is personal if it is personal under any of its names; of everything else the best word counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from proctor.vocabulary.words import DATA_CLASSES, EvidenceTier

CATALOG: Final = "catalog"
SENSITIVITY: Final = "sensitivity"


@dataclass(frozen=True, slots=True)
class KnownFact:
    """The word that counts on one group of one dataset; `values` is None where its source took it back."""

    values: Mapping[str, Any] | None
    observed_at: datetime
    source: str
    tier: EvidenceTier


class Weight(Enum):
    """What a word does to what was known."""

    NOTHING = "nothing"
    CONFIRMS = "confirms"
    """The same again, as of now; or that there is nothing, where nothing was known: so that no older word counts."""
    CHANGES = "changes"


def weigh(new: KnownFact, old: KnownFact | None, group: str) -> Weight:
    """Tell what `new` does to `old`. The order in which words of one source come does not matter."""
    if old is None:
        return Weight.CONFIRMS if new.values is None else Weight.CHANGES
    same = new.values == old.values and (new.tier == old.tier or new.values is None)
    if new.source == old.source:
        if new.observed_at < old.observed_at:
            return Weight.NOTHING
        return Weight.CONFIRMS if same else Weight.CHANGES
    return _weigh_another(new, old, group, same=same)


def _weigh_another(new: KnownFact, old: KnownFact, group: str, *, same: bool) -> Weight:
    """Weigh a word against that of another source."""
    older = new.observed_at < old.observed_at
    if old.values is None:
        # That one source has nothing to say takes nothing from another; but who saw a dataset go saw it go.
        counts = new.values is not None and not (group == CATALOG and older)
    elif new.values is None and group != CATALOG:
        # Only whoever said something can take it back. Whoever may say that a dataset is there may say that it is gone.
        counts = False
    elif new.tier.rank != old.tier.rank:
        counts = new.tier.rank > old.tier.rank
    else:
        counts = not older
    if not counts:
        return Weight.NOTHING
    return Weight.CONFIRMS if same else Weight.CHANGES


def together(own: Mapping[str, KnownFact], others: Sequence[Mapping[str, KnownFact]]) -> dict[str, KnownFact]:
    """Return what is known of a dataset: `own` under the name that was asked for, `others` under its other names."""
    groups = {group for facts in (own, *others) for group in facts}
    found: dict[str, KnownFact] = {}
    for group in sorted(groups):
        stated = [facts[group] for facts in (own, *others) if group in facts and facts[group].values is not None]
        if not stated:
            continue
        if group == SENSITIVITY:
            found[group] = _most_sensitive(stated)
        elif group == CATALOG and (own.get(group) not in stated):
            known = max(stated, key=_strength)
            values = {**(known.values or {}), "confidence": "alias"}
            found[group] = KnownFact(values, known.observed_at, known.source, known.tier)
        else:
            found[group] = stated[0] if group == CATALOG else max(stated, key=_strength)
    return found


WorstClass = tuple[str, EvidenceTier, datetime]
"""A class of data, with the weakest tier and the oldest time behind it."""


def worst_class(datasets: Sequence[Mapping[str, KnownFact]]) -> WorstClass | None:
    """Return the most sensitive class among datasets, given what is known of each.

    None where there are no datasets, or the class of one of them is not known: then it could be any.
    """
    found: list[tuple[str, KnownFact]] = []
    for known in datasets:
        fact = known.get(SENSITIVITY)
        named = fact.values.get("data_class") if fact is not None and fact.values is not None else None
        if fact is None or named not in DATA_CLASSES:
            return None
        found.append((named, fact))
    if not found:
        return None
    worst = max((named for named, _ in found), key=DATA_CLASSES.index)
    tier = min((fact.tier for _, fact in found), key=lambda tier: tier.rank)
    return worst, tier, min(fact.observed_at for _, fact in found)


def _strength(fact: KnownFact) -> tuple[int, datetime]:
    return fact.tier.rank, fact.observed_at


def _most_sensitive(stated: Sequence[KnownFact]) -> KnownFact:
    """Return the union of the strongest words: as sensitive as the worst of them, as old as the oldest."""
    rank = max(fact.tier.rank for fact in stated)
    strongest = [fact for fact in stated if fact.tier.rank == rank]
    values = [fact.values or {} for fact in strongest]
    worst = max(strongest, key=lambda fact: _severity((fact.values or {}).get("data_class")))
    union = {
        "personal": any(one.get("personal") is not False for one in values),
        "special": any(one.get("special") is not False for one in values),
        "data_class": (worst.values or {}).get("data_class"),
    }
    return KnownFact(union, min(fact.observed_at for fact in strongest), worst.source, worst.tier)


def _severity(data_class: Any) -> int:
    """Return the place of a class among the classes; one that nobody knows is worse than all of them."""
    return DATA_CLASSES.index(data_class) if data_class in DATA_CLASSES else len(DATA_CLASSES)
