"""A thousand callers at once: killed under them, stopped in order under them, or simply too many of them."""

import asyncio
import itertools
import os
import signal
import time
from pathlib import Path
from random import SystemRandom

import pytest

from tests.faults.conftest import Gate, bodies
from tests.live import records, subjects
from tests.live.load import crowd, pressing
from tests.live.server import ProctorServer, running

CALLERS = 1000
KILLS = 5


@pytest.mark.each_database
@pytest.mark.timeout(300)
async def test_a_thousand_callers_lose_no_allow_however_often_the_server_is_killed(gate: Gate) -> None:
    allowed = 0
    for _ in range(KILLS):
        async with pressing(gate.server.socket, gate.key, bodies(CALLERS)) as told:
            await told.hear(lambda: len(told.allowed) > 20)
            await asyncio.sleep(SystemRandom().uniform(0.0, 1.5))
            gate.server.kill()
        assert told.unanswered >= CALLERS // 2, "the crowd had gone before the kill"
        allowed += len(told.allowed)
        gate.server.start()
        records.check_nothing_lost(gate.server, told)
        records.check_whole(gate.server)
    assert allowed > 20 * KILLS
    assert (await gate.ask())["reason"] == "compliant"


@pytest.mark.timeout(120)
async def test_a_server_that_is_told_to_stop_hears_everybody_out(gate: Gate) -> None:
    """100 callers wait when SIGTERM comes: each gets a whole answer, and the allows among them are on disk."""
    server = gate.server
    for engine in server.engines():  # so that everybody is really under way when the signal comes
        signal.pidfd_send_signal(_pidfd(engine), signal.SIGSTOP)
    asking = asyncio.create_task(crowd(server.socket, gate.key, bodies(100)))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    for engine in server.engines():
        signal.pidfd_send_signal(_pidfd(engine), signal.SIGCONT)
    told = await asking
    assert await asyncio.to_thread(server.wait) == 0, server.tail()
    took = time.monotonic() - began
    assert (len(told.decisions), told.unanswered, told.other) == (100, 0, []), server.tail()
    assert told.reasons["compliant"] >= 50, told.reasons
    assert took < 15, f"it took {took:.1f} s to stop"
    records.check_nothing_lost(server, told)
    signed = records.check_whole(server)
    size = len(records.decisions(server))
    assert size == 100
    assert " 0 problems" in signed
    assert not (server.state_dir / "run" / "server.json").exists()


async def test_more_than_may_wait_are_refused_at_once_and_nobody_is_let_through(
    state_dir: Path, opa_binary: Path
) -> None:
    limit = 50
    with running(ProctorServer(state_dir, opa_binary, {"server": {"max_waiting": limit}})) as server:
        gate = Gate(server, subjects.register(server, "fraud"))
        (engine,) = server.engines()
        stopped = _pidfd(engine)
        signal.pidfd_send_signal(stopped, signal.SIGSTOP)
        asking = asyncio.create_task(gate.crowd(limit * 4))
        await asyncio.sleep(1.0)
        signal.pidfd_send_signal(stopped, signal.SIGCONT)
        told = await asking
        assert (len(told.decisions), told.other) == (limit * 4, [])
        assert told.reasons["overloaded"] >= limit * 3 - 5, told.reasons
        assert {decision["outcome"] for decision in told.decisions if decision["reason"] == "overloaded"} == {"error"}
        assert told.reasons["compliant"] > 0, "those who were let in first are answered"
        assert (await gate.ask())["reason"] == "compliant", "it serves again as soon as the crowd is gone"
        records.check_nothing_lost(server, told)
        records.check_whole(server)


@pytest.mark.timeout(180)
async def test_overload_keeps_memory_bounded_and_ends_with_the_crowd(gate: Gate) -> None:
    """Wave after wave of a thousand: the second half may not need noticeably more memory than the first."""
    peaks = []
    for _ in range(3):
        async with pressing(gate.server.socket, gate.key, bodies(CALLERS)) as told:
            peak = 0
            for _tick in range(40):
                await asyncio.sleep(0.1)
                peak = max(peak, gate.server.rss())
        peaks.append(peak)
        assert set(told.reasons) <= {
            "compliant", "overloaded", "engine_timeout", "deadline_exceeded", "ledger_unavailable"
        }, told.reasons  # fmt: skip
        assert told.other == []
        assert told.slowest < 3.0 + 1.5, f"somebody waited {told.slowest:.1f} s on a budget of 3 s"
        records.check_nothing_lost(gate.server, told)
    assert (await gate.ask())["reason"] == "compliant"
    growth = [later - earlier for earlier, later in itertools.pairwise(peaks)]
    assert max(peaks) < 400 << 20, f"{[peak >> 20 for peak in peaks]} MiB"
    assert growth[-1] < 40 << 20, f"{[peak >> 20 for peak in peaks]} MiB: it grows from wave to wave"
    records.check_whole(gate.server)


def _pidfd(pid: int) -> int:
    return os.pidfd_open(pid)
