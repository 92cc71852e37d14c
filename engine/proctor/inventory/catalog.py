"""The register of datasets as a provider of facts: what a catalog said, with its own time, source and tier."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from proctor.inventory.datasets import GROUPS, OWNERSHIP, Datasets
from proctor.inventory.merging import CATALOG, KnownFact, worst_class
from proctor.plugins import FactGroup, People, Question
from proctor.vocabulary.principal import PrincipalKind
from proctor.vocabulary.words import EvidenceTier

SYSTEM: Final = "catalog"
"""The system whose logins are the names by which catalogs call owners (`proctor principal link ID catalog NAME`)."""
_CONSENT, _LEGAL = "consent", "legal"
_LIST: Final = "datasets"


class CatalogFacts:
    """Implements `plugins.FactProvider` from the snapshot in memory; makes no I/O."""

    name: str = "catalog"
    provides: Sequence[str] = (*(f"{_LIST}/*/{group}" for group in GROUPS), "data_use")
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(self, datasets: Datasets, people: People) -> None:
        self._datasets = datasets
        self._people = people

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return what is known of each dataset of the question. That one is unknown is known too."""
        items = question.items.get(_LIST, ())
        all_known = [self._datasets.facts(str(item["id"])) for item in items]
        found: list[FactGroup] = []
        for index, (item, known) in enumerate(zip(items, all_known, strict=True)):
            about = Question.about(item)
            if CATALOG not in known:
                unknown = {"known": False, "confidence": "none"}
                found.append(FactGroup(_LIST, index, CATALOG, unknown, about, question.now))
            for group, fact in self._facts(known):
                values = fact.values
                if values is not None:
                    found.append(
                        FactGroup(_LIST, index, group, values, about, fact.observed_at, fact.tier, fact.source)
                    )
        worst = worst_class(all_known)
        if worst is not None:
            name, tier, observed_at = worst
            found.append(FactGroup("", 0, "data_use", {"data_class": name}, question.subject_digest, observed_at, tier))
        return found

    def _facts(self, known: Mapping[str, KnownFact]) -> Iterator[tuple[str, KnownFact]]:
        for group, fact in known.items():
            values = fact.values
            if group == OWNERSHIP and values is not None:
                # Asked now, not when the catalog spoke: an owner who has left since is none.
                active = {**values, "active_owners": _active(values["owners"], self._people.resolve)}
                yield group, KnownFact(active, fact.observed_at, fact.source, fact.tier)
            else:
                yield group, fact
        legal, consent = known.get(_LEGAL), known.get(_CONSENT)
        without = consent is None or consent.values is None
        if without and legal is not None and legal.values is not None and legal.values["basis"] != "consent":
            values = {"status": "not-required", "purposes": [], "withdrawn": 0}
            yield _CONSENT, KnownFact(values, legal.observed_at, legal.source, legal.tier)


def _active(owners: Sequence[str], resolve: Callable[[str, str], Any]) -> list[str]:
    actors = (resolve(SYSTEM, owner) for owner in owners)
    return sorted({actor.id for actor in actors if actor.kind is not PrincipalKind.UNRESOLVED})
