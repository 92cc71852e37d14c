"""The wall clock jumps, in the running server and between two of them: nothing is decided on a clock that lies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.conftest import Gate
from tests.live import records, subjects
from tests.live.server import ProctorServer, running

_SHIFTED = """
import time
from pathlib import Path
from proctor.ledger.clock import Clock
shift = Path({path!r})
def wall():
    return time.time_ns() + int(float(shift.read_text()) * 1e9)
Clock.__init__.__defaults__ = (wall, *Clock.__init__.__defaults__[1:])
"""


class Shifted(Gate):
    """A server whose wall clock a test can set."""

    def by(self, seconds: float) -> None:
        """Let the clock be so many seconds off."""
        draft = self.server.state_dir / "shift.new"
        draft.write_text(str(seconds))
        draft.rename(self.server.state_dir / "shift")


@pytest.fixture
async def shifted(state_dir: Path, opa_binary: Path) -> AsyncIterator[Shifted]:
    path = state_dir / "shift"
    path.write_text("0")
    with running(ProctorServer(state_dir, opa_binary, prelude=_SHIFTED.format(path=str(path)))) as server:
        yield Shifted(server, subjects.register(server, "fraud"))


async def test_a_jump_in_either_direction_is_an_error_and_over_when_the_clock_is_right_again(shifted: Shifted) -> None:
    for seconds in (-3, 3, 3600, -3600, 43_200, -5):
        shifted.by(seconds)
        decision = await shifted.ask()
        assert (decision["outcome"], decision["reason"]) == ("error", "clock_jump"), f"{seconds} s: {decision}"
        status, reasons = await asyncio.to_thread(shifted.server.ready)
        assert status == 503, reasons
        shifted.by(0)
        assert (await shifted.ask())["reason"] == "compliant", f"after {seconds} s"


async def test_a_leap_second_passes_and_small_steps_do_not_add_up_unnoticed(shifted: Shifted) -> None:
    for seconds in (1.0, -1.0, 0.9, 1.8):
        shifted.by(seconds)
        assert (await shifted.ask())["reason"] == "compliant", seconds
    shifted.by(2.7)  # the third step of 0.9 s
    assert (await shifted.ask())["reason"] == "clock_jump"


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_a_jump_while_nothing_ran_is_found_by_the_first_decision(shifted: Shifted, seconds: int) -> None:
    assert (await shifted.ask())["reason"] == "compliant"
    await asyncio.to_thread(shifted.server.stop)
    shifted.by(seconds)
    await asyncio.to_thread(shifted.server.start)
    assert (await shifted.ask())["reason"] == "clock_jump"
    shifted.by(0)
    assert (await shifted.ask())["reason"] == "compliant"
    records.check_whole(shifted.server)
