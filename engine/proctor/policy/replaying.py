"""Makes recorded decisions again, under their own policies or under others, and keeps count.

The count is small whatever the number of decisions, and knows how far it got: it can be written down and gone on with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from proctor.decide import again
from proctor.decide.runners.runner import Runner
from proctor.opa import archive
from proctor.opa.archive import Policy
from proctor.opa.index import Index
from proctor.policy import flips, reproducing
from proctor.policy.flips import Flip, Standing
from proctor.policy.pieces import LOST, Piece
from proctor.policy.reproducing import Difference
from proctor.vocabulary.canonical import decode

KEPT_DIFFERENCES: Final = 100
"""Shown in full; the rest is counted."""
_KEPT_GROUPS: Final = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one piece."""

    last: int
    counts: Mapping[str, int]
    differences: tuple[Difference, ...] = ()
    flips: tuple[Flip, ...] = ()
    changed: int = 0
    """Decisions with the same outcome whose findings are of other rules."""


@dataclass
class Tally:
    """How far a replay got, and what it found."""

    last: int = -1
    counts: dict[str, int] = field(default_factory=dict)
    differing: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)
    flipped: int = 0
    unrecorded: int = 0
    """Of those that flipped: because the record lacks a fact that its own policy did not ask for."""
    changed: int = 0
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`<change> <rule>` -> how many decisions, and one of them as an example."""

    @property
    def decisions(self) -> int:
        """Return how many decisions there were."""
        return sum(self.counts.values())

    @property
    def lost(self) -> int:
        """Return how many could not be made again though they should."""
        return self.counts.get(LOST, 0)

    def add(self, outcome: Outcome) -> None:
        """Count what came of the next piece."""
        self.last = outcome.last
        for state, count in outcome.counts.items():
            self.counts[state] = self.counts.get(state, 0) + count
        self.differing += len(outcome.differences)
        room = KEPT_DIFFERENCES - len(self.differences)
        self.differences += [one.document() for one in outcome.differences[:room]]
        self.changed += outcome.changed
        for one in outcome.flips:
            self.flipped += 1
            self.unrecorded += one.unrecorded
            for rule in one.rules:
                self._group(one, rule)

    def _group(self, one: Flip, rule: str) -> None:
        key = f"{one.change} {rule}{' ?' if one.unrecorded else ''}"
        if key not in self.groups and len(self.groups) >= _KEPT_GROUPS:
            return  # the sum stays right; so many groups nobody reads
        group = self.groups.setdefault(
            key,
            {
                "change": one.change, "rule": rule, "count": 0, "unrecorded": one.unrecorded, "example": one.id,
                "message": one.message,
            },
        )  # fmt: skip
        group["count"] += 1


def run(runner: Runner, work: Callable[[Piece], Outcome], pieces: Iterable[Piece], tally: Tally) -> Iterator[Tally]:
    """Add what comes of each piece to `tally`, and yield it after each. Raises `EngineError` where nobody answers."""
    for outcome in runner.map(work, pieces):
        tally.add(outcome)
        yield tally


def reproducing_work() -> Callable[[Piece], Outcome]:
    """Return the work of holding decisions against what their own policy makes of them."""
    return _reproduce


def flipping_work(before: Policy | None, after: Policy) -> Callable[[Piece], Outcome]:
    """Return the work of comparing decisions under two policies; `before` None: as they were recorded."""
    return partial(_flip, before, after)


def _reproduce(piece: Piece) -> Outcome:
    if piece.policy is None:
        return Outcome(piece.last, piece.counts)
    index = _index(piece.policy)
    found = again.judges().judge(piece.policy, piece.tools, [one.raw for one in piece.recorded])
    compared = (
        reproducing.compare(one.record, _document(one.raw), concluded, index, piece.policy.digest)
        for one, concluded in zip(piece.recorded, found, strict=True)
    )
    return Outcome(piece.last, piece.counts, differences=tuple(one for one in compared if one is not None))


def _flip(before: Policy | None, after: Policy, piece: Piece) -> Outcome:
    if not piece.recorded:
        return Outcome(piece.last, piece.counts)
    then = None if piece.policy is None else _index(piece.policy)
    now = _standings(after, piece, then)
    was = [flips.recorded(one.record) for one in piece.recorded] if before is None else _standings(before, piece, then)
    found: list[Flip] = []
    changed = 0
    for one, former, new in zip(piece.recorded, was, now, strict=True):
        flipped = flips.flip(str(one.record["id"]), former, new)
        if flipped is not None:
            found.append(flipped)
        elif (former.blocking.keys(), former.warning) != (new.blocking.keys(), new.warning):
            changed += 1
    return Outcome(piece.last, piece.counts, flips=tuple(found), changed=changed)


def _standings(policy: Policy, piece: Piece, then: Index | None) -> list[Standing]:
    own = piece.policy is not None and piece.policy.digest == policy.digest
    raws = [one.raw for one in piece.recorded]
    index = _index(policy)
    return [
        flips.concluded(found, flips.unrecorded(found.findings, _document(raw), then, index))
        for raw, found in zip(raws, again.judges().judge(policy, piece.tools, raws, anew=not own), strict=True)
    ]


def _document(raw: bytes) -> dict[str, Any]:
    document: Any = decode(raw)
    found: dict[str, Any] = document
    return found


_indexes: dict[str, Index] = {}


def _index(policy: Policy) -> Index:
    if policy.digest not in _indexes:
        if len(_indexes) > again.KEPT:
            _indexes.clear()
        _indexes[policy.digest] = Index(archive.read(policy.content, policy.revision).document)
    return _indexes[policy.digest]
