"""What the ledger holds: entries, and the one form in which they become bytes.

The record of an entry is the RFC 8785 form of

    {"id": ..., "index": ..., "kind": ..., "record": {...}, "recorded_at": ...}

`index` is inside, so an entry that was moved, removed or slipped in is found at the entry itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from proctor.errors import LedgerError
from proctor.store.moments import to_text
from proctor.vocabulary.canonical import MAX_SAFE_INTEGER, NotCanonical, canonical


class Kind(StrEnum):
    """What an entry is about."""

    DECISION = "decision"
    WAIVER = "waiver"
    PRINCIPAL = "principal"
    KEY = "key"
    MODEL = "model"
    POLICY = "policy"
    OBSERVATION = "observation"
    INCIDENT = "incident"
    DATASET = "dataset"
    VIOLATION = "violation"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to record. A decision's id can be used once; the history of a waiver, key or model shares its id."""

    kind: Kind | str
    id: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof for the caller that an entry is on disk."""

    index: int
    leaf: str
    """The leaf hash in hex."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it stands in the ledger."""

    index: int
    kind: Kind
    id: str
    record: dict[str, Any]
    recorded_at: str
    leaf: str


@dataclass(frozen=True, slots=True)
class Head:
    """How far the ledger has got: its size and, in hex, the root of its tree."""

    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """An entry as bytes, but for its index, which only the writer knows."""

    id: str
    kind: str
    recorded_at: str
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)

    def at(self, index: int) -> bytes:
        """Return the record of this entry at `index`."""
        return b"%b%d%b" % (self.before, index, self.after)


def encode(entry: Entry, now: datetime) -> Encoded:
    """Return `entry` as bytes, recorded at `now`. Raises `LedgerError` for what has no canonical form."""
    tried = f"recording {entry.id}"
    try:
        kind = Kind(entry.kind)
    except ValueError as error:
        raise LedgerError(tried, str(error), f"Use one of {', '.join(Kind)}") from error
    if not entry.id:
        raise LedgerError(tried, "the entry has no id")
    recorded_at = to_text(now)
    try:
        # The five keys are ASCII and written here in the order in which RFC 8785 sorts them.
        before = b'{"id":%b,"index":' % canonical(entry.id)
        after = b',"kind":"%b","record":%b,"recorded_at":"%b"}' % (
            kind.encode(),
            canonical(dict(entry.record)),
            recorded_at.encode(),
        )
    except NotCanonical as error:
        raise LedgerError(tried, f"the record has no canonical form: {error}") from error
    return Encoded(entry.id, str(kind), recorded_at, before, after)


def _number(text: str) -> int | float:
    """Read digits as RFC 8785 means them: beyond 2^53 they are a double, which the strict decoder refuses."""
    return int(text) if abs(int(text)) <= MAX_SAFE_INTEGER else float(text)


def decode_record(record: bytes, leaf: bytes) -> Recorded:
    """Read what `Encoded.at` wrote. Raises `LedgerError` when it is not that."""
    try:
        found: Any = json.loads(record, parse_int=_number)
        index, kind, entry_id = int(found["index"]), Kind(found["kind"]), str(found["id"])
        return Recorded(index, kind, entry_id, dict(found["record"]), str(found["recorded_at"]), leaf.hex())
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise LedgerError(
            "reading an entry of the ledger", f"its bytes are damaged: {error}", "Run `proctor ledger verify`"
        ) from error
