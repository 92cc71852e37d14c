import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from proctor.ledger.clock import Clock
from proctor.ledger.outbox import LEASE, Outbox, OutboxMessage
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.store.database import Database


class Steps(Clock):
    """Starts after everything that a test appends, and stands still until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime.now(UTC) + timedelta(hours=1)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Steps:
    return Steps()


@pytest.fixture
async def waiting(ledger: Ledger, database: Database, entry: Callable[..., Entry], clock: Steps) -> Outbox:
    """Return an outbox with messages 0 to 4 for one sink, each appended by itself."""
    for number in range(5):
        message = OutboxMessage("soc", "proctor.decision", f"s{number}", b"\x00body", f"key-{number}")
        await ledger.append(entry(number), outbox=[message])
    return Outbox(database, clock)


async def test_messages_come_oldest_first_and_once(waiting: Outbox) -> None:
    first = await waiting.claim(3)
    assert [claimed.message.subject for claimed in first] == ["s0", "s1", "s2"]
    assert first[0].message == OutboxMessage("soc", "proctor.decision", "s0", b"\x00body", "key-0")
    assert [claimed.attempts for claimed in first] == [1, 1, 1]
    assert [claimed.message.subject for claimed in await waiting.claim(10)] == ["s3", "s4"]
    assert await waiting.claim(10) == []


async def test_claims_at_the_same_time_share_nothing(waiting: Outbox) -> None:
    claims = await asyncio.gather(*(waiting.claim(2) for _ in range(5)))
    ids = [claimed.id for claim in claims for claimed in claim]
    assert len(ids) == len(set(ids)) == 5


async def test_a_delivered_message_does_not_come_back(waiting: Outbox, clock: Steps) -> None:
    (claimed,) = await waiting.claim(1)
    await waiting.delivered(claimed.id)
    clock.at += timedelta(days=1)
    assert "s0" not in [again.message.subject for again in await waiting.claim(10)]
    assert await waiting.counts() == (4, 0)


async def test_a_claim_whose_owner_died_comes_back_after_its_lease(waiting: Outbox, clock: Steps) -> None:
    await waiting.claim(5)
    clock.at += LEASE - timedelta(microseconds=1)
    assert await waiting.claim(5) == []
    clock.at += timedelta(microseconds=1)
    assert [claimed.attempts for claimed in await waiting.claim(5)] == [2] * 5


async def test_a_failed_message_waits_until_its_time(waiting: Outbox, clock: Steps) -> None:
    claimed = await waiting.claim(5)
    await waiting.failed(claimed[2].id, clock.at + timedelta(seconds=5))
    clock.at += timedelta(seconds=5)
    (again,) = await waiting.claim(5)
    assert (again.id, again.attempts) == (claimed[2].id, 2)


async def test_a_dead_message_is_kept_and_can_be_revived(waiting: Outbox, clock: Steps) -> None:
    claimed = await waiting.claim(5)
    for message in claimed[1:]:
        await waiting.delivered(message.id)
    await waiting.failed(claimed[0].id, clock.at, dead=True)
    clock.at += timedelta(days=1)
    assert await waiting.claim(5) == []
    assert await waiting.counts() == (0, 1)
    assert await waiting.forget(clock.at) == 4
    assert await waiting.revive() == 1
    (again,) = await waiting.claim(5)
    assert (again.message.subject, again.attempts) == ("s0", 1)


async def test_forgetting_leaves_what_is_recent_or_undelivered(waiting: Outbox, clock: Steps) -> None:
    (claimed,) = await waiting.claim(1)
    await waiting.delivered(claimed.id)
    assert await waiting.forget(clock.at) == 0
    assert await waiting.forget(clock.at + timedelta(days=1)) == 1
    assert await waiting.counts() == (4, 0)
