"""A server that plays one scripted behaviour to every request, counts the requests and keeps their bytes."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def lines(self) -> list[str]:
        return self.head.decode("latin-1").split("\r\n")

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.partition(":") for line in self.lines[1:] if line)
        return {name.lower(): value.strip() for name, _, value in pairs}


@dataclass
class Connection:
    """What a behaviour has in its hands: the request that came, and the way back."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class Scripted:
    """The running server. `behaviour` may be replaced while it runs."""

    behaviour: Behaviour
    address: str
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    @property
    def hits(self) -> int:
        return len(self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head, b"")
                body = await reader.readexactly(int(request.headers.get("content-length", "0")))
                request = Request(head, body)
                self.requests.append(request)
                await self.behaviour(Connection(request, reader, writer))
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def scripted(behaviour: Behaviour, path: Path | None = None) -> AsyncIterator[Scripted]:
    """Serve `behaviour` on the Unix socket at `path`, or on a free TCP port of loopback."""
    found = Scripted(behaviour, "")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(found.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if path is not None:
        server = await asyncio.start_unix_server(accept, path)
        found.address = f"unix://{path}"
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        found.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))


# --- Replies ---------------------------------------------------------------------------------------------------------

ALLOW: Final = b'{"result":{"outcome":"allow"}}'


def reply(body: bytes = ALLOW, status: str = "200 OK", content_type: str = "application/json", **headers: str) -> bytes:
    """Return a whole HTTP/1.1 reply with its length."""
    return head(status, content_type, **{"content_length": str(len(body)), **headers}) + body


def head(status: str = "200 OK", content_type: str = "application/json", **headers: str) -> bytes:
    """Return a head; underscores in the names of headers become hyphens."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(body: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(body), body)


# --- Behaviours ------------------------------------------------------------------------------------------------------


def answer(raw: bytes) -> Behaviour:
    """Send these bytes and keep the connection."""

    async def play(connection: Connection) -> None:
        await connection.send(raw)

    return play


def answer_and_close(raw: bytes) -> Behaviour:
    """Send these bytes and close the connection."""

    async def play(connection: Connection) -> None:
        await connection.send(raw)
        connection.writer.close()

    return play


def answer_and_hang(raw: bytes) -> Behaviour:
    """Send these bytes, then nothing until the peer gives up."""

    async def play(connection: Connection) -> None:
        if raw:
            await connection.send(raw)
        assert await connection.reader.read(1) == b""

    return play


def answer_and_reset(raw: bytes) -> Behaviour:
    """Send these bytes and reset the connection (on a Unix socket: close it with bytes unread)."""

    async def play(connection: Connection) -> None:
        if raw:
            await connection.send(raw)
        found = connection.writer.get_extra_info("socket")
        if found.family != socket.AF_UNIX:
            # SO_LINGER with zero seconds makes close() send RST; socket(7).
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.writer.transport.abort()

    return play


def drip(raw: bytes, every: float) -> Behaviour:
    """Send these bytes one by one."""

    async def play(connection: Connection) -> None:
        for number in range(len(raw)):
            await connection.send(raw[number : number + 1])
            await asyncio.sleep(every)

    return play


def endless(start: bytes, block: bytes) -> Behaviour:
    """Send `start`, then `block` for ever, as fast as it is taken."""

    async def play(connection: Connection) -> None:
        await connection.send(start)
        while True:
            await connection.send(block)

    return play
