"""The one place that speaks to OPA: exactly our bytes, once, within a deadline; every failure becomes an `OpaError`.

opa-python-client's asynchronous client is subclassed for its session only (docs/adr/0004): its own query call writes
the input anew, retries, follows redirects and takes `{}` for an answer. tests/contract/opa/test_client.py plays every
breakage against it and counts the hits; that test is the gate for an upgrade of the library.
"""

import asyncio
import contextlib
import io
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from opa_client.opa_async import AsyncOpaClient  # type: ignore[import-untyped] # the library ships no types

from proctor.errors import OpaError, SettingsError
from proctor.vocabulary.reasons import Reason

MAX_REPLY: Final = 16 * 1024 * 1024
"""Bytes. The largest verdict measured, 1,402 findings, has less than 1 MiB; more than this is no verdict."""
_QUERY: Final = "?strict-builtin-errors=true"
"""A failing built-in is an error and not `undefined`. `system.authz` lets no other parameter through."""
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "proctor"}
"""OPA compresses what is larger than 1 KB, which costs a tenth of the throughput on a local socket."""
_MAX_ERROR: Final = 64 * 1024
"""Bytes that are read of a reply that is no answer, for its message."""
_LARGE: Final = 1 << 20
"""Bytes from which aiohttp asks for a file instead of bytes, so that it can write in pieces."""
_GONE: Final = "the session is closed: this OPA was replaced or stopped"
_DETAIL: Final = 500
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")
_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]*")
_TOKEN: Final = re.compile(r"[!-~]+")
"""What a header can carry as one word."""
_KEEP_ALIVE: Final = 60.0
_OK, _UNAUTHORISED, _FORBIDDEN, _FAILED = 200, 401, 403, 500


@dataclass(frozen=True, slots=True)
class Address:
    """Where an OPA listens: a Unix socket, or a base URL."""

    url: str
    socket: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `unix:///run/opa.sock`, `http://host:port` or `https://host:port`; raise `SettingsError` for others."""
        try:
            parts = urlsplit(text)
            port_is_one = parts.port is None or parts.port > 0
        except ValueError:
            raise _no_address(text) from None
        if parts.query or parts.fragment or "\0" in text or any(character in text for character in "\t\r\n"):
            raise _no_address(text)
        if parts.scheme == "unix" and text.startswith("unix:///") and parts.path != "/":
            return cls("http://opa", parts.path)
        # A user or password in the address would end in messages; `opa.token` is where a credential belongs.
        plain = "@" not in parts.netloc and _HOST.fullmatch(parts.hostname or "") and _PATH.fullmatch(parts.path)
        if parts.scheme in {"http", "https"} and plain and port_is_one:
            return cls(text.rstrip("/"))
        raise _no_address(text)

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"unix://{self.socket}" if self.socket else self.url


def _no_address(text: str) -> SettingsError:
    shown = repr(text.rpartition("@")[2])
    return SettingsError("reading the address of OPA", shown, "Write http://127.0.0.1:8181 or unix:///run/opa.sock")


class OpaClient(AsyncOpaClient):  # type: ignore[misc] # the library ships no types
    """One session to one OPA. It makes at most `in_flight` queries at a time, first come first served.

    Raises `SettingsError` for a token that no header can carry.
    """

    def __init__(self, address: Address, in_flight: int, token: str | None = None) -> None:
        super().__init__(retries=0)
        if token is not None and not _TOKEN.fullmatch(token):
            raise SettingsError(
                "reading the token for OPA", "it is empty, or has a blank, a line end or a letter that is not ASCII",
                "Set PROCTOR_OPA_TOKEN (or opa.token) to the token alone, or unset it",
            )  # fmt: skip
        self._address = address
        self._permits = asyncio.Semaphore(in_flight)
        self._authorisation = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self.answered_at = float("-inf")
        """Loop time of the newest answer, in seconds."""
        self._closed = False
        self._under_way: set[asyncio.Timeout] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def _init_session(self) -> None:
        # Without a limit of its own: the semaphore is the bound, and a canary must get past it.
        self._connector = (
            aiohttp.UnixConnector(path=self._address.socket, limit=0, keepalive_timeout=_KEEP_ALIVE)
            if self._address.socket
            else aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE)
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            headers={**_HEADERS, **self._authorisation},
            timeout=aiohttp.ClientTimeout(total=None),  # each call has its own deadline
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def open(self) -> None:
        """Make the session; nothing is sent."""
        self._closed = False
        await self._init_session()

    async def close(self) -> None:
        """End the session; calls under way fail with `OpaError`."""
        self._closed = True
        for timeout in self._under_way:
            # Closing alone leaves those waiting who are connecting, or have a head and no body yet.
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())
        await self.close_connection()

    async def idle(self) -> None:
        """Return as soon as no query waits or was sent."""
        await self._idle.wait()

    async def query(self, entrypoint: str, input_bytes: bytes, deadline: float, *, canary: bool = False) -> Any:
        """Return the `result` of `entrypoint` for these bytes. `deadline` is loop time; a canary waits for no permit.

        Raises `OpaError`. The query is sent once: an answer that did not come is not asked for again.
        """
        tried = f"asking OPA at {self._address} for {entrypoint}"
        body = b'{"input":' + input_bytes + b"}"
        line = contextlib.nullcontext() if canary else self._permits
        raw = await self._ask(tried, deadline, line, "POST", f"/v1/data/{entrypoint}{_QUERY}", body)
        result = _result(tried, raw)
        self.answered_at = asyncio.get_running_loop().time()
        return result

    async def status(self, deadline: float) -> Mapping[str, Any]:
        """Return OPA's own status report (`GET /v1/status`). Raises `OpaError`."""
        tried = f"asking OPA at {self._address} for its status"
        raw = await self._ask(tried, deadline, contextlib.nullcontext(), "GET", "/v1/status", None)
        return _object(tried, _result(tried, raw))

    async def _ask(self, tried: str, deadline: float, line: AbstractAsyncContextManager[None], *request: Any) -> bytes:
        """Wait in `line`, then make the call, all before `deadline` or until the session is closed."""
        timeout = asyncio.timeout_at(deadline)
        self._under_way.add(timeout)
        self._idle.clear()
        sent = False
        try:
            async with timeout, line:
                sent = True
                return await self._call(tried, *request)
        except TimeoutError as error:
            if self._closed:
                raise OpaError(tried, _GONE) from error
            found = "no whole answer within the deadline" if sent else "other calls kept it busy until the deadline"
            raise OpaError(tried, found, "Look at OPA's load, or raise opa.timeout", Reason.ENGINE_TIMEOUT) from error
        finally:
            self._under_way.discard(timeout)
            if not self._under_way:
                self._idle.set()

    async def _call(self, tried: str, method: str, path: str, body: bytes | None) -> bytes:
        session: aiohttp.ClientSession | None = self._session
        if session is None or session.closed:
            raise OpaError(tried, _GONE)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = io.BytesIO(body) if body is not None and len(body) >= _LARGE else body
        try:
            async with session.request(
                method, self._address.url + path, data=data, headers=headers, allow_redirects=False
            ) as response:
                raw = await _read(tried, response)
                _check_status(tried, response, raw)
                return raw
        except aiohttp.ClientConnectorError as error:
            remedy = "It restarts by itself if Proctor runs it; else start it"
            raise OpaError(tried, _text(error), remedy, Reason.ENGINE_UNAVAILABLE) from error
        except aiohttp.ClientPayloadError as error:
            raise OpaError(tried, f"the reply was cut: {_text(error)}", reason=Reason.ENGINE_HALF_REPLY) from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            found = f"it closed the connection before a reply: {_text(error)}"
            raise OpaError(tried, found, reason=Reason.ENGINE_DROPPED) from error
        except (aiohttp.ClientResponseError, aiohttp.http_exceptions.HttpProcessingError) as error:
            found = f"what listens there does not speak HTTP: {_text(error)}"
            raise OpaError(tried, found, "Is that an OPA?", Reason.ENGINE_NOT_HTTP) from error
        except aiohttp.ClientError as error:
            raise OpaError(tried, _text(error), reason=Reason.ENGINE_DROPPED) from error


async def _read(tried: str, response: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer, whole, or the beginning of any other.

    An answer without length and chunking ends wherever the connection does, so nothing proves that it is whole.
    """
    answer = response.status == _OK
    if (
        answer
        and response.content_length is None
        and response.headers.get("Transfer-Encoding", "").lower() != "chunked"
    ):
        raise OpaError(
            tried, "the reply carries neither a length nor chunking", "Is that an OPA?", Reason.ENGINE_HALF_REPLY
        )
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if not answer and len(found) > _MAX_ERROR:
            break
        if len(found) > MAX_REPLY:
            raise OpaError(tried, f"the reply is larger than {MAX_REPLY} bytes", reason=Reason.ENGINE_BAD_SHAPE)
    return bytes(found)


def _check_status(tried: str, response: aiohttp.ClientResponse, raw: bytes) -> None:
    status = response.status
    if status == _OK:
        if response.content_type != "application/json":
            found = f"the reply is {response.content_type!r:.80}: {_shown(raw)}"
            raise OpaError(tried, found, "Is that an OPA?", Reason.ENGINE_NOT_JSON)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise OpaError(tried, "the reply is compressed, which was not asked for", reason=Reason.ENGINE_NOT_JSON)
        return
    if status in {_UNAUTHORISED, _FORBIDDEN}:
        raise OpaError(
            tried, f"HTTP {status}: {_shown(raw)}", "Is this OPA's policy ours, and opa.token right?",
            Reason.ENGINE_CALL_REFUSED,
        )  # fmt: skip
    if status == _FAILED and (problem := _opa_problem(raw)):
        raise OpaError(tried, problem, "A rule or library raised an error", Reason.ENGINE_EVALUATION_FAILED)
    raise OpaError(tried, f"HTTP {status}: {_shown(raw)}", "Is that an OPA?", Reason.ENGINE_BAD_STATUS)


def _opa_problem(raw: bytes) -> str | None:
    """Return what OPA's error body says (`{code, message, errors}`), or None where it is no such body."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or "code" not in document or "message" not in document:
        return None
    errors = document.get("errors")
    lines = [f"{document['code']}: {document['message']}"]
    if isinstance(errors, list):
        lines += [str(error.get("message")) for error in errors[:3] if isinstance(error, dict)]
    return plain("; ".join(lines))


def _result(tried: str, raw: bytes) -> Any:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise OpaError(tried, f"the reply is no JSON: {_shown(raw)}", reason=Reason.ENGINE_NOT_JSON) from error
    document = _object(tried, document)
    if "warning" in document:
        found = plain(f"a warning: {document['warning']}")
        raise OpaError(tried, found, "OPA did not take the input for one", Reason.ENGINE_WARNING)
    if "result" not in document:
        raise OpaError(
            tried, "the reply has no result: the decision is undefined", "Is the policy in this OPA?",
            Reason.ENGINE_UNDEFINED,
        )  # fmt: skip
    return document["result"]


def _object(tried: str, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise OpaError(tried, f"the reply is a {type(document).__name__}", reason=Reason.ENGINE_BAD_SHAPE)
    return document


def verdict(tried: str, result: Any) -> dict[str, Any]:
    """Return a result that is an object; raise `OpaError` for any other."""
    if not isinstance(result, dict):
        raise OpaError(tried, f"the result is a {type(result).__name__}", reason=Reason.ENGINE_BAD_SHAPE)
    return result


def _shown(raw: bytes) -> str:
    return plain(raw[:_DETAIL].decode("utf-8", errors="replace")) or "empty"


def _text(error: Exception) -> str:
    return plain(f"{type(error).__name__}: {error}".rstrip(": "))


def plain(text: str) -> str:
    """Return `text` on one line and shortened, because it comes from outside and ends in messages and logs."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= _DETAIL else line[: _DETAIL - 3] + "..."
