"""Many callers at once over a Unix socket, and an exact account of what each of them was told.

A caller counts as answered only when a whole reply with its stated length has arrived: half an allow is none.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

OK: Final = 200


class Caller:
    """One keep-alive connection. Raises `OSError` or `EOFError` when the server goes away."""

    def __init__(self, path: str, key: str) -> None:
        self._path = path
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: bytes, path: str = "/v1/decisions") -> tuple[int, bytes]:
        """Return status and body of one reply."""
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._path)
        reader, writer = self._streams
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: proctor\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next(int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:"))
        return int(head[0].split()[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass
class Account:
    """What a crowd was told."""

    decisions: list[dict[str, Any]] = field(default_factory=list)
    """Every decision in an answered call, in the order of arrival."""
    other: list[tuple[int, bytes]] = field(default_factory=list)
    """Answers that are no decision."""
    unanswered: int = 0
    """Calls that were sent and got no whole reply."""
    slowest: float = 0.0
    """Seconds that the slowest answered call took."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def allowed(self) -> set[str]:
        """Return the ids of the allows."""
        return {decision["id"] for decision in self.decisions if decision["outcome"] == "allow"}

    @property
    def reasons(self) -> Counter[str]:
        """Return how often each reason was given."""
        return Counter(decision["reason"] for decision in self.decisions)

    def note(self, status: int, raw: bytes, took: float) -> None:
        """Take down one answer."""
        self.slowest = max(self.slowest, took)
        if status == OK:
            self.decisions.append(json.loads(raw))
        else:
            self.other.append((status, raw))
        self._news.set()

    def since(self, position: int) -> "Counter[str]":
        """Return the reasons of the decisions from `position` on, such as an earlier length of `decisions`."""
        return Counter(decision["reason"] for decision in self.decisions[position:])

    async def hear(self, enough: Callable[[], bool], limit: float = 30.0) -> None:
        """Return as soon as `enough` is true, which is asked after every answer. Raises `TimeoutError`."""
        async with asyncio.timeout(limit):
            while not enough():
                self._news.clear()
                await self._news.wait()

    async def hear_more(self, decisions: int, limit: float = 30.0) -> None:
        """Return when as many decisions more have come."""
        wanted = len(self.decisions) + decisions
        await self.hear(lambda: len(self.decisions) >= wanted, limit)


async def crowd(
    path: str,
    key: str,
    bodies: Sequence[bytes],
    *,
    until: Callable[[], bool] | None = None,
    account: Account | None = None,
    pause: float = 0.0,
) -> Account:
    """Let one caller for each body ask at the same time; with `until`, each again and again until that is true.

    A caller whose connection breaks stops there when it asks once, and connects again when it goes on.
    """
    told = account if account is not None else Account()

    async def one(body: bytes) -> None:
        caller = Caller(path, key)
        try:
            while True:
                began = time.monotonic()
                try:
                    status, raw = await caller.ask(body)
                except (OSError, EOFError):
                    told.unanswered += 1
                    caller.close()
                    await asyncio.sleep(0.01)
                else:
                    told.note(status, raw, time.monotonic() - began)
                if until is None or until():
                    return
                await asyncio.sleep(pause)
        finally:
            caller.close()

    await asyncio.gather(*(one(body) for body in bodies))
    return told


@asynccontextmanager
async def pressing(path: str, key: str, bodies: Sequence[bytes], pause: float = 0.0) -> AsyncIterator[Account]:
    """Let the crowd ask again and again for as long as the block lasts; every call under way is heard out."""
    told, enough = Account(), asyncio.Event()
    asking = asyncio.create_task(crowd(path, key, bodies, until=enough.is_set, account=told, pause=pause))
    try:
        yield told
    finally:
        enough.set()
        await asking
