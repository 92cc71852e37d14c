"""A socket that passes for OPA: relays to a real one, and lies about decisions when it is told to."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proctor.opa import binary

Lie = Callable[["Liar", bytes, asyncio.StreamWriter], Awaitable[None]]
"""Gets the whole request as it came, and writes what it wants; the connection is closed afterwards."""


class Liar:
    """`lie` is told to whoever asks for a decision; None relays. The status report is always a fresh one of ours."""

    def __init__(self, path: Path, real: Path) -> None:
        self.path = path
        self.real = real
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.StreamWriter] = set()
        self.lie: Lie | None = None
        self.asked = 0
        """How often a decision was asked for."""

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._talk, self.path)

    async def close(self) -> None:
        """Stop listening, hang up on everybody and remove the socket."""
        if self._server is not None:
            self._server.close()
            for writer in self._talks:
                writer.close()
            await self._server.wait_closed()
            self._server = None
        self.path.unlink(missing_ok=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = head + await reader.readexactly(_length(head))
                target = head.split()[1]
                if target == b"/v1/status":
                    writer.write(reply(_status()))
                elif target.startswith(b"/v1/data/governance/main/decision"):
                    self.asked += 1
                    # The canary asks with an empty input; a liar who is found out before anybody asks is no test.
                    if self.lie is not None and not request.endswith(b'{"input":{}}'):
                        await self.lie(self, request, writer)
                        return
                    writer.write(await self.truth(request))
                else:
                    writer.write(await self.truth(request))
                await writer.drain()
        except (EOFError, OSError):
            pass  # whoever asked has hung up
        finally:
            self._talks.discard(writer)
            writer.close()

    async def truth(self, request: bytes) -> bytes:
        """Return what the real OPA answers, its body in one piece with a length."""
        reader, writer = await asyncio.open_unix_connection(self.real)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await _chunks(reader) if b"chunked" in head.lower() else await reader.readexactly(_length(head))
        finally:
            writer.close()
        return reply(body, status=int(head.split()[1]))


def reply(body: bytes, *, status: int = 200, kind: str = "application/json", headers: str = "") -> bytes:
    """Return a whole HTTP reply."""
    return (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def says(raw: bytes) -> Lie:
    """Return the lie that writes `raw` and hangs up."""

    async def lie(_: Liar, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return lie


def twists(change: Callable[[dict[str, Any]], object]) -> Lie:
    """Return the lie that changes the real verdict in place."""

    async def lie(liar: Liar, request: bytes, writer: asyncio.StreamWriter) -> None:
        document = json.loads((await liar.truth(request)).partition(b"\r\n\r\n")[2])
        change(document["result"])
        writer.write(reply(json.dumps(document).encode()))
        await writer.drain()

    return lie


async def hangs(_: Liar, __: bytes, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the caller hangs up."""
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def drips(_: Liar, __: bytes, writer: asyncio.StreamWriter) -> None:
    """Send a valid beginning, and then a byte now and then: each is news, and the whole never comes."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.02)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def _status() -> bytes:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    document = {"labels": {"version": binary.SUPPORTED[0]}, "bundles": {"proctor": {"last_successful_request": now}}}
    return json.dumps({"result": document}).encode()
