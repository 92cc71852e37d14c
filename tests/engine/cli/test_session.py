import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from proctor.cli import session
from proctor.errors import EngineError, RefusedError, SettingsError
from proctor.settings import Settings, load


@asynccontextmanager
async def _server(state_dir: Path, seen: list[bytes]) -> AsyncIterator[None]:
    """Serve, on the state directory's Unix socket, `{}` in answer to everything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # somebody only looked whether we listen
        writer.close()

    run = state_dir / "run"
    run.mkdir()
    server = await asyncio.start_unix_server(answer, run / "api.sock")
    (run / "server.json").write_text(json.dumps({"socket": str(run / "api.sock"), "pid": 1}))
    async with server:
        yield


def _settings(state_dir: Path) -> Settings:
    return load({"PROCTOR_STATE_DIR": str(state_dir)})


async def test_a_running_server_is_found_and_gets_the_key(state_dir: Path) -> None:
    seen: list[bytes] = []
    async with (
        _server(state_dir, seen),
        session.connect(_settings(state_dir), {"PROCTOR_API_KEY": "prk_x"}) as api,
    ):
        assert await api.get("/v1/models", limit=3, nothing=None) == {}
    assert seen[-1].startswith(b"GET /v1/models?limit=3 HTTP/1.1")
    assert b"authorization: bearer prk_x" in seen[-1].lower()


async def test_without_a_key_none_is_sent(state_dir: Path) -> None:
    seen: list[bytes] = []
    async with _server(state_dir, seen), session.connect(_settings(state_dir), {}) as api:
        await api.post("/v1/x")
    assert b"authorization" not in seen[-1].lower()


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"pid": 1}', '{"socket": 5}', '{"socket": "/nowhere/api.sock"}']
)
def test_what_a_dead_server_left_behind_is_no_server(state_dir: Path, content: str | None) -> None:
    (state_dir / "run").mkdir()
    if content is not None:
        (state_dir / "run" / "server.json").write_text(content)
    assert session.running_server(state_dir) is None


async def test_a_named_server_comes_first(state_dir: Path) -> None:
    async with (
        _server(state_dir, []),
        session.connect(_settings(state_dir), {"PROCTOR_URL": "https://proctor.example/"}) as api,
    ):
        assert api.reached == "https://proctor.example/"
        assert api.client.base_url.host == "proctor.example"


@pytest.mark.parametrize("url", ["proctor.example", "ftp://x", "unix:///x"])
async def test_a_url_that_is_none_is_refused(state_dir: Path, url: str) -> None:
    with pytest.raises(SettingsError):
        async with session.connect(_settings(state_dir), {"PROCTOR_URL": url}):
            pass


async def test_a_server_that_can_not_be_reached_is_an_engine_error() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail), base_url="http://x") as client:
        with pytest.raises(EngineError, match="connection refused"):
            await session.Session(client, "x").get("/v1/models")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RefusedError), (403, RefusedError), (499, RefusedError), (302, EngineError), (503, EngineError)],
)
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"code": 7, "found": null}', b"\xff"])
def test_any_refusal_becomes_an_error_of_ours(status: int, kind: type[Exception], body: bytes) -> None:
    error = session.refusal("trying", httpx.Response(status, content=body))
    assert type(error) is kind
    assert error.tried == "trying"
    assert error.found
