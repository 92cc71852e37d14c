"""Our own OPA, broken from outside: killed, stopped, its socket taken away. Refusals meanwhile, and it comes back."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Gate, bodies
from tests.live import records
from tests.live.load import Account, pressing
from tests.live.server import wait_for

BUDGET = 3.0
"""Seconds that a decision may take (`server.budget`)."""
SLACK = 1.0


def _in_time_and_honest(gate: Gate, told: Account, *reasons: str) -> None:
    assert not told.other
    assert not told.unanswered
    assert told.slowest < BUDGET + SLACK, f"somebody waited {told.slowest:.1f} s"
    assert set(told.reasons) <= {"compliant", *reasons}, told.reasons
    for decision in told.decisions:
        assert (decision["reason"] == "compliant") is (decision["outcome"] == "allow")
        assert decision["outcome"] == "allow" or decision["problems"], "every refusal has a line that explains it"
    records.check_nothing_lost(gate.server, told)


@pytest.mark.timeout(120)
async def test_opa_killed_again_and_again_lets_nobody_through_and_is_restarted(gate: Gate) -> None:
    async with pressing(gate.server.socket, gate.key, bodies(16)) as told:
        for _ in range(8):
            (victim,) = await _engine(gate)
            os.kill(victim, signal.SIGKILL)
            await told.hear_more(30)
        await told.hear(lambda: told.decisions[-1]["outcome"] == "allow", 30)
    assert told.reasons["engine_unavailable"], told.reasons
    _in_time_and_honest(gate, told, "engine_unavailable", "engine_dropped", "engine_half_reply")
    assert (await asyncio.to_thread(gate.server.ready))[0] == 200


async def test_a_stopped_opa_is_noticed_killed_and_replaced(gate: Gate) -> None:
    async with pressing(gate.server.socket, gate.key, bodies(4)) as told:
        await told.hear_more(4)
        (victim,) = await _engine(gate)
        os.kill(victim, signal.SIGSTOP)
        began = time.monotonic()
        before = len(told.decisions)
        await told.hear(lambda: "engine_timeout" in told.since(before) or "engine_dropped" in told.since(before), 20)
        await told.hear(lambda: told.decisions[-1]["outcome"] == "allow", 30)
        took = time.monotonic() - began
    assert victim not in await _engine(gate)
    assert took < 8, f"{took:.1f} s until it was replaced"
    _in_time_and_honest(gate, told, "engine_timeout", "engine_unavailable", "engine_dropped", "engine_half_reply")


@pytest.mark.timeout(90)
async def test_a_removed_socket_is_recovered_from(gate: Gate) -> None:
    """Connections that are open serve on; when they are gone, the child can't be reached any more, and is replaced."""
    await gate.ask()
    (victim,) = await _engine(gate)
    (socket,) = (gate.server.state_dir / "run").glob("opa-*.sock")
    socket.unlink()
    async with pressing(gate.server.socket, gate.key, bodies(32)) as told:
        await told.hear_more(200, 60)
    _in_time_and_honest(gate, told, "engine_unavailable", "engine_dropped", "engine_timeout", "overloaded")
    # Every connection to it is cut, as its idle time would do in a minute.
    os.kill(victim, signal.SIGSTOP)
    before = time.monotonic()
    while (decision := await gate.ask())["outcome"] != "allow":
        assert time.monotonic() - before < 20, decision["message"]
        await asyncio.sleep(0.1)
    assert victim not in await _engine(gate)


@pytest.mark.timeout(90)
async def test_a_liar_in_place_of_the_socket_is_never_believed_and_gets_replaced(gate: Gate) -> None:
    """Whoever can write into the private directory could be us; still, an answer that is no verdict allows nothing."""
    await gate.ask()
    (victim,) = await _engine(gate)
    (path,) = (gate.server.state_dir / "run").glob("opa-*.sock")
    path.unlink()
    body = b'{"result": {"outcome": "allow"}}'

    asked: list[bytes] = []

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_unix_server(lie, path)
    os.kill(victim, signal.SIGSTOP)  # the open connections of the real one answer nothing any more
    try:
        told = await gate.crowd(40)
        assert asked, "the liar got nobody's question"
        assert not told.allowed or victim not in gate.server.engines()
        _in_time_and_honest(
            gate, told, "engine_bad_shape", "engine_unavailable", "engine_dropped", "engine_timeout", "overloaded"
        )
        assert told.reasons.total() > told.reasons["compliant"]
        until = time.monotonic() + 20
        while (decision := await gate.ask())["outcome"] != "allow":
            assert time.monotonic() < until, f"{decision['message']} {gate.server.tail()}"
            await asyncio.sleep(0.5)
    finally:
        server.close()
    assert victim not in gate.server.engines()


async def test_an_opa_of_a_killed_server_dies_with_it_and_the_next_one_starts(gate: Gate) -> None:
    (orphan,) = await _engine(gate)
    gate.server.kill()
    await asyncio.to_thread(wait_for, lambda: not _alive(orphan), 5, lambda: "OPA outlives the server")
    await asyncio.to_thread(gate.server.start)
    assert (await gate.ask())["reason"] == "compliant"


async def _engine(gate: Gate) -> list[int]:
    until = time.monotonic() + 20
    while not (found := gate.server.engines()):
        assert time.monotonic() < until, gate.server.tail()
        await asyncio.sleep(0.01)
    return found


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
