"""OpenLineage events to facts, other names and edges. Pure.

A facet holds until a later event brings the same facet again, so a tags facet that lacks a tag takes the tag back, and
`_deleted: true` takes the whole facet back. What an event does not bring, it does not touch.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from proctor.plugins import DatasetAliases, DatasetFact, LineageEdge
from proctor.vocabulary.datasets import Dataset, asserted, located
from proctor.vocabulary.words import EvidenceTier
from proctor_adapters.openlineage import governance
from proctor_adapters.openlineage.events import moment as time_of
from proctor_adapters.openlineage.governance import GROUPS, Stated
from proctor_adapters.openlineage.lineage import edges, facet, facets, identity, listed

MAX_DATASETS: Final = 1000
"""Inputs and outputs of one event that are read."""
MAX_EDGES: Final = 2000
MAX_OWNERS: Final = 200
CUSTOM_FACET: Final = "proctor_governance"
"""Our own dataset facet: the reserved keys without their prefix, as JSON values instead of text."""
CATALOG, OWNERSHIP = "catalog", "ownership"
_Group = tuple[str, Mapping[str, Any] | None, str]
"""Group, values, and the part of the event that says it, where that is a source of its own."""


@dataclass(slots=True)
class Heard:
    """What an event says."""

    facts: list[DatasetFact] = field(default_factory=list)
    aliases: list[DatasetAliases] = field(default_factory=list)
    edges: list[LineageEdge] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What of it was not taken, and why: it is kept with the event."""


def translate(event: Mapping[str, Any], source: str, asserts: Collection[str]) -> Heard:
    """Return what an event says, as of its eventTime. `source` is who says it, `asserts` what counts as observed."""
    moment = time_of(event)
    heard = Heard()
    named = [event["dataset"]] if isinstance(event.get("dataset"), dict) else []
    documents = [*named, *listed(event.get("inputs")), *listed(event.get("outputs"))]
    if len(documents) > MAX_DATASETS:
        heard.left_out.append(f"{len(documents) - MAX_DATASETS} datasets beyond the first {MAX_DATASETS}")
    for document in documents[:MAX_DATASETS]:
        dataset = identity(document)
        if dataset is None:
            heard.left_out.append(
                f"a dataset whose namespace and name name nothing: {str(document.get('name'))!r:.100}"
            )
            continue
        said_by = _Sayer(dataset, moment, source, asserts)
        heard.facts += said_by.facts(_groups(document, moment))
        heard.facts += _renamed(document, said_by)
        heard.aliases += _aliases(document, said_by)
    heard.edges = list(islice(edges(event, moment), MAX_EDGES + 1))
    if len(heard.edges) > MAX_EDGES:
        heard.edges.pop()
        heard.left_out.append(f"edges of lineage beyond the first {MAX_EDGES}")
    return heard


@dataclass(frozen=True, slots=True)
class _Sayer:
    """Who says something of one dataset, and how much that is worth."""

    dataset: Dataset
    moment: datetime
    source: str
    asserts: Collection[str]

    def may(self, group: str, dataset: Dataset | None = None) -> bool:
        return asserted(self.asserts, group, (dataset or self.dataset).namespace)

    def facts(self, groups: Iterable[_Group], dataset: Dataset | None = None) -> Iterator[DatasetFact]:
        of = dataset or self.dataset
        for group, values, part in groups:
            tier = EvidenceTier.OBSERVED if self.may(group, of) else EvidenceTier.DECLARED
            yield DatasetFact(of.namespace, of.name, group, values, self.moment, self.part(part), tier)

    def part(self, name: str) -> str:
        return f"{self.source}#{name}" if name else self.source


# --- Facts ------------------------------------------------------------------------------------------------------------


def _groups(document: Mapping[str, Any], moment: datetime) -> Iterator[_Group]:
    state = (facet(document, "lifecycleStateChange") or {}).get("lifecycleStateChange")
    if state == "DROP":
        yield from _gone()
        return
    yield CATALOG, {"known": True, "confidence": "exact"}, ""
    if isinstance(facets(document).get(OWNERSHIP), dict):
        stated = facet(document, OWNERSHIP)
        yield OWNERSHIP, None if stated is None else _owners(stated), ""
    tags, own = _stated(document, "tags"), _stated(document, CUSTOM_FACET)
    for group in GROUPS:
        yield from _group(group, tags, own, moment, created=state == "CREATE")


def _gone() -> Iterator[_Group]:
    for group in (CATALOG, OWNERSHIP, *GROUPS):
        yield group, None, ""
        if group in GROUPS:
            yield group, None, CUSTOM_FACET


def _owners(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    names = (governance.word(owner.get("name")) for owner in listed(stated.get("owners")))
    return {"owners": sorted({name for name in names if name is not None})[:MAX_OWNERS]}


def _stated(document: Mapping[str, Any], name: str) -> Stated | None:
    """Return the reserved keys of a facet; none of them if it was deleted; None if it is not in the event."""
    if not isinstance(facets(document).get(name), dict):
        return None
    found = facet(document, name)
    if found is None:
        return Stated()
    return governance.of_facet(found) if name == CUSTOM_FACET else governance.of_tags(listed(found.get("tags")))


def _group(group: str, tags: Stated | None, own: Stated | None, moment: datetime, *, created: bool) -> Iterator[_Group]:
    """Return what two facets say of one group, each a source of its own; nothing of either where they disagree."""
    parts = [(stated, part) for stated, part in ((tags, ""), (own, CUSTOM_FACET)) if stated is not None]
    said = {part: governance.values(stated, group, moment, created=created) for stated, part in parts}
    mentioning = [part for stated, part in parts if governance.mentions(stated, group)]
    agreed = len({repr(said[part]) for part in mentioning}) == 1
    for _, part in parts:
        yield group, said[part] if agreed and part == mentioning[0] else None, part


def _renamed(document: Mapping[str, Any], sayer: _Sayer) -> Iterator[DatasetFact]:
    """Return that the former name of a renamed dataset names nothing any more. Facts do not move along."""
    change = facet(document, "lifecycleStateChange") or {}
    former = change.get("previousIdentifier")
    if change.get("lifecycleStateChange") == "RENAME" and isinstance(former, dict):
        dataset = identity(former)
        if dataset is not None and dataset != sayer.dataset:
            yield from sayer.facts(_gone(), dataset)


# --- Other names ------------------------------------------------------------------------------------------------------


def _aliases(document: Mapping[str, Any], sayer: _Sayer) -> Iterator[DatasetAliases]:
    """Return the other names, from whoever may say what is known under both; a claim of others is worth nothing."""
    if not sayer.may(CATALOG):
        return
    said: dict[str, list[Dataset | None]] = {}
    if isinstance(facets(document).get("symlinks"), dict):
        stated = facet(document, "symlinks") or {}
        said["symlinks"] = [identity(one) for one in listed(stated.get("identifiers"))]
    if isinstance(facets(document).get("dataSource"), dict):
        # Mostly a server, which many datasets share. Only a URI that names an object in a store is a dataset's name.
        uri = (facet(document, "dataSource") or {}).get("uri")
        said["dataSource"] = [_located(uri) if isinstance(uri, str) else None]
    for part, names in said.items():
        permitted = {one for one in names if one is not None and one != sayer.dataset and sayer.may(CATALOG, one)}
        pairs = sorted((one.namespace, one.name) for one in permitted)
        of = sayer.dataset
        yield DatasetAliases(of.namespace, of.name, tuple(pairs), sayer.moment, sayer.part(part))


def _located(uri: str) -> Dataset | None:
    try:
        return located(uri)
    except ValueError:
        return None
