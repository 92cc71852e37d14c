"""The server on real sockets: three listeners, bounds on what comes in, and an orderly end."""

import asyncio
import json
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from proctor.errors import StateError
from proctor.server import protocol, run, sockets
from proctor.settings import ServerSettings
from proctor.vocabulary.canonical import MAX_BYTES
from proctor.vocabulary.principal import Role
from tests.engine.server.harness import Harness, harness


@dataclass
class Running:
    api: Harness
    where: dict[str, Any]
    task: "asyncio.Task[None]"
    said: list[str]

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.where["url"], **options)

    def local(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=self.where["socket"]), base_url="http://proctor"
        )

    async def raw(self, sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(self.where["url"].rsplit(":", 1)[1]))
        try:
            writer.write(sent)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def running(state_dir: Path, **server: Any) -> AsyncIterator[Running]:
    async with harness(state_dir, port=0, operations_port=0, **server) as api:
        api.parts.admin_key = "prk_shownonce"
        run_dir = state_dir / "run"
        listeners = sockets.open_listeners(api.parts.settings.server, run_dir)
        said: list[str] = []
        task = asyncio.create_task(run._serve(api.parts, listeners, said.append))
        while sockets.read_server_file(run_dir) is None:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        found = sockets.read_server_file(run_dir)
        assert found is not None
        try:
            yield Running(api, dict(found), task, said)
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(task, 15)
            listeners.close()


@pytest.fixture
async def server(state_dir: Path) -> AsyncIterator[Running]:
    async with running(state_dir) as found:
        yield found


async def test_three_listeners_and_a_private_file_that_names_them(server: Running, state_dir: Path) -> None:
    assert server.where["pid"] == os.getpid()
    assert stat.S_IMODE((state_dir / "run" / "server.json").stat().st_mode) == 0o600
    async with server.client() as client:
        assert (await client.get("/v1/keys")).status_code == 401
    async with server.local() as client:
        assert (await client.get("/v1/keys")).status_code == 200
    async with httpx.AsyncClient(base_url=server.where["operations"]) as client:
        assert (await client.get("/health/ready")).json() == {"ready": True, "reasons": []}
    assert sum("prk_shownonce" in line for line in server.said) == 1
    assert server.api.parts.admin_key is None


async def test_nothing_that_tcp_says_makes_it_local(server: Running) -> None:
    async with server.client(headers={"X-Forwarded-For": "", "Forwarded": "for=unix:", "Host": "localhost"}) as client:
        assert (await client.get("/v1/keys")).status_code == 401


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_that_is_too_large_is_answered_and_the_connection_lives(server: Running, chunked: bool) -> None:
    await server.api.person("ada", Role.REQUESTER)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BYTES // 65536 + 2):
            yield b" " * 65536

    headers = {"Authorization": f"Bearer {server.api.keys['ada']}"}
    async with server.client(headers=headers) as client:
        body: Any = chunks() if chunked else b" " * (MAX_BYTES + 1)
        response = await client.post("/v1/decisions", content=body)
        assert (response.status_code, response.json()["outcome"]) == (200, "deny")
        assert (await client.get("/v1/policy")).status_code == 200
    ((raw, _),) = server.api.decisions.asked
    assert len(raw) == MAX_BYTES + 1


async def test_heads_are_bounded(server: Running) -> None:
    many = b"".join(b"x-header-%d: %s\r\n" % (number, b"v" * 1000) for number in range(200))
    assert await server.raw(b"GET /v1/policy HTTP/1.1\r\nhost: x\r\n" + many + b"\r\n") == b""
    assert await server.raw(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n") == b""
    async with server.client() as client:
        assert (await client.get("/v1/policy")).status_code == 401


async def test_slow_heads_are_given_up(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    assert await server.raw(b"GET /v1/policy HTTP/1.1\r\nhost: x\r\n") == b""
    assert await server.raw(b"") == b""


async def test_what_is_not_http_gets_no_traceback(server: Running) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00", b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        answer = await server.raw(sent)
        assert b"Traceback" not in answer
        assert not answer.startswith(b"HTTP/1.1 2")


async def test_an_idle_connection_lives_longer_than_the_api_servers(server: Running) -> None:
    assert server.api.parts.settings.server.keep_alive > 90, "kube-apiserver reuses idle connections for 90 s"


async def test_a_call_under_way_is_finished_before_the_end(state_dir: Path) -> None:
    async with running(state_dir) as server:
        await server.api.person("ada", Role.REQUESTER)
        begun, go_on = asyncio.Event(), asyncio.Event()
        decide = server.api.decisions.decide

        async def slow(request: Any, asking: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await decide(request, asking)

        server.api.decisions.decide = slow  # type: ignore[method-assign]
        async with server.client(headers={"Authorization": f"Bearer {server.api.keys['ada']}"}) as client:
            call = asyncio.create_task(client.post("/v1/decisions", content=b"{}"))
            await asyncio.wait_for(begun.wait(), 5)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.3)
            assert not server.task.done()
            go_on.set()
            response = await asyncio.wait_for(call, 5)
        assert response.json()["recorded"] is True
        await asyncio.wait_for(asyncio.shield(server.task), 10)
        with pytest.raises(httpx.ConnectError):
            async with server.client() as client:
                await client.get("/v1/policy")


async def test_a_port_that_is_taken_is_said(server: Running, state_dir: Path) -> None:
    taken = int(server.where["url"].rsplit(":", 1)[1])
    with pytest.raises(StateError) as refused:
        sockets.open_listeners(ServerSettings(port=taken, operations_port=0), state_dir / "other")
    assert str(taken) in str(refused.value)
    assert json.dumps(server.where)
