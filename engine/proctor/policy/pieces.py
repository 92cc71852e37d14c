"""Cuts recorded decisions into pieces of work: each with one policy, small, and counting what it leaves out."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proctor.decide.again import Tools
from proctor.errors import PolicyError
from proctor.ledger.recordings import Recording, Recordings, State
from proctor.opa import archive
from proctor.opa.archive import Policy

SIZE: Final = 100
"""Decisions in a piece: a tenth of a second of work, so that Ctrl-C is answered soon and progress is smooth."""
_BYTES: Final = 4 * 1024 * 1024
_POLICIES: Final = 8
LOST: Final = "no bundle"
"""Beside the states of `recordings.State`: the policy that judged is not kept, though bundles are kept for good."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision to be made again."""

    record: Mapping[str, Any]
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some decisions that one policy has judged."""

    last: int
    """Index of the newest entry that this piece speaks for."""
    counts: Mapping[str, int]
    """How many decisions there were, by state, with those that can't be made again."""
    policy: Policy | None
    """None where there is nothing to judge."""
    recorded: tuple[Recorded, ...]
    tools: Tools


class Policies:
    """The recorded policies, read from their bundles and proven by their digests; the newest few stay in memory."""

    def __init__(self, bundle: Callable[[str], bytes | None], binary: Path) -> None:
        self._bundle = bundle
        self._binary = binary
        self._known: OrderedDict[str, Policy | None] = OrderedDict()

    def get(self, digest: str) -> Policy | None:
        """Return the policy with `digest`, or None where it is not kept. Raises `PolicyError` for what is another."""
        if digest not in self._known:
            content = self._bundle(digest)
            self._known[digest] = None if content is None else self._proven(digest, content)
            while len(self._known) > _POLICIES:
                self._known.popitem(last=False)
        self._known.move_to_end(digest)
        return self._known[digest]

    def _proven(self, digest: str, content: bytes) -> Policy:
        read = archive.read(content, digest)
        if read.digest != digest:
            found = f"what is inside has the digest {read.digest}"
            raise PolicyError(
                f"reading the bundle {digest}", [found], "Take it from a backup, or from where it was built"
            )
        return archive.policy(read, self._binary)


def cut(
    recordings: Recordings, policies: Policies, tools: Tools, after: int, wanted: Callable[[Mapping[str, Any]], bool]
) -> Iterator[Piece]:
    """Yield pieces for the decisions beyond the entry `after` whose record is `wanted`, in the order of the ledger."""
    counts: dict[str, int] = {}
    held: list[Recorded] = []
    policy: Policy | None = None
    size, last = 0, after
    for one in _only(recordings.decisions(after), wanted):
        judged_by = _policy(one, policies)
        if held and (size >= _BYTES or len(held) >= SIZE or (judged_by is not None and judged_by is not policy)):
            yield Piece(last, counts, policy, tuple(held), tools)
            counts, held, size = {}, [], 0
        state = str(one.state)
        if one.state is State.REPLAYABLE and judged_by is None:
            state = LOST
        counts[state] = counts.get(state, 0) + 1
        if judged_by is not None and one.raw is not None:
            policy = judged_by
            held.append(Recorded(one.record, one.raw))
            size += len(one.raw)
        last = one.index
    if counts:
        yield Piece(last, counts, policy if held else None, tuple(held), tools)


def _only(found: Iterable[Recording], wanted: Callable[[Mapping[str, Any]], bool]) -> Iterator[Recording]:
    return (one for one in found if wanted(one.record))


def _policy(one: Recording, policies: Policies) -> Policy | None:
    return policies.get(str(one.record["policy"]["digest"])) if one.state is State.REPLAYABLE else None
