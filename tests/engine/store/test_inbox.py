from collections.abc import Iterator
from pathlib import Path

import pytest

from proctor.store.database import Database
from proctor.store.inbox import Inbox
from tests.engine.identity.stores import Hands


@pytest.fixture
def database(state_dir: Path) -> Iterator[Database]:
    found = Database.open(f"sqlite:///{state_dir / 'proctor.db'}")
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
    assert [event.id for event in await Inbox(database, Hands().now).waiting("a", 10)] == [third.id]
    assert not await inbox.put("a", "two", b"two", {}), "a poisoned event that comes again stays where it is"
