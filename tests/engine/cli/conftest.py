"""An API that answers from a table, behind the same session that the commands use."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from proctor.cli import main, session

Reply = Callable[[httpx.Request], httpx.Response]


class Api:
    """Answers requests, and remembers them."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._replies: dict[tuple[str, str], Reply] = {}

    def on(self, method: str, path: str, reply: Any, status: int = 200) -> None:
        """Answer `method path` with `reply`: a function of the request, or a document."""
        self._replies[method, path] = reply if callable(reply) else lambda _: httpx.Response(status, json=reply)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self._replies.get((request.method, request.url.raw_path.decode().partition("?")[0]))
        return reply(request) if reply else httpx.Response(404, json={"code": "not_found", "detail": "no such thing"})

    def body(self) -> Any:
        """Return the JSON of the last request."""
        return json.loads(self.requests[-1].content)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    served = Api()

    @asynccontextmanager
    async def connect(*_: object) -> AsyncIterator[session.Session]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(served), base_url="http://proctor") as client:
            yield session.Session(client, "the test")

    monkeypatch.setattr(session, "connect", connect)
    return served


@pytest.fixture
def proctor(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command and gives exit code, standard output and standard error."""

    def _run(*arguments: str) -> tuple[int, str, str]:
        code = main.run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return _run
