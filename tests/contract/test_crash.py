"""kill -9 under load: no caller was told of an allow that the ledger does not hold, and no allow without OPA.

`make faults` does the same with a thousand callers, several times over, and breaks everything else too.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.live import records, subjects
from tests.live.load import crowd, pressing
from tests.live.server import ProctorServer, running

CALLERS = 64


@pytest.fixture
def server(state_dir: Path, opa_binary: Path) -> Iterator[ProctorServer]:
    with running(ProctorServer(state_dir, opa_binary)) as started:
        yield started


def _bodies(callers: int) -> list[bytes]:
    return [subjects.deployment("fraud", request_id=f"caller-{number}") for number in range(callers)]


@pytest.mark.each_database
async def test_no_answered_allow_is_lost_when_the_server_is_killed_under_load(server: ProctorServer) -> None:
    key = subjects.register(server, "fraud")
    async with pressing(server.socket, key, _bodies(CALLERS)) as told:
        await told.hear_more(CALLERS // 4)
        await asyncio.sleep(SystemRandom().uniform(0.1, 0.6))
        server.kill()
    assert len(told.allowed) >= CALLERS // 4, f"the load was none: {told.reasons} {server.tail()}"
    assert told.unanswered, "the server was killed after everybody had been answered: that proves nothing"

    server.start()
    assert records.check_nothing_lost(server, told) >= len(told.decisions)
    records.check_whole(server)
    answer = await crowd(server.socket, key, _bodies(1))
    assert answer.reasons == {"compliant": 1}, "it goes on with the state on which it was killed"


async def test_killed_opa_costs_refusals_and_nothing_else_and_comes_back_by_itself(server: ProctorServer) -> None:
    key = subjects.register(server, "fraud")
    async with pressing(server.socket, key, _bodies(16)) as told:
        await told.hear_more(16)
        for _ in range(3):
            (victim,) = server.engines()
            before = len(told.decisions)
            os.kill(victim, signal.SIGKILL)
            await told.hear(lambda since=before: "engine_unavailable" in told.since(since))
            await told.hear(lambda: told.decisions[-1]["outcome"] == "allow")
            await told.hear_more(16)
    assert not told.other
    assert not told.unanswered
    assert set(told.reasons) <= {"compliant", "engine_unavailable", "engine_dropped", "engine_half_reply"}
    assert all((told["reason"] == "compliant") is (told["outcome"] == "allow") for told in told.decisions)
    records.check_nothing_lost(server, told)


async def test_a_second_server_on_the_same_state_is_refused_and_the_first_serves_on(server: ProctorServer) -> None:
    second = server.command("serve")
    assert second.returncode == 3, second.stderr
    assert f"process {server.pid} holds it" in second.stderr
    key = subjects.register(server, "fraud")
    answer = await crowd(server.socket, key, _bodies(1))
    assert answer.reasons == {"compliant": 1}
