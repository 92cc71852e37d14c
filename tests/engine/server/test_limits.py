import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from proctor.errors import RefusedError
from proctor.server import limits
from proctor.server.limits import Buckets


def _request(*messages: dict[str, Any], headers: dict[str, str] | None = None) -> Request:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.sleep(3600)
        return left.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": raw, "query_string": b"", "server": ("h", 1)}
    return Request({**scope, "scheme": "http"}, receive)


def _chunk(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_of_exactly_the_limit_passes() -> None:
    assert await limits.body(_request(_chunk(b"ab", more=True), _chunk(b"cd")), 4) == b"abcd"


async def test_one_byte_more_does_not_whatever_was_declared() -> None:
    for headers in ({}, {"content-length": "1"}, {"content-length": "-5"}, {"content-length": "x"}):
        with pytest.raises(RefusedError) as refused:
            await limits.body(_request(_chunk(b"abc", more=True), _chunk(b"de"), headers=headers), 4)
        assert refused.value.code == "too_large"


async def test_a_slow_body_is_given_up() -> None:
    with pytest.raises(RefusedError) as refused:
        await limits.body(_request(_chunk(b"a", more=True)), 4, timeout=0.01)
    assert (refused.value.code, refused.value.status) == ("timed_out", 408)


async def test_a_client_that_left_is_no_answer() -> None:
    with pytest.raises(ClientDisconnect):
        await limits.body(_request(_chunk(b"a", more=True), {"type": "http.disconnect"}), 4)


async def test_the_last_resort_cuts_a_body_off() -> None:
    async def endless() -> dict[str, Any]:
        return _chunk(b"x" * 10, more=True)

    receive = limits.bounded(endless, 35)
    got = [(await receive())["type"] for _ in range(6)]
    assert got == ["http.request"] * 3 + ["http.disconnect"] * 3


def test_buckets_refill_and_are_apart() -> None:
    buckets = Buckets(2)
    assert [buckets.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert buckets.take("b", 0.0)
    assert not buckets.take("a", 0.4)
    assert buckets.take("a", 0.9)


def test_the_table_of_clients_is_bounded() -> None:
    buckets = Buckets(1, max_clients=50)
    for number in range(1000):
        buckets.take(f"client{number}", 0.0)
    assert len(buckets) == 50


@given(st.integers(1, 50), st.lists(st.floats(0, 0.2), max_size=200))
def test_nobody_gets_more_than_burst_and_rate(rate: int, steps: list[float]) -> None:
    buckets, now, taken = Buckets(rate), 0.0, 0
    for step in steps:
        now += step
        taken += buckets.take("a", now)
    assert taken <= rate + rate * now + 1e-6
