import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from proctor.alerts import delivery
from proctor.alerts.delivery import Delivery, Sink
from proctor.errors import SettingsError
from proctor.ledger.outbox import Outbox, OutboxMessage
from proctor.ledger.records import Entry
from proctor.settings import SinkSettings
from proctor.store import tables
from tests.engine.identity.stores import Stores, stores

SECRET = b"s" * 32


class Chunks(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"ok"


class Post:
    """A delivery over a real outbox, and a receiver that answers what a test wants."""

    def __init__(self, at: Stores, sinks: tuple[str, ...] = ("pager",)) -> None:
        self.at = at
        self.got: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(204)
        self.seen: list[tuple[str, str]] = []
        self.outbox = Outbox(at.database, at.hands)  # type: ignore[arg-type]
        self.delivery = Delivery(
            outbox=self.outbox,
            sinks=[Sink(name, f"https://{name}.example.com/hook?token=t0k3n", SECRET) for name in sinks],
            now=at.hands.now,
            transport=httpx.MockTransport(self._receive),
            jitter=lambda: 1.0,
            observe=lambda sink, what: self.seen.append((sink, what)),
        )

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        answer = self.answer(request)
        # As it comes from a network: a body that is still to be read.
        return answer if not answer.is_stream_consumed else httpx.Response(answer.status_code, stream=Chunks())

    async def put(self, key: str = "dec_1", sink: str = "pager", body: bytes = b'{"a":1}') -> None:
        message = OutboxMessage(sink, "proctor.decision.denied.v1", "x", body, key)
        await self.at.ledger.append(Entry("incident", key, {}), outbox=[message])
        # The entry was written by the real clock: as far as the hand-moved one goes, it is due now.
        due = tables.outbox.update().where(tables.outbox.c.dedupe_key == key, tables.outbox.c.attempts == 0)
        self.at.database.write(due.values(next_at="2026-01-01T00:00:00.000000Z"))

    def row(self, key: str = "dec_1") -> object:
        return self.at.database.read(select(tables.outbox).where(tables.outbox.c.dedupe_key == key))[0]


@pytest.fixture
async def post(state_dir: Path) -> AsyncIterator[Post]:
    async with stores(state_dir) as at:
        found = Post(at)
        yield found
        await found.delivery.close()


async def test_it_is_signed_and_sent_as_it_was_written(post: Post) -> None:
    await post.put()
    assert await post.delivery.round() == 1
    (request,) = post.got
    assert request.method == "POST"
    assert request.content == b'{"a":1}'
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    signed = b".".join((b"dec_1", request.headers["webhook-timestamp"].encode(), b'{"a":1}'))
    mac = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{mac}"
    assert request.headers["webhook-id"] == "dec_1"
    assert await post.outbox.counts() == (0, 0)
    assert await post.delivery.round() == 0
    assert post.seen == [("pager", "delivered")]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
async def test_anything_but_a_success_is_tried_again_with_the_same_id_and_body(post: Post, status: int) -> None:
    await post.put()
    headers = {"location": "https://elsewhere.example.com/"}
    post.answer = lambda _: httpx.Response(status, headers=headers, stream=Chunks())
    await post.delivery.round()
    assert await post.outbox.counts() == (1, 0)
    assert await post.delivery.round() == 0, "not before the back-off"
    post.answer = lambda _: httpx.Response(200)
    post.at.hands.advance(3600)
    await post.delivery.round()
    assert [request.url.host for request in post.got] == ["pager.example.com"] * 2, "no redirect is followed"
    assert len({(request.headers["webhook-id"], request.content) for request in post.got}) == 1
    assert await post.outbox.counts() == (0, 0)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
async def test_a_broken_connection_is_tried_again(post: Post, error: type[httpx.HTTPError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("t0k3n")  # type: ignore[call-arg]

    await post.put()
    post.answer = fail
    await post.delivery.round()
    assert await post.outbox.counts() == (1, 0)


async def test_after_bounded_attempts_it_is_a_dead_letter_that_is_kept(post: Post) -> None:
    await post.put()
    post.answer = lambda _: httpx.Response(500)
    rounds = 0
    while (await post.outbox.counts())[0]:
        await post.delivery.round()
        post.at.hands.advance(3601)
        rounds += 1
        assert rounds <= delivery.MAX_ATTEMPTS
    assert len(post.got) == rounds == delivery.MAX_ATTEMPTS
    assert await post.outbox.counts() == (0, 1)
    assert post.seen[-1] == ("pager", "dead")
    assert post.row().body == b'{"a":1}'  # type: ignore[attr-defined]
    post.answer = lambda _: httpx.Response(200)
    assert await post.outbox.revive() == 1
    await post.delivery.round()
    assert await post.outbox.counts() == (0, 0)


async def test_gone_is_final(post: Post) -> None:
    await post.put()
    post.answer = lambda _: httpx.Response(410)
    await post.delivery.round()
    assert await post.outbox.counts() == (0, 1)


async def test_a_receiver_that_is_down_is_tried_once_in_a_round_and_nothing_dies_untried(post: Post) -> None:
    for number in range(5):
        await post.put(f"dec_{number}")
    post.answer = lambda _: httpx.Response(503)
    for _ in range(40):
        await post.delivery.round()
        post.at.hands.advance(3601)
    assert ("pager", "failed") in post.seen
    tried = {request.headers["webhook-id"] for request in post.got}
    dead = {row.dedupe_key for row in post.at.database.read(select(tables.outbox)) if row.dead}
    assert dead <= tried


async def test_a_message_that_is_refused_does_not_hold_up_the_others(post: Post) -> None:
    await post.put("dec_bad")
    await post.put("dec_good")
    post.answer = lambda request: httpx.Response(400 if request.headers["webhook-id"] == "dec_bad" else 200)
    await post.delivery.round()
    assert await post.outbox.counts() == (1, 0)
    assert post.row("dec_good").delivered_at  # type: ignore[attr-defined]


async def test_one_sink_does_not_hold_up_another(state_dir: Path) -> None:
    async with stores(state_dir) as at:
        post = Post(at, ("pager", "chat"))
        await post.put("dec_1", "pager")
        await post.put("dec_2", "chat")
        post.answer = lambda request: httpx.Response(503 if request.url.host.startswith("pager") else 200)
        await post.delivery.round()
        assert post.row("dec_2").delivered_at  # type: ignore[attr-defined]
        assert not post.row("dec_1").delivered_at  # type: ignore[attr-defined]
        await post.delivery.close()


async def test_a_sink_that_was_removed_keeps_its_messages(post: Post) -> None:
    await post.put(sink="gone")
    await post.delivery.round()
    assert post.got == []
    assert await post.outbox.counts() == (1, 0)


async def test_an_endless_answer_is_cut_off(post: Post) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield b"x" * 1024

    await post.put()
    post.answer = lambda _: httpx.Response(200, content=endless())
    await post.delivery.round()
    assert sent <= delivery.MAX_ANSWER + 2048
    assert await post.outbox.counts() == (0, 0)


async def test_neither_secret_nor_url_is_logged(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"can't reach {request.url}")

    await post.put()
    post.answer = fail
    await post.delivery.round()
    logged = capsys.readouterr()
    assert "alerts.not_delivered" in logged.out + logged.err
    assert "t0k3n" not in logged.out + logged.err


@given(st.integers(1, 1000), st.floats(0, 1))
def test_delays_grow_and_are_bounded(attempts: int, jitter: float) -> None:
    assert 0.5 <= delivery.delay(attempts, lambda: jitter) <= delivery.MAX_DELAY
    assert delivery.delay(attempts + 1, lambda: 1.0) >= delivery.delay(attempts, lambda: 1.0)


def test_all_attempts_together_reach_over_hours() -> None:
    reach = sum(delivery.delay(attempt, lambda: 1.0) for attempt in range(1, delivery.MAX_ATTEMPTS))
    assert timedelta(hours=3) < timedelta(seconds=reach) < timedelta(hours=12)


@pytest.mark.parametrize(
    ("sink", "environment"),
    [
        ({"url": "https://x.example.com"}, {}),
        ({"url": "ftp://x.example.com"}, {"PROCTOR_SINK_SECRET": "whsec_" + "A" * 44}),
        ({"url": "https://user:pw@x.example.com"}, {"PROCTOR_SINK_SECRET": "whsec_" + "A" * 44}),
        ({"url": "https://x.example.com"}, {"PROCTOR_SINK_SECRET": "guess"}),
    ],
)
def test_sinks_that_can_not_work_are_found_at_start(sink: dict[str, str], environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        delivery.sinks([SinkSettings(name="pager", **sink)], environment)
    assert "pw" not in str(refused.value).replace("proctor", "")


def test_a_name_is_used_once() -> None:
    sink = SinkSettings(name="pager", url="https://x.example.com")
    environment = {"PROCTOR_SINK_SECRET": "whsec_" + "A" * 44}
    assert len(delivery.sinks([sink], environment)) == 1
    with pytest.raises(SettingsError):
        delivery.sinks([sink, sink], environment)
