"""Alerts against a real HTTP receiver on loopback, which is slow, endless, rude or right."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proctor.alerts import delivery
from proctor.alerts.delivery import Delivery, Sink
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import Outbox, OutboxMessage
from proctor.ledger.records import Entry
from tests.engine.identity.stores import Stores, stores

SECRET = b"k" * 32
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """Reads requests byte by byte, as a stranger's server would, and answers as a test says."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.behaviours: list[Behaviour] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                raw = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
                raw = {name.lower(): value for name, value in raw.items()}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.got.append((raw, body))
                await (self.behaviours.pop(0) if self.behaviours else ok)(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def ok(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    await writer.drain()


async def redirect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def not_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()
    writer.close()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(100_000):
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


class Now(Clock):
    """A real clock that can be ahead."""

    ahead = 0.0

    def __init__(self) -> None:
        super().__init__(wall=lambda: time.time_ns() + int(self.ahead * 1e9))


@asynccontextmanager
async def running(state_dir: Path) -> AsyncIterator[tuple[Stores, Receiver, Delivery, Outbox, Now]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with stores(state_dir) as at:
        now = Now()
        outbox = Outbox(at.database, now)
        sinks = [Sink("pager", f"http://127.0.0.1:{port}/hook", SECRET)]
        deliverer = Delivery(outbox=outbox, sinks=sinks, now=now.now, jitter=lambda: 0.0)
        try:
            yield at, receiver, deliverer, outbox, now
        finally:
            await deliverer.close()
            server.close()


async def _put(at: Stores, key: str) -> None:
    body = b'{"id":"' + key.encode() + b'"}'
    message = OutboxMessage("pager", "proctor.decision.denied.v1", "x", body, key)
    await at.ledger.append(Entry("incident", key, {}), outbox=[message])


@pytest.fixture
async def world(state_dir: Path) -> AsyncIterator[tuple[Stores, Receiver, Delivery, Outbox, Now]]:
    async with running(state_dir) as found:
        yield found


World = tuple[Stores, Receiver, Delivery, Outbox, Now]


async def test_what_is_received_is_signed(world: World) -> None:
    at, receiver, deliverer, outbox, _ = world
    await _put(at, "dec_1")
    await deliverer.round()
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    assert body == b'{"id":"dec_1"}'
    assert await outbox.counts() == (0, 0)


@pytest.mark.parametrize("behaviour", [redirect, hang_up, not_http])
async def test_after_a_bad_answer_the_same_message_comes_again(world: World, behaviour: Behaviour) -> None:
    at, receiver, deliverer, outbox, now = world
    await _put(at, "dec_1")
    receiver.behaviours = [behaviour]
    await deliverer.round()
    assert await outbox.counts() == (1, 0)
    now.ahead = 3600
    await deliverer.round()
    assert await outbox.counts() == (0, 0)
    assert len(receiver.got) == 2
    assert len({(headers["webhook-id"], body) for headers, body in receiver.got}) == 1


@pytest.mark.parametrize("behaviour", [silent, drip])
async def test_a_slow_receiver_costs_one_time_limit(
    world: World, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT", 0.3)
    at, receiver, deliverer, outbox, _ = world
    for number in range(10):
        await _put(at, f"dec_{number}")
    receiver.behaviours = [behaviour] * 10
    started = time.monotonic()
    await deliverer.round()
    assert time.monotonic() - started < 1.5
    assert await outbox.counts() == (10, 0)


async def test_an_endless_answer_is_cut_off_and_counts_as_received(world: World) -> None:
    at, receiver, deliverer, outbox, _ = world
    await _put(at, "dec_1")
    receiver.behaviours = [endless]
    started = time.monotonic()
    await deliverer.round()
    assert time.monotonic() - started < 2
    assert await outbox.counts() == (0, 0)


async def test_a_stopped_delivery_goes_on_after_the_restart(world: World) -> None:
    at, receiver, deliverer, outbox, now = world
    await _put(at, "dec_1")
    receiver.behaviours = [silent]
    task = asyncio.create_task(deliverer.run())
    while not receiver.got:  # noqa: ASYNC110 (the receiver counts, and tells nobody)
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert await outbox.counts() == (1, 0)
    now.ahead = 120
    await deliverer.round()
    assert await outbox.counts() == (0, 0)
    assert [headers["webhook-id"] for headers, _ in receiver.got] == ["dec_1", "dec_1"]
