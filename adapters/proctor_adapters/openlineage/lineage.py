"""Who read what and wrote what: the edges of an event. Pure.

From inputs and outputs; from the facet `columnLineage`, which can name more; or from the facet `lineage` alone where
there is one, because it says all of it (it supersedes `columnLineage`; an empty list there means: from nothing).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from proctor.plugins import LineageEdge
from proctor.vocabulary.datasets import Dataset, canonical

STATIC: Final = "static"
"""The job of an edge that no job draws: a catalog says so of the dataset itself."""
_MAX_NAME: Final = 500


def listed(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; nothing for what is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def identity(document: Mapping[str, Any]) -> Dataset | None:
    """Return the canonical identity of whatever has `namespace` and `name`, or None where they name nothing."""
    namespace, name = document.get("namespace"), document.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str):
        return None
    try:
        return canonical(namespace, name)
    except ValueError:
        return None


def facets(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return all facets, deleted ones too; none where there is no object of them."""
    found = document.get("facets")
    return found if isinstance(found, dict) else {}


def facet(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return a facet that is there and was not deleted."""
    found = facets(document).get(name)
    return found if isinstance(found, dict) and found.get("_deleted") is not True else None


def edges(event: Mapping[str, Any], moment: datetime) -> Iterator[LineageEdge]:
    """Return the edges, some maybe twice; as few of them as are asked for."""
    job, run = event.get("job"), event.get("run")
    name = f"{job.get('namespace', '')}/{job.get('name', '')}" if isinstance(job, dict) else STATIC
    run_id = str(run.get("runId", "")) if isinstance(run, dict) else ""
    read = _known(listed(event.get("inputs")))
    written = listed(event.get("outputs"))
    if isinstance(event.get("dataset"), dict):
        written = [*written, event["dataset"]]
    stated = facet(job, "lineage") if isinstance(job, dict) else None
    entries = [entry for entry in listed((stated or {}).get("entries")) if entry.get("type") == "DATASET"]
    targets = [*((output, _sources(output, read)) for output in written), *((one, _explicit(one)) for one in entries)]
    for output, sources in targets:
        target = identity(output)
        for source in sorted(sources, key=lambda one: one.urn):
            if target is not None and source != target:
                ends = (source.namespace, source.name), (target.namespace, target.name)
                yield LineageEdge(*ends, _text(name), _text(run_id), moment)


def _known(documents: Iterable[Mapping[str, Any]]) -> frozenset[Dataset]:
    return frozenset(found for document in documents if (found := identity(document)) is not None)


def _sources(output: Mapping[str, Any], read: frozenset[Dataset]) -> frozenset[Dataset]:
    explicit = facet(output, "lineage")
    if explicit is not None:
        return _explicit(explicit)
    columns = facet(output, "columnLineage")
    if columns is None:
        return read
    return read | _known([*_fields(columns, "inputFields"), *listed(columns.get("dataset"))])


def _explicit(entry: Mapping[str, Any]) -> frozenset[Dataset]:
    found = [*listed(entry.get("inputs")), *_fields(entry, "inputs")]
    return _known(one for one in found if one.get("type", "DATASET") == "DATASET")


def _fields(entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    fields = entry.get("fields")
    of_each = fields.values() if isinstance(fields, dict) else ()
    return [one for field in of_each if isinstance(field, dict) for one in listed(field.get(key))]


def _text(text: str) -> str:
    """Return a text that every database takes."""
    return "".join(character if character.isprintable() else "?" for character in text)[:_MAX_NAME]
