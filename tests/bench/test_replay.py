"""A hundred thousand recorded decisions: made again and compared, on processes and on Dask, in bounded memory.

The decisions are synthetic: made from a few that a real OPA answered, each with a request id and a digest of its own.
"""

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proctor.decide.runners.cluster import DaskCluster
from proctor.decide.runners.pool import ProcessPool
from proctor.decide.runners.runner import Runner
from proctor.ledger.recordings import ExportRecordings
from proctor.policy import replaying
from proctor.policy.pieces import Policies, cut
from proctor.policy.replaying import Tally
from tests.bench.board import Board
from tests.contract.replay import exports
from tests.contract.replay.conftest import Kept, kept

__all__ = ["kept"]
COUNT = 100_000
MEMORY_LIMIT = 200 * 1024 * 1024
"""Bytes by which the parent may grow over a replay of all of them; their inputs alone have four times as much."""
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def export(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return exports.write(tmp_path_factory.mktemp("replay") / "export", kept, COUNT)


def _grown(kept: Kept, export: Path, runner: Runner) -> tuple[Tally, float, int]:
    """Replay the export; return the tally, the seconds, and by how many bytes the peak of this process rose."""
    found = ExportRecordings(export)
    assert kept.tools.binary is not None
    pieces = cut(found, Policies(found.bundle, kept.tools.binary), kept.tools, -1, lambda _: True)
    tally = Tally()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with runner:
        for _ in replaying.run(runner, replaying.reproducing_work(), pieces, tally):
            pass
    seconds = time.monotonic() - began
    return tally, seconds, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_a_hundred_thousand_decisions_reproduce(name: str, kept: Kept, export: Path, board: Board) -> None:
    make: Callable[[], Runner] = ProcessPool if name == "processes" else DaskCluster
    tally, seconds, grown = _grown(kept, export, make())
    board.note(f"replay of {COUNT} decisions, {name}", f"{COUNT / seconds:.0f}/s, peak {grown / 1e6:.0f} MB higher")
    assert tally.counts == {"replayable": COUNT}
    assert tally.differences == []
    assert grown < MEMORY_LIMIT
