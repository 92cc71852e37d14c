"""One way to Proctor for every command: its HTTP API.

Over `PROCTOR_URL` with `PROCTOR_API_KEY`; else over the Unix socket of the server that holds the state directory; else
over an engine that this process starts for the one command. The code behind the API is the same in all three.
"""

import asyncio
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from proctor.cli.terminal import progress
from proctor.errors import EngineError, RefusedError, SettingsError
from proctor.store.running import running_server

if TYPE_CHECKING:
    import httpx

    from proctor.settings import Settings

TIMEOUT: Final = 60.0
"""Seconds for one call: longer than any decision's own budget, so that the server's answer arrives, not ours."""
_OK: Final = range(200, 300)
_REFUSED: Final = range(400, 500)

T = TypeVar("T")


@dataclass(slots=True)
class Session:
    """An open way to the API."""

    client: "httpx.AsyncClient"
    reached: str
    """Where the API is, for messages."""

    async def get(self, path: str, **query: str | int | None) -> Any:
        """Return the JSON of `GET path`."""
        params = {name: value for name, value in query.items() if value is not None}
        return await self._call("GET", path, params=params)

    async def get_text(self, path: str) -> str:
        """Return the text of `GET path`."""
        return (await self._send("GET", path, headers={"Accept": "text/plain"})).text

    async def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON of `POST path`; `body` is sent as JSON, or as it is if it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return await self._call("POST", path, content=content, headers={"Content-Type": "application/json"})

    async def delete(self, path: str) -> Any:
        """Return the JSON of `DELETE path`, or None where there is none."""
        return await self._call("DELETE", path)

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        response = await self._send(method, path, **options)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise EngineError(
                f"{method} {path} at {self.reached}", f"no JSON: {response.text[:120]!r}", "Is that a Proctor server?"
            ) from error

    async def _send(self, method: str, path: str, **options: Any) -> "httpx.Response":
        import httpx

        try:
            response = await self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise EngineError(
                f"{method} {path} at {self.reached}",
                f"{type(error).__name__}: {error}".rstrip(": "),
                "Look at the server's log, or start one with 'proctor serve'",
            ) from error
        if response.status_code not in _OK:
            raise refusal(f"{method} {path} at {self.reached}", response)
        return response


def refusal(tried: str, response: "httpx.Response") -> RefusedError | EngineError:
    """Return the error that an answer of the API stands for (RFC 9457 problem, or whatever else came back)."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"found": f"HTTP {response.status_code}: {response.text[:200]!r}"}
    found = str(problem.get("found") or problem.get("detail") or problem.get("title") or response.status_code)
    remedy = str(problem.get("remedy") or "")
    if response.status_code not in _REFUSED:
        return EngineError(str(problem.get("tried") or tried), found, remedy or "Look at the server's log")
    return RefusedError(
        str(problem.get("code") or "refused"), response.status_code, str(problem.get("tried") or tried), found, remedy
    )


def run(action: Callable[[Session], Awaitable[T]]) -> T:
    """Open a session, give it to `action`, and return what comes out."""
    from proctor.settings import load

    async def _run() -> T:
        async with connect(load(), os.environ) as session:
            return await action(session)

    return asyncio.run(_run())


@asynccontextmanager
async def connect(settings: "Settings", environment: Mapping[str, str]) -> AsyncIterator[Session]:
    """Yield the session: named server, else running server, else an engine of our own.

    Raises `SettingsError` for a URL that is none, and whatever keeps the engine from starting.
    """
    headers = {"Authorization": f"Bearer {key}"} if (key := environment.get("PROCTOR_API_KEY")) else {}
    if url := environment.get("PROCTOR_URL"):
        async with _over_url(url, headers, environment) as session:
            yield session
    elif (server := running_server(settings.state_dir)) is not None:
        async with over_socket(server, headers) as session:
            yield session
    else:
        async with _embedded(settings, headers) as session:
            yield session


@asynccontextmanager
async def _over_url(url: str, headers: Mapping[str, str], environment: Mapping[str, str]) -> AsyncIterator[Session]:
    import httpx

    if not url.startswith(("http://", "https://")):
        raise SettingsError("reading PROCTOR_URL", repr(url), "Write it as https://host:port")
    verify: ssl.SSLContext | bool = True
    if authority := environment.get("SSL_CERT_FILE"):
        verify = ssl.create_default_context(cafile=authority)
    async with httpx.AsyncClient(
        base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT, verify=verify, follow_redirects=False
    ) as client:
        yield Session(client, url)


@asynccontextmanager
async def over_socket(path: Path, headers: Mapping[str, str]) -> AsyncIterator[Session]:
    """Yield a session over a server's Unix socket; `headers` may carry a credential other than the local operator's."""
    import httpx

    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://proctor", headers=headers, timeout=TIMEOUT
    ) as client:
        yield Session(client, str(path))


@asynccontextmanager
async def _embedded(settings: "Settings", headers: Mapping[str, str]) -> AsyncIterator[Session]:
    import httpx

    from proctor.server import logging as logs
    from proctor.server.app import create_app
    from proctor.server.local import LocalOperator

    logs.configure(level=logging.WARNING)
    progress("no server runs on this state directory: starting an engine for this command ('proctor serve' keeps one)")
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        if (key := app.state.components.admin_key) is not None:
            progress(f"admin key, shown this once: {key}")
        transport = httpx.ASGITransport(LocalOperator(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://proctor", headers=headers, timeout=TIMEOUT
        ) as client:
            yield Session(client, "this process")
