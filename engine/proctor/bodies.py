"""Reads the bodies of requests for adapters: bounded in bytes, and in time where that is said."""

import asyncio
from collections.abc import AsyncIterable
from typing import Final

MAX_DRAINED: Final = 64 * 1024 * 1024
"""Bytes of a too large body that are read and thrown away, because a client that still writes reads no answer."""


async def read_body(chunks: AsyncIterable[bytes], limit: int, deadline: float | None = None) -> tuple[bytes, bool]:
    """Return a body, and whether it is whole: `limit` bytes are kept, none is waited for after `deadline` (loop time).

    Raises what the stream does where the client goes away.
    """
    raw, drained = bytearray(), 0
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in chunks:
                fitting = chunk[: limit - len(raw)]
                raw += fitting
                drained += len(chunk) - len(fitting)
                if drained > MAX_DRAINED:
                    break
    except TimeoutError:
        return bytes(raw), False
    return bytes(raw), drained == 0
