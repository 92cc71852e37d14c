"""The register of datasets: the newest word of each catalog on each group of facts, and the edges of the lineage graph.

Reads come from a snapshot in memory, so that a decision makes no I/O. A change goes through the ledger, with its row in
the same transaction. Which facts changed is told to whoever wants to judge again what rests on them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from sqlalchemy import Connection, Executable, Row, select

from proctor.errors import RefusedError
from proctor.inventory.aliases import MAX_NAMES, Link, Names
from proctor.inventory.merging import CATALOG, SENSITIVITY, KnownFact, Weight, WorstClass, together, weigh, worst_class
from proctor.ledger.journal import Journal
from proctor.ledger.records import Entry
from proctor.plugins import DatasetAliases, DatasetFact, LineageEdge
from proctor.store.database import Database
from proctor.store.moments import from_text, to_text
from proctor.store.replacement import removal, replacement
from proctor.store.tables import dataset_aliases, dataset_facts, lineage_edges
from proctor.vocabulary import dataset_facts as groups
from proctor.vocabulary.canonical import digest
from proctor.vocabulary.datasets import Dataset
from proctor.vocabulary.fact_types import Group
from proctor.vocabulary.words import EvidenceTier

OWNERSHIP: Final = "ownership"
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
MAX_EDGES: Final = 500_000
_EdgeKey: TypeAlias = tuple[str, str, str]
"""Source, target and job."""
_LINEAGE: Final = "lineage"
"""What a change of edges is called; it can't be the name of a dataset."""
_Content: TypeAlias = tuple[
    frozenset[str] | None,
    Sequence[tuple[Dataset, str, KnownFact]],
    Sequence[Link],
    Sequence[tuple[_EdgeKey, str]],
]
"""What was asked for, and the facts, links and edges that are there."""


class Datasets:
    """Implements `plugins.Catalog`. `load` fills it from the database."""

    def __init__(
        self, database: Database, ledger: Journal, now: Callable[[], datetime], shown: Callable[[str], str] | None
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._now = now
        self._shown = shown
        self._changes = database.following.add("datasets", self)
        self._facts: dict[str, dict[str, KnownFact]] = {}
        self._datasets: dict[str, Dataset] = {}
        self._names = Names()
        self._edges: dict[_EdgeKey, str] = {}
        self.on_change: Callable[[frozenset[str]], None] | None = None
        """Gets the URNs of datasets whose facts have changed, under all their names, once that is on disk."""

    @classmethod
    def load(
        cls,
        database: Database,
        ledger: Journal,
        now: Callable[[], datetime],
        shown: Callable[[str], str] | None = None,
    ) -> "Datasets":
        """Read everything into memory. Raises `StateError` when the database does not answer.

        `shown` is how the ledger names an owner: as a principal or a keyed fingerprint. Without it, it counts them.
        """
        found = cls(database, ledger, now, shown)
        found._changes.load()
        return found

    def read(self, connection: Connection, keys: frozenset[str] | None) -> _Content:
        """Read everything, or what was said of these datasets; `_LINEAGE` stands for all edges."""
        facts, links, columns = select(dataset_facts), select(dataset_aliases), lineage_edges.c
        edges = select(columns.source_urn, columns.target_urn, columns.job, columns.observed_at)
        if keys is not None:
            facts = facts.where(dataset_facts.c.urn.in_(keys))
            links = links.where(dataset_aliases.c.urn.in_(keys))
        return (
            keys,
            [_fact_from_row(row) for row in connection.execute(facts)],
            [Link(row.alias_urn, row.urn, row.source, from_text(row.observed_at)) for row in connection.execute(links)],
            [((row.source_urn, row.target_urn, row.job), row.observed_at) for row in connection.execute(edges)]
            if keys is None or _LINEAGE in keys
            else [],
        )

    def apply(self, found: _Content) -> None:
        """Put what was read in the place of what was known, and tell of what is another. Only links disappear."""
        keys, facts, links, edges = found
        changed: set[str] = set()
        for dataset, group, fact in facts:
            known = self._facts.get(dataset.urn, {}).get(group)
            if known is None or (known.values, known.tier) != (fact.values, fact.tier):
                changed.add(dataset.urn)
            self._keep(dataset, group, fact)
        there = {(link.alias, link.urn): link for link in links}
        for before in self._names.all():
            if (keys is None or before.urn in keys) and (before.alias, before.urn) not in there:
                changed.update(self._names.of(before.urn))
                self._names.remove(before.alias, before.urn)
        for link in there.values():
            if self._names.known(link.alias, link.urn) != link:
                self._names.add(link)
                changed.add(link.urn)
        self._edges.update(edges)
        if self.on_change is not None:
            self._tell(changed | {name for urn in changed for name in self._names.of(urn)})

    def _keep(self, dataset: Dataset, group: str, fact: KnownFact) -> None:
        urn = dataset.urn
        self._facts.setdefault(urn, {})[group] = fact
        self._datasets[urn] = dataset
        self._names.spell(urn)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def known(self, urn: str) -> Mapping[str, KnownFact] | None:
        """Return what was said of exactly this name, by group, or None; no I/O."""
        return self._facts.get(urn)

    def facts(self, urn: str) -> Mapping[str, KnownFact]:
        """Return what is known of the dataset under all its names, by group, without what was taken back; no I/O."""
        own, *others = self._names.of(urn)
        return together(self._facts.get(own, {}), [self._facts[name] for name in others if name in self._facts])

    def names(self, urn: str) -> Sequence[str]:
        """Return all names of the dataset, the given one first; no I/O."""
        return self._names.of(urn)

    def list(self, urn: str | None = None) -> list[tuple[str, Dataset, Mapping[str, KnownFact]]]:
        """Return the datasets with what was said of them, by name; with `urn`, the one of exactly this name."""
        urns = sorted(self._facts) if urn is None else self._facts.keys() & {urn}
        return [(one, self._datasets[one], self._facts[one]) for one in urns]

    def data_class(self, urns: Sequence[str]) -> WorstClass | None:
        """Return the most sensitive class among the datasets, by `merging.worst_class`; no I/O."""
        return worst_class([self.facts(urn) for urn in urns])

    # --- Changing ----------------------------------------------------------------------------------------------------

    async def record(self, facts: Sequence[DatasetFact]) -> None:
        """Return once the facts are on disk. An older word never replaces a newer one; the same again is as of now.

        Raises `RefusedError` (422) for a group or values that the vocabulary does not have; then nothing is recorded.
        Raises `LedgerError` when something was not recorded: what was, is; the rest counts when it is said again.
        """
        checked = [(Dataset(fact.namespace, fact.name), fact.group, _values(fact), fact) for fact in facts]
        told: set[str] = set()

        async def write(dataset: Dataset, group: str, known: KnownFact) -> None:
            entry = Entry(kind="dataset", id=dataset.urn, record=self._record_of(dataset.urn, group, known))
            claim = self._changes.claim(dataset.urn)
            await self._ledger.append(entry, also=[*claim, *_replacement(dataset, group, known)])
            self._keep(dataset, group, known)
            told.update(self._names.of(dataset.urn))

        try:
            async with self._changes.writing():
                heard: dict[tuple[str, str], tuple[Dataset, str, KnownFact]] = {}
                changed: set[tuple[str, str]] = set()
                for dataset, group, values, fact in checked:
                    key = (dataset.urn, group)
                    known = KnownFact(values, fact.observed_at, fact.source, fact.tier)
                    before = heard[key][2] if key in heard else self._facts.get(dataset.urn, {}).get(group)
                    weight = weigh(known, before, group)
                    if weight is not Weight.NOTHING:
                        heard[key] = (dataset, group, known)
                    if weight is Weight.CHANGES:
                        changed.add(key)
                self._bounded({urn for urn, _ in heard})
                await self._confirm([one for key, one in heard.items() if key not in changed])
                # At once, so that the ledger takes them as one group.
                await all_of(write(*heard[key]) for key in changed)
        finally:
            self._tell(told)

    async def _confirm(self, confirmed: Sequence[tuple[Dataset, str, KnownFact]]) -> None:
        """Note that words still hold. Nothing changes for anybody who was told of them, so the ledger gets nothing."""
        statements = [statement for one in confirmed for statement in _replacement(*one)]
        if statements:
            claim = self._changes.claim(*(dataset.urn for dataset, _, _ in confirmed))
            await self._database.awrite(*claim, *statements)
            for one in confirmed:
                self._keep(*one)

    def _record_of(self, urn: str, group: str, known: KnownFact) -> dict[str, Any]:
        # Values can name people, so the ledger holds their digest and the database the text.
        values = {} if known.values is None else dict(known.values)
        record: dict[str, Any] = {
            "change": "taken_back" if known.values is None else "recorded",
            "urn": urn,
            "group": group,
            "source": known.source,
            "tier": str(known.tier),
            "observed_at": to_text(known.observed_at),
            "at": to_text(self._now()),
        }
        if group == OWNERSHIP:
            owners = values.get("owners", [])
            # A digest of names without a key would tell them to whoever guesses.
            values = {"owners": [self._shown(owner) for owner in owners] if self._shown else len(owners)}
            record["owners"] = values["owners"]
        return record | {"values": digest(values)}

    def _bounded(self, urns: Iterable[str]) -> None:
        fresh = [urn for urn in urns if urn not in self._facts]
        if fresh and len(self._facts) + len(fresh) > MAX_DATASETS:
            raise RefusedError(
                "limit_reached", 409, f"recording the dataset {fresh[0]}", f"there are {len(self._facts)}",
                "Let the catalog send only what models are made of",
            )  # fmt: skip

    async def link(self, aliases: Sequence[DatasetAliases]) -> None:
        """Return once the other names of these datasets are on disk: the whole list of each, as its source has it now.

        Raises `RefusedError` (409) when a set of names grows beyond `MAX_NAMES`: that is a mistake of the catalog, and
        the name that was one too many is not taken.
        """
        changed: set[str] = set()
        try:
            async with self._changes.writing():
                too_many = [alias for said in aliases for alias in await self._link(said, changed)]
        finally:
            self._tell(changed)
        if too_many:
            raise RefusedError(
                "limit_reached", 409, f"taking {too_many[0][:200]} for another name of a dataset",
                f"then it would have more than {MAX_NAMES}", "Look at the symlinks that the catalog sends",
            )  # fmt: skip

    async def _link(self, said: DatasetAliases, changed: set[str]) -> Sequence[str]:
        urn = Dataset(said.namespace, said.name).urn
        before = self._names.links(urn, said.source)
        if any(link.observed_at > said.observed_at for link in before.values()):
            return []
        wanted = {Dataset(*alias).urn for alias in said.aliases} - {urn}
        refused = []
        for alias in sorted(set(before) - wanted):
            await self._change_link("unlinked", before[alias], changed)
        for alias in sorted(wanted - set(before)):
            link = Link(alias, urn, said.source, said.observed_at)
            if self._names.known(alias, urn) is not None:
                continue
            if self._names.fits(link):
                await self._change_link("linked", link, changed)
            else:
                refused.append(alias)
        return refused

    async def _change_link(self, change: str, link: Link, changed: set[str]) -> None:
        row = {"alias_urn": link.alias, "urn": link.urn, "source": link.source}
        row["observed_at"] = to_text(link.observed_at)
        linked = change == "linked"
        statements = replacement(dataset_aliases, row) if linked else [removal(dataset_aliases, row)]
        record = {
            "change": change,
            "urn": link.urn,
            "alias": link.alias,
            "source": link.source,
            "observed_at": to_text(link.observed_at),
            "at": to_text(self._now()),
        }
        entry = Entry(kind="dataset", id=link.urn, record=record)
        await self._ledger.append(entry, also=[*self._changes.claim(link.urn), *statements])
        changed.update(self._names.of(link.urn))
        if linked:
            self._names.add(link)
        else:
            self._names.remove(link.alias, link.urn)
        changed.update(self._names.of(link.urn))

    def _tell(self, changed: set[str]) -> None:
        if changed and self.on_change is not None:
            self.on_change(frozenset(changed))

    async def connect(self, edges: Sequence[LineageEdge]) -> None:
        """Return once the edges are on disk, each with the newest run that drew it. The ledger gets the new ones.

        Raises `RefusedError` (409) when there are more than `MAX_EDGES`.
        """
        async with self._changes.writing():
            drawn: dict[_EdgeKey, LineageEdge] = {}
            for edge in edges:
                key = (Dataset(*edge.source).urn, Dataset(*edge.target).urn, edge.job)
                if to_text(edge.observed_at) > self._edges.get(key, ""):
                    drawn[key] = edge
            fresh = [key for key in drawn if key not in self._edges]
            if len(self._edges) + len(fresh) > MAX_EDGES:
                raise RefusedError(
                    "limit_reached", 409, f"drawing lineage of {fresh[0][1][:200]}",
                    f"there are {len(self._edges)} edges",
                    "Let the catalog send only what models are made of",
                )  # fmt: skip
            statements = [statement for key, edge in drawn.items() for statement in _drawing(key, edge)]
            if statements:
                statements = [*self._changes.claim(_LINEAGE), *statements]
            if fresh:
                named = [{"source": source, "target": target, "job": job} for source, target, job in fresh]
                record = {"change": "connected", "edges": named, "at": to_text(self._now())}
                await self._ledger.append(Entry(kind="dataset", id=fresh[0][1], record=record), also=statements)
            elif statements:
                await self._database.awrite(*statements)
            self._edges |= {key: to_text(edge.observed_at) for key, edge in drawn.items()}


def _fact_from_row(row: Row[Any]) -> tuple[Dataset, str, KnownFact]:
    fact = KnownFact(row.fact_values, from_text(row.observed_at), row.source, EvidenceTier(row.tier))
    return Dataset(row.namespace, row.name), row.fact_group, fact


async def all_of(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all, then raise what one of them raised: none is left running, and none is taken back."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


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


def _replacement(dataset: Dataset, group: str, known: KnownFact) -> list[Executable]:
    row = {
        "urn": dataset.urn,
        "fact_group": group,
        "namespace": dataset.namespace,
        "name": dataset.name,
        "fact_values": None if known.values is None else dict(known.values),
        "observed_at": to_text(known.observed_at),
        "source": known.source,
        "tier": str(known.tier),
    }
    return replacement(dataset_facts, row)


def _drawing(key: _EdgeKey, edge: LineageEdge) -> list[Executable]:
    source, target, job = key
    row = {
        "source_urn": source, "target_urn": target, "job": job, "run": edge.run,
        "observed_at": to_text(edge.observed_at),
    }  # fmt: skip
    return replacement(lineage_edges, row)
