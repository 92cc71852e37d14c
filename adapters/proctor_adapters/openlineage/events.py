"""The door: bytes to an OpenLineage event, or one line that says why they are none. Pure.

Spec: https://openlineage.io/spec/2-0-2/OpenLineage.json. Facets of others are legal and none of our business, so a NaN
or a 64-bit number in one of them is no reason to lose what the event says of a dataset: `NaN` becomes null.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

SKEW: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead. Rules allow evidence the same (rego/governance/lib/evidence)."""
MAX_DEPTH: Final = 64
_TYPES: Final = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
_CENTURY: Final = 20


class NoEventError(ValueError):
    """The document is no OpenLineage event. Its text says in one line what it lacks."""


def decode(raw: bytes) -> Any:
    """Return the JSON document. Raises `NoEventError` for what is none, or is not a whole one."""
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=lambda _: None)
    except UnicodeDecodeError as error:
        raise NoEventError(f"the body is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise NoEventError(f"the body is not JSON at line {error.lineno} column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise NoEventError("the body is nested too deeply") from error
    except ValueError as error:
        raise NoEventError(f"the body is not JSON that can be read: {error}") from error
    _bounded(document, MAX_DEPTH)
    return document


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoEventError("a key appears twice in one object")
    return found


def _bounded(value: Any, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth <= 0:
            raise NoEventError("the body is nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            _bounded(item, depth - 1)


def encode(event: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the event's canonical bytes and their SHA-256: events have no id, so their content is their name."""
    try:
        raw = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NoEventError("a text has half of a character (a lone surrogate)") from error
    return raw, hashlib.sha256(raw).hexdigest()


def check(event: Any, now: datetime) -> Mapping[str, Any]:
    """Return the event if it is a run, dataset or job event that has happened. Raises `NoEventError`."""
    if isinstance(event, list):
        raise NoEventError("it is an array; arrays of events go to /api/v1/lineage/batch")
    if not isinstance(event, dict):
        raise NoEventError(f"an event is a JSON object, not a {type(event).__name__}")
    if moment(event) > now + SKEW:
        raise NoEventError(f"eventTime lies more than {SKEW.seconds // 60} minutes in the future")
    run, job, dataset = event.get("run"), event.get("job"), event.get("dataset")
    if run is not None:
        kind = event.get("eventType")
        if kind is not None and not (isinstance(kind, str) and kind in _TYPES):
            raise NoEventError("eventType is none of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER")
        _has(run, "run", "runId")
        _has(job, "job", "namespace", "name")
    elif dataset is not None:
        _has(dataset, "dataset", "namespace", "name")
    elif job is not None:
        _has(job, "job", "namespace", "name")
    else:
        raise NoEventError("it has neither run and job, nor dataset, nor job")
    return event


def _has(part: Any, name: str, *keys: str) -> None:
    for key in keys:
        if not isinstance(part, dict) or not isinstance(part.get(key), str) or not part[key]:
            raise NoEventError(f"{name}.{key} is missing, or no text")


def moment(event: Mapping[str, Any]) -> datetime:
    """Return the eventTime in UTC. Raises `NoEventError`."""
    try:
        found = datetime.fromisoformat(event["eventTime"])
    except (KeyError, TypeError, ValueError):
        raise NoEventError("eventTime is missing, or no ISO 8601 time") from None
    if found.tzinfo is None:
        raise NoEventError("eventTime has no time zone")
    try:
        found = found.astimezone(UTC)
    except OverflowError:
        raise NoEventError("eventTime is no time") from None
    if found.year // 100 != _CENTURY:
        raise NoEventError("eventTime lies outside of the years 2000 to 2099")
    return found
