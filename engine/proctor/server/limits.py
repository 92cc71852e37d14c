"""Bounds on what callers without a credential can ask for, and on what anybody can send."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from proctor.errors import RefusedError

MAX_CLIENTS: Final = 10_000
BODY_TIMEOUT: Final = 30.0
"""Seconds for a whole body to arrive."""
SMALL_BODY: Final = 256 * 1024
"""Bytes of a body that is not a decision request: forms that people fill in."""

DRAINED: Final = 64 * 1024 * 1024
"""Bytes of a too large body that are read and thrown away: a client that still writes does not read the answer."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Buckets:
    """A token bucket for each client address: `rate` calls a second, bursts of as many.

    The table is bounded. The client that was seen least recently is forgotten first, which at worst gives it a full
    bucket again.
    """

    def __init__(self, rate: float, max_clients: int = MAX_CLIENTS) -> None:
        self._rate = rate
        self._burst = max(rate, 1.0)
        self._max_clients = max_clients
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._clients)

    def take(self, client: str, now: float) -> bool:
        """Take a token; tell whether there was one. `now` is in seconds of a monotonic clock."""
        tokens, since = self._clients.get(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1.0
        self._clients[client] = (tokens - 1.0 if allowed else tokens, now)
        self._clients.move_to_end(client)
        while len(self._clients) > self._max_clients:
            self._clients.popitem(last=False)
        return allowed


def bounded(receive: Receive, limit: int) -> Receive:
    """Return `receive`, which after `limit` bytes of the body says that the client is gone.

    The last resort behind the limits of the routes, for one that reads a body without a limit of its own.
    """
    seen = 0

    async def _receive() -> Message:
        nonlocal seen
        if seen > limit:
            return {"type": "http.disconnect"}
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > limit else message

    return _receive


async def body(request: Request, limit: int, timeout: float = BODY_TIMEOUT) -> bytes:  # noqa: ASYNC109 (of the body)
    """Return the whole body. Raises `RefusedError` (`too_large`, `timed_out`), and `ClientDisconnect`."""
    tried = f"reading the body of {request.method} {request.url.path}"
    found = bytearray()
    size = 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    found += chunk
                elif size > limit + DRAINED:
                    break
    except TimeoutError as error:
        raise RefusedError("timed_out", 408, tried, f"it did not arrive within {timeout} s", "Send it again") from error
    if size > limit:
        raise RefusedError("too_large", 413, tried, f"more than {limit} bytes", "Send less")
    return bytes(found)


__all__ = ["SMALL_BODY", "Buckets", "ClientDisconnect", "body", "bounded"]
