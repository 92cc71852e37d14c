"""What was decided, with what is needed to decide it again: from the stores of a state directory, or from an export.

Read in the order of the ledger and a page at a time, so that any number of decisions takes the same memory.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import select

from proctor.errors import LedgerError, NotFoundError
from proctor.ledger.bundles import BundleStore
from proctor.ledger.cases import CaseState, CaseStore
from proctor.ledger.merkle import leaf_hash
from proctor.ledger.records import Kind, decode_record
from proctor.store.database import Database
from proctor.store.tables import ledger_entries, ledger_head
from proctor.vocabulary.canonical import MAX_BYTES, NotCanonical, canonical, decode, digest_bytes

_ROWS: Final = 500
"""Entries held in memory at a time; with their cases, a few MB."""
CASES: Final = "cases.jsonl"
BUNDLES: Final = "bundles"
_LONGEST_LINE: Final = 2 * MAX_BYTES


class State(StrEnum):
    """Whether a decision can be made again."""

    REPLAYABLE = "replayable"
    EXPIRED = "expired"
    """Its case was kept until its time was up, or was never kept here."""
    MASKED = "masked"
    """Its case was removed before its time."""
    UNJUDGED = "unjudged"
    """No policy judged it: the request was refused before, or no answer came. There is nothing to make again."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded decision."""

    index: int
    """Of its entry in the ledger."""
    record: Mapping[str, Any]
    state: State
    raw: bytes | None = field(default=None, repr=False)
    """The canonical input, where the state is `replayable`."""

    @property
    def id(self) -> str:
        """Return the id of the decision."""
        return str(self.record["id"])


class Recordings(Protocol):
    """Where recorded decisions are."""

    @property
    def name(self) -> str:
        """Return what identifies the ledger, so that work on it can be gone on with."""
        ...

    @property
    def size(self) -> int:
        """Return how many entries the ledger has; more may come."""
        ...

    def decisions(self, after: int = -1) -> Iterator[Recording]:
        """Yield the decisions beyond the entry `after`. Raises `LedgerError` for what was changed."""
        ...

    def bundle(self, digest: str) -> bytes | None:
        """Return the archive of the policy with `digest`, or None where it is not kept."""
        ...


def judged(record: Mapping[str, Any]) -> bool:
    """Tell whether a policy's verdict stands behind a record."""
    return "input_digest" in record and "tier" in record


class StateRecordings:
    """Implements `Recordings` over the stores of a state directory."""

    def __init__(self, database: Database, cases: CaseStore, bundles: BundleStore) -> None:
        self._database = database
        self._cases = cases
        self._bundles = bundles

    @property
    def name(self) -> str:
        """Return the leaf of the first entry: each ledger has another."""
        first = self._database.read(select(ledger_entries.c.leaf).where(ledger_entries.c.entry_index == 0))
        return bytes(first[0].leaf).hex() if first else "empty"

    @property
    def size(self) -> int:
        """Return how many entries there are by now."""
        return int(self._database.read(select(ledger_head.c.size))[0].size)

    def decisions(self, after: int = -1) -> Iterator[Recording]:
        """Yield the decisions beyond `after`; a page is read at a time, and no transaction is held open between."""
        while True:
            wanted = select(ledger_entries).where(ledger_entries.c.entry_index > after)
            rows = self._database.read(wanted.order_by(ledger_entries.c.entry_index).limit(_ROWS))
            if not rows:
                return
            for row in rows:
                if row.kind == Kind.DECISION:
                    yield self._recording(row.entry_index, bytes(row.record), bytes(row.leaf))
            after = rows[-1].entry_index

    def _recording(self, index: int, raw: bytes, leaf: bytes) -> Recording:
        entry = decode_record(raw, leaf)
        if leaf_hash(raw) != leaf:
            raise LedgerError(f"reading the decision {entry.id}", "its record was changed", "Run proctor ledger verify")
        if not judged(entry.record):
            return Recording(index, entry.record, State.UNJUDGED)
        opened = self._cases.open(entry.record["input_digest"])
        return Recording(index, entry.record, _STATES[opened.state], opened.raw)

    def bundle(self, digest: str) -> bytes | None:
        """Return the archive from the bundle store."""
        found = self._bundles.get(digest)
        return None if found is None else found.content


_STATES: Final = {
    CaseState.REPLAYABLE: State.REPLAYABLE,
    CaseState.EXPIRED: State.EXPIRED,
    CaseState.MASKED: State.MASKED,
}


class ExportRecordings:
    """Implements `Recordings` over a folder that `proctor ledger export --cases` has written.

    Whether the folder is whole is for `proctor ledger verify`. Here each case is held against the digest in its record.
    Raises `NotFoundError` for a folder without cases.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("entries.jsonl", "leaves.txt", CASES):
            if not (folder / name).is_file():
                remedy = "Export the ledger with proctor ledger export --cases"
                raise NotFoundError(f"reading the export {folder}", f"no {name} in it", remedy)

    @property
    def name(self) -> str:
        """Return the leaf of the first entry: each ledger has another."""
        with (self._folder / "leaves.txt").open(encoding="ascii") as leaves:
            return leaves.readline(100).strip() or "empty"

    @property
    def size(self) -> int:
        """Return how many entries there are."""
        with (self._folder / "leaves.txt").open("rb") as leaves:
            return sum(1 for _ in leaves)

    def decisions(self, after: int = -1) -> Iterator[Recording]:
        """Yield the decisions beyond `after`, each with the line of its case, which comes in the same order."""
        with (self._folder / "entries.jsonl").open("rb") as entries, (self._folder / CASES).open("rb") as cases:
            for line in _lines(entries):
                entry = decode_record(line, leaf_hash(line))
                if entry.kind is not Kind.DECISION:
                    continue
                case = next(_lines(cases), b"")
                if entry.index > after:
                    yield _exported(entry.index, entry.record, case)

    def bundle(self, digest: str) -> bytes | None:
        """Return the archive from the export. The digest in its name is proven by whoever reads it."""
        path = self._folder / BUNDLES / f"{digest.removeprefix('sha256:')}.tar.gz"
        return path.read_bytes() if path.is_file() and path.parent == self._folder / BUNDLES else None


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE):
        yield line.rstrip(b"\n")


def _exported(index: int, record: Mapping[str, Any], line: bytes) -> Recording:
    tried = f"reading the case of {record.get('id')}"
    try:
        case: Any = decode(line, max_bytes=_LONGEST_LINE, max_depth=64)
        if case["entry"] != index:
            raise LedgerError(tried, f"the line is about entry {case['entry']}", "Export the ledger again")
        state = State(case["state"])
    except (NotCanonical, KeyError, TypeError, ValueError) as error:
        raise LedgerError(tried, f"the line is damaged: {error}", "Export the ledger again") from error
    if state is not State.REPLAYABLE:
        return Recording(index, record, state)
    raw = canonical(case["input"])
    if digest_bytes(raw) != record.get("input_digest"):
        raise LedgerError(tried, "its digest is not the one that the record names", "Export the ledger again")
    return Recording(index, record, state, raw)


def export_cases(recordings: StateRecordings, folder: Path, size: int) -> dict[State, int]:
    """Write the cases of all decisions and the bundles that judged them beside an export; return how many by state.

    `size` is how many entries the export has: what came later is not in it.

    The cases are written in the clear, readable by this user alone: they hold what every decision rested on.
    """
    counted = dict.fromkeys(State, 0)
    digests: set[str] = set()
    (folder / BUNDLES).mkdir(mode=0o700)
    (folder / CASES).touch(mode=0o600)
    with (folder / CASES).open("wb") as cases:
        for one in recordings.decisions():
            if one.index >= size:
                break
            counted[one.state] += 1
            head = json.dumps({"entry": one.index, "state": one.state})
            line = head if one.raw is None else f'{head[:-1]}, "input": {one.raw.decode()}}}'
            cases.write(line.encode() + b"\n")
            if one.state is not State.UNJUDGED:
                digests.add(one.record["policy"]["digest"])
    for digest in sorted(digests):
        if (content := recordings.bundle(digest)) is not None:
            (folder / BUNDLES / f"{digest.removeprefix('sha256:')}.tar.gz").write_bytes(content)
    return counted
