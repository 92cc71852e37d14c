"""Reading a body: never more than the limit is kept, nobody is waited for beyond the deadline."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor import bodies
from proctor.bodies import read_body


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(0, 40))
def test_a_body_is_whole_or_its_beginning(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    assert asyncio.run(read_body(stream(*chunks), limit)) == (whole[:limit], len(whole) <= limit)


async def test_what_is_too_large_is_thrown_away_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_DRAINED", 10)
    left = stream(b"x" * 8, b"x" * 8, b"x" * 8, b"never read")
    assert await read_body(left, 4) == (b"xxxx", False)
    assert [chunk async for chunk in left] == [b"x" * 8, b"never read"]


async def test_a_body_that_drips_ends_at_the_deadline() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    loop = asyncio.get_running_loop()
    started = loop.time()
    raw, complete = await read_body(drip(), 100, started + 0.1)
    assert (complete, raw[:1]) == (False, b"x")
    assert loop.time() - started < 1
