"""The plugin's client: each failure is one 403, none costs more than its budget, no user's trouble is another's."""

import gc
import json
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from proctor_adapters.mlflow.plugin import client
from proctor_adapters.mlflow.plugin.client import ProctorClient, Refused, Silent, Unavailable, require

NAMES = st.sampled_from(["allowed", "x"])
QUESTION = {"action": "create_run", "user": "alice"}


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> ProctorClient:
    return ProctorClient("http://proctor.test", None, "prk_x", httpx.MockTransport(handler))


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[ProctorClient]:
    """Yield a client of a real Unix socket whose other side does with each connection what `serve` does."""
    with tempfile.TemporaryDirectory(prefix="prc-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "s")
        listener.bind(path)
        listener.listen(16)

        connections: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        found = ProctorClient(None, path, "prk_x")
        try:
            yield found
        finally:
            found.close()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in connections:
                connection.close()


def refusal(found: ProctorClient, question: Any = QUESTION) -> str:
    with pytest.raises(MlflowException) as error:
        require(found, question)
    assert error.value.get_http_status_code() == 403
    assert error.value.error_code == "PERMISSION_DENIED"
    return str(error.value.message)


@given(
    st.integers(100, 599),
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)  # fmt: skip
def test_only_a_true_true_with_status_200_is_a_yes(status: int, body: bytes) -> None:
    found = answering(lambda _: httpx.Response(status, content=body))
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if status == 200 and isinstance(document, dict) and document.get("allowed") is True:
        assert require(found, QUESTION) == document
    else:
        refusal(found)


def test_a_denial_carries_its_reason_and_a_key_is_sent() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"allowed": False, "message": "denied: [a.b] for a reason [dec_1]"})

    assert refusal(answering(handler)) == "Proctor: denied: [a.b] for a reason [dec_1]"
    assert seen[0].headers["authorization"] == "Bearer prk_x"
    assert json.loads(seen[0].content) == QUESTION


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_a_refusal(value: float) -> None:
    assert "can't be written as JSON" in refusal(answering(lambda _: httpx.Response(200)), {"value": value})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503])
def test_an_answer_of_whatever_status_is_not_the_next_callers_trouble(status: int) -> None:
    answers = [httpx.Response(status, json={"detail": "no"}), httpx.Response(200, json={"allowed": True})]
    found = answering(lambda _: answers.pop(0))
    assert f"HTTP {status}: no" in refusal(found)
    require(found, QUESTION)


@pytest.mark.parametrize(("status", "kind"), [(409, Refused), (422, Refused), (500, Unavailable), (503, Unavailable)])
def test_what_is_of_no_use_to_try_again_is_told_apart(status: int, kind: type) -> None:
    with pytest.raises(Unavailable) as error:
        answering(lambda _: httpx.Response(status, json={})).register({})
    assert type(error.value) is kind


def test_a_server_that_says_nothing_costs_its_budget_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BUDGET", 0.4)
    monkeypatch.setattr(client, "OPEN_FOR", 0.3)
    with listening(lambda _: time.sleep(5)) as found:
        started = time.monotonic()
        assert "ReadTimeout" in refusal(found)
        assert 0.3 < time.monotonic() - started < 1.2
        started = time.monotonic()
        assert "a moment ago" in refusal(found)
        assert time.monotonic() - started < 0.1
        time.sleep(0.35)
        # Half open: one finds out, the others don't wait with it.
        took: list[float] = []

        def call() -> None:
            begun = time.monotonic()
            refusal(found)
            took.append(time.monotonic() - begun)

        threads = [threading.Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert sorted(one > 0.3 for one in took) == [False] * 4 + [True]


def test_an_answer_that_drips_ends_with_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BUDGET", 0.5)

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(40):
            try:
                connection.sendall(b" ")
            except OSError:
                return
            time.sleep(0.1)

    with listening(drip) as found:
        started = time.monotonic()
        assert "does not end" in refusal(found)
        assert time.monotonic() - started < 1.5


def test_a_server_that_is_back_is_asked_at_once() -> None:
    path = Path(tempfile.mkdtemp(prefix="prc-")) / "s"
    found = ProctorClient(None, str(path), "prk_x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # httpcore leaves the socket that it could not connect
        assert "ConnectError" in refusal(found)
        assert "a moment ago" not in refusal(found)
        gc.collect()
    path.parent.rmdir()
    found.close()


def test_an_endless_answer_is_cut_off() -> None:
    with pytest.raises(Silent, match="does not end"):
        answering(lambda _: httpx.Response(200, content=b" " * (client.MAX_ANSWER + 1))).register({})


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "PROCTOR_API_KEY"), ({"PROCTOR_API_KEY": "k"}, "PROCTOR_URL or PROCTOR_SOCKET"),
        ({"PROCTOR_URL": "http://x"}, "PROCTOR_API_KEY"),
    ],
)  # fmt: skip
def test_a_server_does_not_start_half_configured(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(MlflowException, match=missing):
        ProctorClient.from_environment(environment)
