"""Every way in which an OPA can fail to answer, played by a scripted server: one hit, one honest error, in time.

This is the gate for an upgrade of the client library or of aiohttp (docs/adr/0004).
"""

import asyncio
import contextlib
import gzip
import json
import re
import socket
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.errors import OpaError, SettingsError
from proctor.opa import client as clients
from proctor.opa.client import Address, OpaClient, verdict
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.vocabulary.canonical import JSON, canonical
from proctor.vocabulary.reasons import Reason
from tests.contract.opa.scripted import (
    ALLOW,
    Behaviour,
    Connection,
    Scripted,
    answer,
    answer_and_close,
    answer_and_hang,
    answer_and_reset,
    chunk,
    drip,
    endless,
    head,
    reply,
    scripted,
)

SOON = 5.0
SHORT = 0.25
"""Deadline of the calls that are meant to miss it."""
INPUT = b'{"schema":"proctor/input/v1"}'
CHUNKED = head(transfer_encoding="chunked")
OPA_ERROR = json.dumps(
    {"code": "internal_error", "message": "error(s) occurred", "errors": [{"message": "div by zero\x1b[2J"}]}
).encode()
DEEP = b'{"result":' + b"[" * 5000 + b"]" * 5000 + b"}"


async def ask(address: str, seconds: float = SOON, input_bytes: bytes = INPUT, **options: Any) -> Any:
    """Ask once, on a session of its own."""
    client = OpaClient(Address.parse(address), 4, options.pop("token", None))
    await client.open()
    try:
        deadline = asyncio.get_running_loop().time() + seconds
        return await client.query(ENTRYPOINT_DECISION, input_bytes, deadline, **options)
    finally:
        await client.close()


async def refused(address: str, seconds: float = SOON, **options: Any) -> OpaError:
    """Ask once, and return the error that must come, within the deadline."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(OpaError) as caught:
        await ask(address, seconds, **options)
    assert loop.time() - began < max(seconds, 0) + 0.5
    assert caught.value.tried
    assert caught.value.found
    assert str(caught.value).isprintable(), "what comes from outside ends in terminals and logs"
    assert len(str(caught.value)) < 1500
    return caught.value


# --- The table: one row, one reason, one hit -------------------------------------------------------------------------

WRONG: dict[str, tuple[Behaviour, Reason, str]] = {
    "closed before a reply": (answer_and_close(b""), Reason.ENGINE_DROPPED, "closed the connection before a reply"),
    "reset before a reply": (answer_and_reset(b""), Reason.ENGINE_DROPPED, "before a reply"),
    "cut in the status line": (answer_and_close(b"HTTP/1.1 2"), Reason.ENGINE_DROPPED, "before a reply"),
    "cut in the headers": (answer_and_close(head()[:-4]), Reason.ENGINE_DROPPED, "before a reply"),
    "reset in the headers": (answer_and_reset(head()[:-4]), Reason.ENGINE_DROPPED, "before a reply"),
    "body shorter than its length": (
        answer_and_close(reply(content_length="31")), Reason.ENGINE_HALF_REPLY, "the reply was cut"),
    "body reset": (answer_and_reset(reply(content_length="4000")), Reason.ENGINE_HALF_REPLY, "the reply was cut"),
    "body longer than its length": (
        answer_and_close(reply(content_length=str(len(ALLOW) - 1))), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "length zero before a body": (
        answer_and_close(reply(content_length="0")), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "negative length": (answer_and_close(reply(content_length="-1")), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "length that is no number": (
        answer_and_close(reply(content_length="0x1e")), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "chunked and cut in a chunk": (
        answer_and_close(CHUNKED + chunk(ALLOW)[:-6]), Reason.ENGINE_HALF_REPLY, "the reply was cut"),
    "chunked and cut between chunks": (
        answer_and_close(CHUNKED + chunk(ALLOW)), Reason.ENGINE_HALF_REPLY, "the reply was cut"),
    "chunked without the last line": (
        answer_and_close(CHUNKED + chunk(ALLOW) + b"0\r\n"), Reason.ENGINE_HALF_REPLY, "the reply was cut"),
    "chunk size that is no number": (
        answer_and_close(CHUNKED + b"zz\r\n" + ALLOW), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "neither length nor chunking": (
        answer_and_close(head() + ALLOW), Reason.ENGINE_HALF_REPLY, "neither a length nor chunking"),
    "HTTP/1.0, ends with the connection": (
        answer_and_close(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + ALLOW),
        Reason.ENGINE_HALF_REPLY, "neither a length nor chunking"),
    "endless chunks": (
        endless(CHUNKED, chunk(b" " * 65536)), Reason.ENGINE_BAD_SHAPE, f"larger than {clients.MAX_REPLY} bytes"),
    "endless length": (
        endless(head(content_length=str(1 << 40)), b" " * 65536),
        Reason.ENGINE_BAD_SHAPE, f"larger than {clients.MAX_REPLY} bytes"),
    "endless error": (
        endless(head("500 Internal Server Error", transfer_encoding="chunked"), chunk(b" " * 65536)),
        Reason.ENGINE_BAD_STATUS, "HTTP 500"),
    "not HTTP": (answer_and_close(b"SSH-2.0-OpenSSH_9.6\r\n"), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "TLS alert": (answer_and_close(b"\x15\x03\x01\x00\x02\x02\x46"), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "a header without end": (
        answer_and_close(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000), Reason.ENGINE_NOT_HTTP, "does not speak HTTP"),
    "HTML": (
        answer(reply(b"<h1>Welcome</h1>", content_type="text/html")), Reason.ENGINE_NOT_JSON, "text/html"),
    "JSON as text": (answer(reply(content_type="text/plain")), Reason.ENGINE_NOT_JSON, "text/plain"),
    "no content type": (
        answer(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" + ALLOW), Reason.ENGINE_NOT_JSON, "octet-stream"),
    "empty body": (answer(reply(b"")), Reason.ENGINE_NOT_JSON, "empty"),
    "half a document": (answer(reply(ALLOW[:-1])), Reason.ENGINE_NOT_JSON, "no JSON"),
    "two documents": (answer(reply(ALLOW + ALLOW)), Reason.ENGINE_NOT_JSON, "no JSON"),
    "NaN": (answer(reply(b'{"result":{"x":NaN}}')), Reason.ENGINE_NOT_JSON, "no JSON"),
    "Infinity": (answer(reply(b'{"result":{"x":-Infinity}}')), Reason.ENGINE_NOT_JSON, "no JSON"),
    "not UTF-8": (answer(reply(b'{"result":"\xff"}')), Reason.ENGINE_NOT_JSON, "no JSON"),
    "a lone surrogate": (answer(reply(b'{"result":{"x":"\\ud800"}}')), Reason.ENGINE_NOT_JSON, "no JSON"),
    "UTF-16": (
        answer(reply(ALLOW.decode().encode("utf-16"), content_type="application/json; charset=utf-16")),
        Reason.ENGINE_NOT_JSON, "no JSON"),
    "too deep": (answer(reply(DEEP)), Reason.ENGINE_NOT_JSON, "no JSON"),
    "gzip that was not asked for": (
        answer(reply(gzip.compress(ALLOW), content_encoding="gzip")), Reason.ENGINE_NOT_JSON, "compressed"),
    "a list": (answer(reply(b"[]")), Reason.ENGINE_BAD_SHAPE, "list"),
    "null": (answer(reply(b"null")), Reason.ENGINE_BAD_SHAPE, "NoneType"),
    "true": (answer(reply(b"true")), Reason.ENGINE_BAD_SHAPE, "bool"),
    "undefined": (answer(reply(b"{}")), Reason.ENGINE_UNDEFINED, "no result"),
    "undefined, with metrics": (answer(reply(b'{"metrics":{},"Result":1}')), Reason.ENGINE_UNDEFINED, "no result"),
    "a warning": (
        answer(reply(b'{"result":{"outcome":"allow"},"warning":{"code":"api_usage_warning"}}')),
        Reason.ENGINE_WARNING, "api_usage_warning"),
    "a warning that is null": (
        answer(reply(b'{"result":{"outcome":"allow"},"warning":null}')), Reason.ENGINE_WARNING, "warning"),
    "204": (answer(b"HTTP/1.1 204 No Content\r\n\r\n"), Reason.ENGINE_BAD_STATUS, "HTTP 204"),
    "206": (answer(reply(status="206 Partial Content")), Reason.ENGINE_BAD_STATUS, "HTTP 206"),
    "301": (
        answer(reply(b"", "301 Moved Permanently", location="/v1/data")), Reason.ENGINE_BAD_STATUS, "HTTP 301"),
    "304": (answer(b"HTTP/1.1 304 Not Modified\r\n\r\n"), Reason.ENGINE_BAD_STATUS, "HTTP 304"),
    "307": (answer(reply(b"", "307 Temporary Redirect", location="/")), Reason.ENGINE_BAD_STATUS, "HTTP 307"),
    "101": (
        answer(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
        Reason.ENGINE_BAD_STATUS, "HTTP 101"),
    "400": (
        answer(reply(b'{"code":"invalid_parameter","message":"body"}', "400 Bad Request")),
        Reason.ENGINE_BAD_STATUS, "invalid_parameter"),
    "401": (
        answer(reply(b'{"code":"unauthorized","message":"request rejected"}', "401 Unauthorized")),
        Reason.ENGINE_CALL_REFUSED, "request rejected"),
    "403": (answer(reply(b"go away", "403 Forbidden", "text/plain")), Reason.ENGINE_CALL_REFUSED, "go away"),
    "404": (answer(reply(b"{}", "404 Not Found")), Reason.ENGINE_BAD_STATUS, "HTTP 404"),
    "429": (answer(reply(b"", "429 Too Many Requests", retry_after="1")), Reason.ENGINE_BAD_STATUS, "HTTP 429"),
    "500 with OPA's error": (
        answer(reply(OPA_ERROR, "500 Internal Server Error")), Reason.ENGINE_EVALUATION_FAILED, "div by zero"),
    "500 with an allow": (answer(reply(ALLOW, "500 Internal Server Error")), Reason.ENGINE_BAD_STATUS, "HTTP 500"),
    "500 without a word": (
        answer(reply(b"", "500 Internal Server Error")), Reason.ENGINE_BAD_STATUS, "HTTP 500: empty"),
    "500 in HTML": (
        answer(reply(b"<html>oops</html>", "500 Internal Server Error", "text/html")),
        Reason.ENGINE_BAD_STATUS, "oops"),
    "502 that ends with the connection": (
        answer_and_close(b"HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>nginx</h1>"),
        Reason.ENGINE_BAD_STATUS, "HTTP 502"),
    "503": (answer(reply(ALLOW, "503 Service Unavailable")), Reason.ENGINE_BAD_STATUS, "HTTP 503"),
    "error cut": (
        answer_and_close(reply(OPA_ERROR, "500 Internal Server Error", content_length="4000")),
        Reason.ENGINE_HALF_REPLY, "the reply was cut"),
}  # fmt: skip
LATE: dict[str, Behaviour] = {
    "hang before the head": answer_and_hang(b""),
    "hang in the head": answer_and_hang(head()[:-2]),
    "hang after the head": answer_and_hang(head(content_length="30")),
    "hang in the body": answer_and_hang(head(content_length="30") + ALLOW[:-1]),
    "hang in a chunk": answer_and_hang(CHUNKED + chunk(ALLOW)),
    "drip": drip(reply(), 0.02),
    "drip in the head": drip(head() + b"X-A: b\r\n" * 1000, 0.01),
    "endless 100 Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("row", WRONG)
async def test_what_is_not_an_answer_is_an_error_of_its_own_kind_after_one_hit(row: str, state_dir: Path) -> None:
    behaviour, reason, found = WRONG[row]
    async with scripted(behaviour, state_dir / "opa.sock") as server:
        error = await refused(server.address)
        assert (error.reason, server.hits) == (reason, 1), str(error)
        assert found in error.found


@pytest.mark.parametrize("row", LATE)
async def test_what_does_not_come_in_time_is_a_timeout_after_one_hit(row: str, state_dir: Path) -> None:
    async with scripted(LATE[row], state_dir / "opa.sock") as server:
        error = await refused(server.address, SHORT)
        assert (error.reason, server.hits) == (Reason.ENGINE_TIMEOUT, 1)
        assert "no whole answer within the deadline" in error.found


async def test_a_body_that_is_never_taken_is_a_timeout(state_dir: Path) -> None:
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _, writer: writers.append(writer), state_dir / "opa.sock")
    body = b'"' + b"a" * (8 * 1024 * 1024) + b'"'
    error = await refused(f"unix://{state_dir / 'opa.sock'}", SHORT, input_bytes=body)
    assert error.reason is Reason.ENGINE_TIMEOUT
    server.close()
    for writer in writers:
        writer.transport.abort()
    await settled()


async def test_a_deadline_that_has_passed_sends_nothing(state_dir: Path) -> None:
    async with scripted(answer(reply()), state_dir / "opa.sock") as server:
        error = await refused(server.address, -1.0)
        assert (error.reason, server.hits) == (Reason.ENGINE_TIMEOUT, 0)


@pytest.mark.parametrize("place", ["missing", "stale", "directory", "file", "too long", "no such folder", "denied"])
async def test_a_socket_that_is_none_is_unavailable(place: str, state_dir: Path) -> None:
    path = state_dir / "opa.sock"
    if place == "stale":
        with socket.socket(socket.AF_UNIX) as former:
            former.bind(str(path))
    elif place == "directory":
        path.mkdir()
    elif place == "file":
        path.touch()
    elif place == "too long":
        path = state_dir / ("x" * 120)
    elif place == "no such folder":
        path = state_dir / "a" / "b"
    elif place == "denied":
        path = Path("/proc/1/mem")
    error = await refused(f"unix://{path}")
    assert error.reason is Reason.ENGINE_UNAVAILABLE
    assert str(path) in str(error)
    assert "start it" in error.remedy


async def test_a_port_on_which_nobody_listens_is_unavailable() -> None:
    async with scripted(answer(reply())) as server:
        address = server.address
    error = await refused(address)
    assert error.reason is Reason.ENGINE_UNAVAILABLE


async def test_a_reset_over_tcp_is_dropped_or_half_a_reply() -> None:
    for raw, reason in ((b"", Reason.ENGINE_DROPPED), (reply(content_length="4000"), Reason.ENGINE_HALF_REPLY)):
        async with scripted(answer_and_reset(raw)) as server:
            error = await refused(server.address)
            assert (error.reason, server.hits) == (reason, 1)


# --- What is an answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        reply(),
        CHUNKED + chunk(ALLOW) + chunk(b"")[:-2] + b"\r\n",
        CHUNKED + b"".join(chunk(ALLOW[n : n + 1]) for n in range(len(ALLOW))) + b"0\r\n\r\n",
        reply(content_type="application/json; charset=utf-8"),
        reply(b'{"result":{"outcome":"allow"},"decision_id":"x","metrics":{}}'),
        b"HTTP/1.1 100 Continue\r\n\r\n" + reply(),
    ],
)
async def test_a_whole_reply_is_an_answer(raw: bytes, state_dir: Path) -> None:
    async with scripted(answer(raw), state_dir / "opa.sock") as server:
        assert await ask(server.address) == {"outcome": "allow"}
        assert server.hits == 1


async def test_a_reply_that_drips_in_time_is_an_answer(state_dir: Path) -> None:
    async with scripted(drip(reply(), 0.001), state_dir / "opa.sock") as server:
        assert await ask(server.address) == {"outcome": "allow"}


@pytest.mark.parametrize("result", [None, [], "allow", 1, True])
async def test_a_result_that_is_no_object_is_no_verdict(result: Any, state_dir: Path) -> None:
    async with scripted(answer(reply(json.dumps({"result": result}).encode())), state_dir / "opa.sock") as server:
        found = await ask(server.address)
        with pytest.raises(OpaError) as caught:
            verdict("asking", found)
        assert caught.value.reason is Reason.ENGINE_BAD_SHAPE


async def test_the_largest_reply_is_taken_and_one_byte_more_is_not(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MAX_REPLY", len(ALLOW))
    async with scripted(answer(reply()), state_dir / "opa.sock") as server:
        assert await ask(server.address) == {"outcome": "allow"}
        server.behaviour = answer(reply(ALLOW + b" "))
        assert (await refused(server.address)).reason is Reason.ENGINE_BAD_SHAPE


# --- What is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", ["unix", "tcp"])
async def test_the_bytes_on_the_wire_are_the_canonical_ones(over: str, state_dir: Path) -> None:
    document: JSON = {"ä": 1.0, "b": "\u2028</script>é😀", "list": [1e21, 0.000001, -0.0, True, None, {}]}
    path = state_dir / "opa.sock" if over == "unix" else None
    async with scripted(answer(reply()), path) as server:
        await ask(server.address, input_bytes=canonical(document))
        (request,) = server.requests
    assert request.body == b'{"input":' + canonical(document) + b"}"
    assert request.lines[0] == f"POST /v1/data/{ENTRYPOINT_DECISION}?strict-builtin-errors=true HTTP/1.1"
    assert set(request.headers) == {
        "host", "accept", "accept-encoding", "content-type", "content-length", "user-agent"
    }  # fmt: skip
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"


async def test_a_large_input_is_sent_unchanged_and_with_its_length(state_dir: Path) -> None:
    raw = canonical({"a": ["x" * 1000] * 3000})
    async with scripted(answer(reply()), state_dir / "opa.sock") as server:
        await ask(server.address, input_bytes=raw)
        assert server.requests[0].body == b'{"input":' + raw + b"}"


async def test_the_token_goes_with_every_call() -> None:
    async with scripted(answer(reply())) as server:
        await ask(server.address, token="s3cret")
        assert server.requests[0].headers["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_the_environment_sends_the_input_nowhere_else(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with scripted(answer(reply())) as proxy, scripted(answer(reply())) as server:
        monkeypatch.setenv(variable, proxy.address)
        await ask(server.address)
        assert (server.hits, proxy.hits) == (1, 0)


async def test_cookies_are_neither_kept_nor_sent(state_dir: Path) -> None:
    async with opened(answer(reply(set_cookie="a=b; Path=/")), state_dir) as (server, client):
        for _ in range(2):
            await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        assert "cookie" not in server.requests[1].headers


async def test_the_status_is_read_and_its_failures_are_told_apart(state_dir: Path) -> None:
    async with opened(answer(reply(b'{"result":{"labels":{}}}')), state_dir) as (server, client):
        assert await client.status(soon()) == {"labels": {}}
        assert server.requests[0].lines[0] == "GET /v1/status HTTP/1.1"
        for behaviour, reason in [
            (answer(reply(b'{"result":[]}')), Reason.ENGINE_BAD_SHAPE),
            (answer(reply(b'{"code":"unauthorized","message":"x"}', "401 Unauthorized")), Reason.ENGINE_CALL_REFUSED),
            (answer_and_hang(b""), Reason.ENGINE_TIMEOUT),
        ]:
            server.behaviour = behaviour
            with pytest.raises(OpaError) as caught:
                await client.status(soon(SHORT))
            assert caught.value.reason is reason


# --- Addresses and tokens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("unix:///run/opa.sock", "unix:///run/opa.sock"),
        ("http://127.0.0.1:8181", "http://127.0.0.1:8181"),
        ("http://127.0.0.1:8181/", "http://127.0.0.1:8181"),
        ("https://opa.example:8181/base/", "https://opa.example:8181/base"),
        ("http://[::1]:8181", "http://[::1]:8181"),
    ],
)
def test_an_address_is_written_as_people_write_it(text: str, written: str) -> None:
    assert str(Address.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "", "127.0.0.1:8181", "localhost:8181", "unix://run/opa.sock", "unix:run/opa.sock", "unix://", "/run/opa.sock",
        "unix:///run/opa.sock?x=1", "unix:///run/opa.sock#x", "unix:///run/\0opa.sock", "ftp://h/", "http://",
        "http:///v1", "http://h/?q=1", "http://h/#f", "http://h:99999", "http://h:x", "http://[::1", "http://a b/",
        "http://h/a b", "http://h\n.example", "http://user:pass@h/",
    ],
)  # fmt: skip
def test_an_address_that_means_nothing_is_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Address.parse(text)
    assert "http://127.0.0.1:8181 or unix:///run/opa.sock" in caught.value.remedy
    assert "pass" not in str(caught.value), "a password in a URL is not written into logs"


@pytest.mark.parametrize("token", ["", " ", "a\n", "a\r\nX-Y: z", "to ken", "é", "\0"])
async def test_a_token_that_is_none_is_a_wrong_setting(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        OpaClient(Address.parse("http://127.0.0.1:1"), 1, token)
    assert "PROCTOR_OPA_TOKEN" in str(caught.value)
    assert token.strip() == "" or token not in str(caught.value)


# --- One session -----------------------------------------------------------------------------------------------------


def soon(seconds: float = SOON) -> float:
    return asyncio.get_running_loop().time() + seconds


def opened(
    behaviour: Behaviour, folder: Path, in_flight: int = 4
) -> AbstractAsyncContextManager[tuple[Scripted, OpaClient]]:
    return _Opened(behaviour, folder / "opa.sock", in_flight)


class _Opened:
    def __init__(self, behaviour: Behaviour, path: Path, in_flight: int) -> None:
        self._server = scripted(behaviour, path)
        self._in_flight = in_flight

    async def __aenter__(self) -> tuple[Scripted, OpaClient]:
        server = await self._server.__aenter__()
        self._client = OpaClient(Address.parse(server.address), self._in_flight)
        await self._client.open()
        return server, self._client

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
        await self._server.__aexit__(None, None, None)


async def test_a_connection_closed_while_idle_costs_at_most_one_call(state_dir: Path) -> None:
    async with opened(answer(reply()), state_dir) as (server, client):
        await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        server.behaviour = answer_and_close(reply())
        await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        assert server.connections == 1
        server.behaviour = answer(reply())
        # Before this loop has heard of the end, the call goes into the dead connection: dropped, never sent again.
        dropped = 0
        try:
            await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        except OpaError as error:
            assert error.reason is Reason.ENGINE_DROPPED  # noqa: PT017 (either way is right; this one is told apart)
            dropped = 1
        assert await client.query(ENTRYPOINT_DECISION, INPUT, soon()) == {"outcome": "allow"}
        assert server.hits == 4 - dropped


async def test_a_call_into_a_dying_connection_is_dropped_and_not_sent_again(state_dir: Path) -> None:
    async with opened(answer(reply()), state_dir) as (server, client):
        await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        server.behaviour = answer_and_close(b"")
        with pytest.raises(OpaError) as caught:
            await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        assert (caught.value.reason, server.hits, server.connections) == (Reason.ENGINE_DROPPED, 2, 1)


@pytest.mark.parametrize("behaviour", [answer_and_hang(b""), answer_and_hang(head(content_length="30"))])
async def test_closing_the_session_ends_the_calls_under_way_with_an_error_of_ours(
    behaviour: Behaviour, state_dir: Path
) -> None:
    async with opened(behaviour, state_dir, in_flight=2) as (server, client):
        calls = [asyncio.create_task(client.query(ENTRYPOINT_DECISION, INPUT, soon())) for _ in range(4)]
        await settled()
        assert server.hits == 2
        await client.close()
        async with asyncio.timeout(1.0):
            found = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, OpaError) for error in found), found
        assert server.hits == 2
        with pytest.raises(OpaError, match="replaced or stopped"):
            await client.query(ENTRYPOINT_DECISION, INPUT, soon())


async def test_closing_the_session_ends_a_call_that_is_still_connecting() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # the queue of connections that wait for `accept` is full from the second on
            other = stack.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        client = OpaClient(Address.parse(f"http://127.0.0.1:{listener.getsockname()[1]}"), 1)
        await client.open()
        calls = [asyncio.create_task(client.query(ENTRYPOINT_DECISION, INPUT, soon())) for _ in range(2)]
        await settled()
        assert not any(call.done() for call in calls)
        await client.close()
        async with asyncio.timeout(1.0):
            found = await asyncio.gather(*calls, return_exceptions=True)
    assert [getattr(error, "reason", error) for error in found] == [Reason.ENGINE_UNAVAILABLE] * 2
    assert "replaced or stopped" in str(found)


async def test_a_client_that_is_not_open_says_so(state_dir: Path) -> None:
    client = OpaClient(Address.parse(f"unix://{state_dir / 'opa.sock'}"), 1)
    with pytest.raises(OpaError, match="session is closed"):
        await client.query(ENTRYPOINT_DECISION, INPUT, soon())
    await client.close()


class Turnstile:
    """Lets requests through one by one, in the order in which they came."""

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes, asyncio.Event]] = []
        self.came = asyncio.Event()
        self.most = 0
        self.inside = 0

    async def __call__(self, connection: Connection) -> None:
        go_on = asyncio.Event()
        self.waiting.append((connection.request.body, go_on))
        self.came.set()
        self.inside += 1
        self.most = max(self.most, self.inside)
        await go_on.wait()
        self.inside -= 1
        await connection.send(reply())

    async def next(self) -> bytes:
        while not self.waiting:
            self.came.clear()
            await self.came.wait()
        body, go_on = self.waiting.pop(0)
        go_on.set()
        return body


async def settled() -> None:
    """Let everything happen that can happen by itself."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_calls_are_bounded_and_served_first_come_first_served(state_dir: Path) -> None:
    turnstile = Turnstile()
    async with opened(turnstile, state_dir, in_flight=2) as (server, client):
        calls = []
        for number in range(8):
            calls.append(asyncio.create_task(client.query(ENTRYPOINT_DECISION, b"%d" % number, soon())))
            await asyncio.sleep(0)
        await settled()
        assert server.hits == 2, "the others wait here, not in OPA"
        order = []
        for _ in calls:
            order.append(await turnstile.next())
            await settled()
        await asyncio.gather(*calls)
        assert order == [b'{"input":%d}' % number for number in range(8)]
        assert turnstile.most == 2


async def test_a_canary_passes_those_who_wait(state_dir: Path) -> None:
    turnstile = Turnstile()
    async with opened(turnstile, state_dir, in_flight=1) as (server, client):
        calls = [asyncio.create_task(client.query(ENTRYPOINT_DECISION, b"1", soon())) for _ in range(3)]
        await settled()
        canary = asyncio.create_task(client.query(ENTRYPOINT_DECISION, b'"canary"', soon(), canary=True))
        await settled()
        assert [request.body for request in server.requests] == [b'{"input":1}', b'{"input":"canary"}']
        turnstile.waiting.reverse()
        await turnstile.next()
        await canary
        assert not any(call.done() for call in calls)
        for _ in calls:
            await turnstile.next()
            await settled()
        await asyncio.gather(*calls)


async def test_waiting_in_the_line_counts_into_the_deadline_and_says_so(state_dir: Path) -> None:
    turnstile = Turnstile()
    async with opened(turnstile, state_dir, in_flight=1) as (server, client):
        first = asyncio.create_task(client.query(ENTRYPOINT_DECISION, b"1", soon()))
        await settled()
        with pytest.raises(OpaError, match="other calls kept it busy") as caught:
            await client.query(ENTRYPOINT_DECISION, b"2", soon(SHORT))
        assert (caught.value.reason, server.hits) == (Reason.ENGINE_TIMEOUT, 1)
        await turnstile.next()
        await first


@pytest.mark.parametrize("how", ["cancelled while waiting", "cancelled while sent", "timed out"])
async def test_a_call_that_ends_early_gives_its_permit_back(how: str, state_dir: Path) -> None:
    async with opened(answer_and_hang(b""), state_dir, in_flight=1) as (server, client):
        first = asyncio.create_task(
            client.query(ENTRYPOINT_DECISION, b"1", soon(SHORT if how == "timed out" else SOON))
        )
        await settled()
        assert server.hits == 1
        if how == "cancelled while waiting":
            second = asyncio.create_task(client.query(ENTRYPOINT_DECISION, b"2", soon()))
            await settled()
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
        if how != "timed out":
            first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        server.behaviour = answer(reply())
        assert await client.query(ENTRYPOINT_DECISION, b"3", soon()) == {"outcome": "allow"}
        await client.idle()
        await settled()
        assert server.open == 1, "the connection of a call that ended early is closed: that is what frees OPA"


async def test_many_calls_and_many_early_ends_lose_no_permit(state_dir: Path) -> None:
    async with opened(answer(reply()), state_dir, in_flight=3) as (_, client):
        calls = [asyncio.create_task(client.query(ENTRYPOINT_DECISION, b"%d" % n, soon())) for n in range(300)]
        for number, call in enumerate(calls):
            if number % 3 == 0:
                await asyncio.sleep(0)
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert client._permits._value == 3
        await client.idle()


async def test_idle_waits_for_what_was_sent_and_for_what_waits(state_dir: Path) -> None:
    turnstile = Turnstile()
    async with opened(turnstile, state_dir, in_flight=1) as (_, client):
        await client.idle()
        calls = [asyncio.create_task(client.query(ENTRYPOINT_DECISION, b"1", soon())) for _ in range(2)]
        await settled()
        idle = asyncio.create_task(client.idle())
        await turnstile.next()
        await settled()
        assert not idle.done()
        await turnstile.next()
        await asyncio.gather(*calls)
        async with asyncio.timeout(1.0):
            await idle


async def test_only_an_answer_counts_as_a_sign_of_life(state_dir: Path) -> None:
    async with opened(answer(reply(b"{}")), state_dir) as (server, client):
        with pytest.raises(OpaError):
            await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        assert client.answered_at == float("-inf")
        server.behaviour = answer(reply())
        before = asyncio.get_running_loop().time()
        await client.query(ENTRYPOINT_DECISION, INPUT, soon())
        assert client.answered_at >= before


# --- Whatever comes back ---------------------------------------------------------------------------------------------


def honest(raw: bytes) -> Any:
    """Return the result that another reader of HTTP and JSON finds in `raw`: one that asks for less of the form."""
    found, body = re.split(rb"\r?\n\r?\n", raw.lstrip(b"\r\n"), maxsplit=1)
    assert re.match(rb"HTTP/1\.[01] 200[ \r\n]", found)
    if b"chunked" in found.lower():
        chunks = []
        while size := re.match(rb"([0-9a-fA-F]+)[^\n]*\n", body):
            start, length = size.end(), int(size[1], 16)
            chunks.append(body[start : start + length])
            body = re.sub(rb"^\r?\n", b"", body[start + length :])
        assert chunks[-1] == b"", "the last chunk says that the body is whole"
        body = b"".join(chunks)
    else:
        length_line = re.search(rb"\ncontent-length: *(\d+)", found, re.IGNORECASE)
        assert length_line
        assert len(body) >= int(length_line[1]), "nothing is missing"
        body = body[: int(length_line[1])]

    def no_number(text: str) -> Any:
        raise AssertionError(text)

    document = json.loads(body, parse_constant=no_number)
    assert "warning" not in document
    return document["result"]


def against(raws: st.SearchStrategy[bytes], examples: int) -> Callable[[], None]:
    """Return a test: every such reply, on one loop, gives our error or what `honest` finds."""

    def test() -> None:
        with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder, asyncio.Runner() as runner:

            async def once(raw: bytes) -> None:
                async with scripted(answer_and_close(raw), Path(folder) / "opa.sock") as server:
                    call = asyncio.create_task(ask(server.address, 10.0))
                    found: Any = (await asyncio.gather(call, return_exceptions=True))[0]
                    assert server.hits == 1
                    if isinstance(found, OpaError):
                        assert found.reason not in {Reason.ENGINE_TIMEOUT, Reason.ENGINE_UNAVAILABLE}
                        assert str(found).isprintable()
                    else:
                        assert found == honest(raw)

            @settings(max_examples=examples)
            @given(raws)
            def check(raw: bytes) -> None:
                coroutine: Coroutine[Any, Any, None] = once(raw)
                runner.run(coroutine)

            check()

    return test


def _changed(original: bytes) -> st.SearchStrategy[bytes]:
    """Return a good reply with a few bytes replaced, removed or added anywhere in it."""
    edit = st.tuples(st.integers(0, len(original)), st.integers(0, 3), st.binary(max_size=4))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        raw = original
        for place, removed, added in edits:
            raw = raw[:place] + added + raw[place + removed :]
        return raw

    return st.lists(edit, min_size=1, max_size=3).map(apply)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("result"), inner, max_size=3),
    max_leaves=8,
)
test_random_bytes_give_an_error_of_ours = against(st.binary(max_size=300), 40)
test_a_damaged_reply_gives_an_error_of_ours_or_the_truth = against(_changed(reply()), 150)
test_a_damaged_chunked_reply_gives_an_error_of_ours_or_the_truth = against(
    _changed(CHUNKED + chunk(ALLOW[:9]) + chunk(ALLOW[9:]) + b"0\r\n\r\n"), 150
)
test_any_document_gives_an_error_of_ours_or_the_truth = against(
    st.dictionaries(st.sampled_from(["result", "warning", "errors", "x"]), _json, max_size=3).map(
        lambda document: reply(json.dumps(document).encode())
    ),
    60,
)
test_any_status_but_200_is_an_error = against(
    st.integers(100, 999).filter(lambda status: status != 200).map(lambda status: reply(status=f"{status} Some")), 40
)
