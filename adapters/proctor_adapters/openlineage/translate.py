"""OpenLineage events to facts and edges. Pure.

Spec: https://openlineage.io/spec/2-0-2/OpenLineage.json. A facet holds until a later event brings the same facet again,
so a tags facet that lacks a tag takes the tag back; `_deleted: true` takes the whole facet back. Tag values are text:
what does not convert into the vocabulary's type is left out, and so proves nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from proctor.plugins import DatasetFact, LineageEdge
from proctor.vocabulary.datasets import Dataset, canonical
from proctor.vocabulary.words import EvidenceTier

MAX_DATASETS: Final = 1000
"""Inputs and outputs of one event that are read."""
_PREFIX: Final = "governance."
CUSTOM_FACET: Final = "proctor_governance"
"""Our own dataset facet: the reserved keys without their prefix, as JSON values instead of text."""
_DROPPED: Final = frozenset({"DROP"})
_TAGGED: Final = ("sensitivity", "legal", "purposes", "consent", "licence", "retention")
"""Groups that the tags facet and our own facet feed."""
_ENDS: Final = frozenset({"COMPLETE", "FAIL", "ABORT", "RUNNING", "START", "OTHER"})


class NoEventError(ValueError):
    """The document is no OpenLineage event. Its text says in one line what it lacks."""


def check(event: Any) -> Mapping[str, Any]:
    """Return the event if it is a run, dataset or job event. Raises `NoEventError`."""
    if not isinstance(event, dict):
        raise NoEventError(f"an event is a JSON object, not a {type(event).__name__}")
    _moment(event.get("eventTime"))
    if isinstance(event.get("run"), dict) and isinstance(event.get("job"), dict):
        if event.get("eventType") not in _ENDS:
            raise NoEventError("eventType is none of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER")
        return event
    if isinstance(event.get("dataset"), dict) or isinstance(event.get("job"), dict):
        return event
    raise NoEventError("it has neither run and job, nor dataset, nor job")


def _moment(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise NoEventError("eventTime is no ISO 8601 time") from None
    if found.tzinfo is None:
        raise NoEventError("eventTime has no time zone")
    return found.astimezone(UTC)


def translate(
    event: Mapping[str, Any], source: str, asserts: frozenset[str]
) -> tuple[list[DatasetFact], list[LineageEdge]]:
    """Return what an event says, as of its eventTime. `source` is who says it, `asserts` what counts as observed."""
    moment = _moment(event["eventTime"])
    facts: list[DatasetFact] = []
    read, written = _listed(event.get("inputs")), _listed(event.get("outputs"))
    named = [event["dataset"]] if isinstance(event.get("dataset"), dict) else []
    for document in [*named, *read, *written][:MAX_DATASETS]:
        dataset = _identity(document)
        facets = document.get("facets")
        if dataset is None or not isinstance(facets, dict):
            continue
        for group, values in _groups(facets, moment):
            tier = EvidenceTier.OBSERVED if f"datasets/*/{group}" in asserts else EvidenceTier.DECLARED
            facts.append(DatasetFact(dataset.namespace, dataset.name, group, values, moment, source, tier))
    return facts, list(_edges(event, read, written, moment))


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _identity(document: Mapping[str, Any]) -> Dataset | None:
    namespace, name = document.get("namespace"), document.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str):
        return None
    try:
        return canonical(namespace, name)
    except ValueError:
        return None


def _edges(
    event: Mapping[str, Any], read: Sequence[Mapping[str, Any]], written: Sequence[Mapping[str, Any]], moment: datetime
) -> Iterator[LineageEdge]:
    job, run = event.get("job"), event.get("run")
    if not isinstance(job, dict) or not isinstance(run, dict):
        return
    name = f"{job.get('namespace', '')}/{job.get('name', '')}"[:500]
    for output in written[:MAX_DATASETS]:
        target = _identity(output)
        for document in read[:MAX_DATASETS]:
            source = _identity(document)
            if source is None or target is None or source == target:
                continue
            ends = (source.namespace, source.name), (target.namespace, target.name)
            yield LineageEdge(*ends, name, str(run.get("runId", ""))[:100], moment)


# --- Facets ----------------------------------------------------------------------------------------------------------


def _groups(facets: Mapping[str, Any], moment: datetime) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    if _dropped(facets.get("lifecycleStateChange")):
        yield from ((group, None) for group in ("catalog", "ownership", *_TAGGED))
        return
    yield "catalog", {"known": True, "confidence": "exact"}
    ownership = facets.get("ownership")
    if isinstance(ownership, dict):
        owners = [owner["name"] for owner in _listed(ownership.get("owners")) if isinstance(owner.get("name"), str)]
        deleted = ownership.get("_deleted") is True
        yield "ownership", None if deleted else {"owners": [owner for owner in owners if owner.strip()]}
    stated = _stated(facets)
    if stated is not None:
        for group in _TAGGED:
            yield group, _MAKERS[group](stated, moment)


def _dropped(facet: Any) -> bool:
    return isinstance(facet, dict) and facet.get("lifecycleStateChange") in _DROPPED


def _stated(facets: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the reserved keys with their values, or None where neither facet is in the event."""
    tags, own = facets.get("tags"), facets.get(CUSTOM_FACET)
    if not isinstance(tags, dict) and not isinstance(own, dict):
        return None
    found: dict[str, Any] = {}
    if isinstance(tags, dict) and tags.get("_deleted") is not True:
        for tag in _listed(tags.get("tags")):
            key = tag.get("key")
            # A tag with a field is about a column.
            if isinstance(key, str) and key.startswith(_PREFIX) and not tag.get("field"):
                found[key.removeprefix(_PREFIX)] = tag.get("value")
    if isinstance(own, dict) and own.get("_deleted") is not True:
        found |= {key: value for key, value in own.items() if not key.startswith("_")}
    return found


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def _word(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _words(value: Any) -> list[str] | None:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return sorted({item.strip() for item in value if item.strip()})


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value.strip()[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _sensitivity(stated: Mapping[str, Any], _: datetime) -> Mapping[str, Any] | None:
    personal, special = _boolean(stated.get("pii")), _boolean(stated.get("special"))
    data_class = _word(stated.get("data_class"))
    if special:
        personal = True
    if data_class is None:
        data_class = "special" if special else "personal" if personal else None
    if personal is None or data_class not in {"public", "internal", "personal", "special"}:
        return None
    if personal and data_class in {"public", "internal"}:
        return None  # it contradicts itself: nothing is proven
    return {"personal": personal, "special": bool(special), "data_class": data_class}


def _legal(stated: Mapping[str, Any], _: datetime) -> Mapping[str, Any] | None:
    basis = _word(stated.get("lawful_basis"))
    return None if basis is None else {"basis": basis}


def _purposes(stated: Mapping[str, Any], _: datetime) -> Mapping[str, Any] | None:
    permitted = _words(stated.get("purpose"))
    return None if permitted is None else {"permitted": permitted}


def _consent(stated: Mapping[str, Any], _: datetime) -> Mapping[str, Any] | None:
    status, purposes = _word(stated.get("consent_status")), _words(stated.get("consent_purposes"))
    withdrawn = _count(stated.get("consent_withdrawn", 0))
    if status is None or purposes is None or withdrawn is None:
        return None
    return {"status": status, "purposes": purposes, "withdrawn": withdrawn}


def _licence(stated: Mapping[str, Any], _: datetime) -> Mapping[str, Any] | None:
    licence = _word(stated.get("licence"))
    return None if licence is None else {"licence": licence}


def _retention(stated: Mapping[str, Any], moment: datetime) -> Mapping[str, Any] | None:
    days = _count(stated.get("retention_days"))
    if days is None:
        return None
    try:
        until = moment + timedelta(days=days)
    except OverflowError:
        return None
    return {"until": until.isoformat()} if until.year // 100 == 20 else None  # noqa: PLR2004 (facts are of the 2000s)


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, Any], datetime], Mapping[str, Any] | None]]] = {
    "sensitivity": _sensitivity,
    "legal": _legal,
    "purposes": _purposes,
    "consent": _consent,
    "licence": _licence,
    "retention": _retention,
}
