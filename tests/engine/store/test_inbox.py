import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.errors import StateError
from proctor.store import inbox as module
from proctor.store.database import Database
from proctor.store.inbox import Inbox
from tests.engine.identity.stores import Hands
from tests.live import databases, postgres


@pytest.fixture
def database(state_dir: Path) -> Iterator[Database]:
    found = databases.opened(state_dir)
    yield found
    found.close()


async def test_events_come_out_as_they_went_in_and_the_same_one_once(database: Database) -> None:
    inbox = Inbox(database, Hands().now)
    assert await inbox.put("a", "one", b"\x00\xff", {"principal": "service:x"})
    assert not await inbox.put("a", "one", b"other", {})
    assert await inbox.put("b", "one", b"of another adapter", {})
    assert await inbox.put("a", "two", b"2", {})
    first, second = await inbox.waiting("a", 10)
    assert (first.body, dict(first.sender), second.body) == (b"\x00\xff", {"principal": "service:x"}, b"2")
    assert [event.id for event in await inbox.waiting("a", 1)] == [first.id]


async def test_what_is_done_waits_no_longer_and_a_poisoned_one_holds_up_nobody(database: Database) -> None:
    inbox = Inbox(database, Hands().now)
    for name in ("one", "two", "three"):
        await inbox.put("a", name, name.encode(), {})
    first, second, third = await inbox.waiting("a", 10)
    await inbox.done(first.id)
    await inbox.done(second.id, "not understood")
    later = Hands().now() + module.LEASE
    assert [event.id for event in await Inbox(database, lambda: later).waiting("a", 10)] == [third.id]
    assert not await inbox.put("a", "two", b"two", {}), "a poisoned event that comes again stays where it is"


async def test_the_same_event_from_many_at_once_is_one_event(database: Database) -> None:
    inbox = Inbox(database, Hands().now)
    results = await asyncio.gather(*(inbox.put("a", "one", b"1", {}) for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]
    assert len(await inbox.waiting("a", 10)) == 1


async def test_when_too_much_waits_nothing_more_is_taken_until_something_is_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    inbox = Inbox(database, Hands().now)
    assert await inbox.put("a", "one", b"1", {})
    assert await inbox.put("a", "two", b"2", {})
    with pytest.raises(StateError, match="2 wait already"):
        await inbox.put("a", "three", b"3", {})
    assert await inbox.put("b", "three", b"3", {}), "another adapter has an inbox of its own"
    await inbox.done((await inbox.waiting("a", 1))[0].id)
    assert await inbox.put("a", "three", b"3", {})


async def test_what_was_understood_is_forgotten_in_time_and_what_was_not_is_kept(database: Database) -> None:
    hands = Hands()
    inbox = Inbox(database, hands.now)
    for name in ("done", "poisoned", "waiting"):
        await inbox.put("a", name, name.encode(), {})
    done, poisoned, waiting = await inbox.waiting("a", 10)
    await inbox.done(done.id)
    await inbox.done(poisoned.id, "not understood")
    assert await inbox.forget(hands.now()) == 0
    assert await inbox.forget(hands.now() + timedelta(seconds=1)) == 1
    assert [event.id for event in await inbox.waiting("a", 10)] == [waiting.id]
    assert not await inbox.put("a", "poisoned", b"", {})


async def test_two_servers_do_not_work_on_the_same_event_until_one_of_them_has_let_go(
    postgresql: postgres.Server,
) -> None:
    hands = Hands()
    with postgresql.database() as url:
        database = Database.open(url)
        one, other = Inbox(database, hands.now), Inbox(database, hands.now)
        for number in range(20):
            await one.put("a", str(number), b"", {})
        claims = await asyncio.gather(*(server.waiting("a", 5) for server in (one, other, one, other)))
        first, second = ({event.id for claim in claims[at::2] for event in claim} for at in (0, 1))
        assert not first & second
        assert {event.id for event in await one.waiting("a", 20)} >= first, "its own come again until they are done"
        hands.advance(module.LEASE.total_seconds())
        assert len(await other.waiting("a", 20)) == 20, "what a server that is gone has left is worked through"
        database.close()
