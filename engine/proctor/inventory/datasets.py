"""The register of datasets: the newest word of each catalog on each group of facts, and the edges of the lineage graph.

Reads come from a snapshot in memory, so that a decision makes no I/O. A change goes through the ledger, with its row in
the same transaction. Which facts changed is told to whoever wants to judge again what rests on them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Executable, delete, insert, select

from proctor.errors import RefusedError
from proctor.inventory.models import Appends
from proctor.ledger.records import Entry
from proctor.plugins import DatasetFact, LineageEdge
from proctor.store.database import Database
from proctor.store.moments import from_text, to_text
from proctor.store.tables import dataset_facts, lineage_edges
from proctor.vocabulary import dataset_facts as groups
from proctor.vocabulary.canonical import digest
from proctor.vocabulary.datasets import Dataset
from proctor.vocabulary.fact_types import Group
from proctor.vocabulary.words import DATA_CLASSES, EvidenceTier

OWNERSHIP: Final = "ownership"
SENSITIVITY: Final = "sensitivity"
CATALOG: Final = "catalog"
GROUPS: Final[Mapping[str, type[Group]]] = {
    CATALOG: groups.DatasetCatalog,
    OWNERSHIP: groups.DatasetOwnership,
    SENSITIVITY: groups.DatasetSensitivity,
    "legal": groups.DatasetLegal,
    "purposes": groups.DatasetPurposes,
    "consent": groups.DatasetConsent,
    "licence": groups.DatasetLicence,
    "retention": groups.DatasetRetention,
}
"""What a catalog can say. Which owners are active is not its business: the register of principals knows."""
MAX_DATASETS: Final = 200_000


@dataclass(frozen=True, slots=True)
class KnownFact:
    """The newest word on one group of one dataset; `values` is None where the catalog took it back."""

    values: Mapping[str, Any] | None
    observed_at: datetime
    source: str
    tier: EvidenceTier


class Datasets:
    """Implements `plugins.Catalog`. `load` fills it from the database."""

    def __init__(self, ledger: Appends, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._writing = asyncio.Lock()
        self._facts: dict[str, dict[str, KnownFact]] = {}
        self._names: dict[str, Dataset] = {}
        self._edges: dict[tuple[str, str, str], LineageEdge] = {}
        self.on_change: Callable[[frozenset[str]], None] | None = None
        """Gets the URNs of datasets whose facts have changed, once that is on disk."""

    @classmethod
    def load(cls, database: Database, ledger: Appends, now: Callable[[], datetime]) -> "Datasets":
        """Read everything into memory. Raises `StateError` when the database does not answer."""
        found = cls(ledger, now)
        for row in database.read(select(dataset_facts)):
            fact = KnownFact(row.fact_values, from_text(row.observed_at), row.source, EvidenceTier(row.tier))
            found._facts.setdefault(row.urn, {})[row.fact_group] = fact
            found._names[row.urn] = Dataset(row.namespace, row.name)
        return found

    # --- Reading -----------------------------------------------------------------------------------------------------

    def known(self, urn: str) -> Mapping[str, KnownFact] | None:
        """Return the facts of a dataset by group, or None for one that no catalog has told of; no I/O."""
        return self._facts.get(urn)

    def list(self) -> list[tuple[str, Dataset, Mapping[str, KnownFact]]]:
        """Return all datasets with their facts, by name."""
        return [(urn, self._names[urn], self._facts[urn]) for urn in sorted(self._facts)]

    def data_class(self, urns: Sequence[str]) -> tuple[str, EvidenceTier, datetime] | None:
        """Return the most sensitive class among the datasets, with the weakest tier and oldest time behind it.

        None where there are no datasets, or the class of one of them is not known: then it could be any.
        """
        found: list[tuple[str, KnownFact]] = []
        for urn in urns:
            fact = self._facts.get(urn, {}).get(SENSITIVITY)
            named = fact.values.get("data_class") if fact is not None and fact.values is not None else None
            if fact is None or named not in DATA_CLASSES:
                return None
            found.append((named, fact))
        if not found:
            return None
        worst = max((named for named, _ in found), key=DATA_CLASSES.index)
        tier = min((fact.tier for _, fact in found), key=lambda tier: tier.rank)
        return worst, tier, min(fact.observed_at for _, fact in found)

    # --- Changing ----------------------------------------------------------------------------------------------------

    async def record(self, facts: Sequence[DatasetFact]) -> None:
        """Return once the facts are on disk. An older word never replaces a newer one; the same again is no change.

        Raises `RefusedError` (422) for a group or values that the vocabulary does not have; then nothing is recorded.
        """
        checked = [(Dataset(fact.namespace, fact.name), fact, _values(fact)) for fact in facts]
        changed: set[str] = set()
        async with self._writing:
            for dataset, fact, values in checked:
                if await self._record(dataset, fact, values):
                    changed.add(dataset.urn)
        if changed and self.on_change is not None:
            self.on_change(frozenset(changed))

    async def _record(self, dataset: Dataset, fact: DatasetFact, values: Mapping[str, Any] | None) -> bool:
        urn = dataset.urn
        before = self._facts.get(urn, {}).get(fact.group)
        if before is None and values is None:
            return False
        if before is not None:
            if fact.observed_at < before.observed_at:
                return False
            if (before.values, before.source, before.tier) == (values, fact.source, fact.tier):
                return False
        if urn not in self._facts and len(self._facts) >= MAX_DATASETS:
            raise RefusedError(
                "limit_reached", 409, f"recording the dataset {urn}", f"there are {MAX_DATASETS}",
                "Let the catalog send only what models are made of",
            )  # fmt: skip
        known = KnownFact(values, fact.observed_at, fact.source, fact.tier)
        # Values can name people, so the ledger holds their digest and the database the text.
        record = {
            "change": "taken_back" if values is None else "recorded",
            "urn": urn,
            "group": fact.group,
            "values": digest({} if values is None else dict(values)),
            "source": fact.source,
            "tier": str(fact.tier),
            "observed_at": to_text(fact.observed_at),
            "at": to_text(self._now()),
        }
        await self._ledger.append(Entry(kind="dataset", id=urn, record=record), also=_replacement(dataset, fact, known))
        self._facts.setdefault(urn, {})[fact.group] = known
        self._names[urn] = dataset
        return True

    async def connect(self, edges: Sequence[LineageEdge]) -> None:
        """Return once the edges are on disk, each with the newest run that drew it."""
        async with self._writing:
            statements: list[Executable] = []
            drawn: list[dict[str, str]] = []
            for edge in edges:
                source, target = Dataset(*edge.source).urn, Dataset(*edge.target).urn
                key = (source, target, edge.job)
                before = self._edges.get(key)
                if before is not None and before.observed_at >= edge.observed_at:
                    continue
                self._edges[key] = edge
                row = {"source_urn": source, "target_urn": target, "job": edge.job, "run": edge.run}
                columns = lineage_edges.c
                statements.append(
                    delete(lineage_edges).where(
                        columns.source_urn == source, columns.target_urn == target, columns.job == edge.job
                    )
                )
                statements.append(insert(lineage_edges).values(**row, observed_at=to_text(edge.observed_at)))
                drawn.append(row)
            if statements:
                record = {"change": "connected", "edges": drawn, "at": to_text(self._now())}
                await self._ledger.append(
                    Entry(kind="dataset", id=drawn[0]["target_urn"], record=record), also=statements
                )


def _values(fact: DatasetFact) -> Mapping[str, Any] | None:
    tried = f"recording {fact.group} of the dataset {fact.name[:200]!r}"
    model = GROUPS.get(fact.group)
    if model is None:
        raise RefusedError("invalid_request", 422, tried, "there is no such group", f"Groups: {', '.join(GROUPS)}")
    if fact.values is None:
        return None
    stated = dict(fact.values)
    if fact.group == OWNERSHIP:
        stated["active_owners"] = []
    try:
        found = model.model_validate(stated).model_dump(mode="json", exclude_none=True, exclude={"evidence"})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        found_wrong = f"{'/'.join(map(str, first['loc'])) or 'the values'}: {first['msg']}"
        raise RefusedError("invalid_request", 422, tried, found_wrong, "docs/facts.md has the fields") from error
    if fact.group == OWNERSHIP:
        del found["active_owners"]
    return found


def _replacement(dataset: Dataset, fact: DatasetFact, known: KnownFact) -> list[Executable]:
    columns = dataset_facts.c
    return [
        delete(dataset_facts).where(columns.urn == dataset.urn, columns.fact_group == fact.group),
        insert(dataset_facts).values(
            urn=dataset.urn,
            fact_group=fact.group,
            namespace=dataset.namespace,
            name=dataset.name,
            fact_values=None if known.values is None else dict(known.values),
            observed_at=to_text(known.observed_at),
            source=known.source,
            tier=str(known.tier),
        ),
    ]
