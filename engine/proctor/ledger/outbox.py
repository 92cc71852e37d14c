"""The outbox: events that leave Proctor, written in the transaction of the entry that they are about.

So an event is neither lost nor sent for something that was not recorded. Delivery is at least once: a claim that is
neither settled nor renewed comes back after its lease.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select, update

from proctor.ledger.clock import Clock
from proctor.store.database import Database
from proctor.store.moments import to_text
from proctor.store.tables import outbox

LEASE: Final = timedelta(seconds=60)
"""How long a claimed message is nobody else's. Longer than a delivery with its time limit takes."""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One event for one sink. A sink gets one message for each `dedupe_key`, however often it is appended."""

    sink: str
    event_type: str
    subject: str
    body: bytes = field(repr=False)
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message to deliver now, and then to settle with `delivered` or `failed`."""

    id: int
    message: OutboxMessage
    created_at: str
    attempts: int
    """How often it was claimed, this time included."""


class Outbox:
    """Hands out messages that are due. Methods raise `StateError` when the database does not answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, limit: int) -> list[ClaimedMessage]:
        """Return at most `limit` messages that are due, oldest first, and lease them to the caller."""
        now = self._clock.now()
        due, until = to_text(now), to_text(now + LEASE)

        def take(connection: Connection) -> list[ClaimedMessage]:
            rows = connection.execute(
                select(outbox)
                .where(outbox.c.delivered_at.is_(None), ~outbox.c.dead, outbox.c.next_at <= due)
                .order_by(outbox.c.next_at, outbox.c.id)
                .limit(limit)
                .with_for_update(skip_locked=True)  # other replicas take others; SQLite has one writer anyway
            ).all()
            taken = update(outbox).where(outbox.c.id.in_([row.id for row in rows]))
            connection.execute(taken.values(next_at=until, attempts=outbox.c.attempts + 1))
            return [
                ClaimedMessage(
                    id=row.id,
                    message=OutboxMessage(row.sink, row.event_type, row.subject, bytes(row.body), row.dedupe_key),
                    created_at=row.created_at,
                    attempts=row.attempts + 1,
                )
                for row in rows
            ]

        return await self._database.atransact(take)

    async def delivered(self, message_id: int) -> None:
        """Settle a message: the sink has it."""
        done = update(outbox).where(outbox.c.id == message_id)
        await self._database.awrite(done.values(delivered_at=to_text(self._clock.now())))

    async def failed(self, message_id: int, next_at: datetime, *, dead: bool = False) -> None:
        """Put a message back until `next_at`; `dead` keeps it without trying again."""
        again = update(outbox).where(outbox.c.id == message_id)
        await self._database.awrite(again.values(next_at=to_text(next_at), dead=dead))

    async def revive(self) -> int:
        """Make all dead messages due now, and return how many there are."""
        dead = update(outbox).where(outbox.c.dead, outbox.c.delivered_at.is_(None))
        return await self._database.awrite(dead.values(dead=False, attempts=0, next_at=to_text(self._clock.now())))

    async def forget(self, before: datetime) -> int:
        """Delete messages that were delivered before a time, and return how many. Dead ones stay."""
        old = outbox.delete().where(outbox.c.delivered_at < to_text(before))
        return await self._database.awrite(old)

    async def counts(self) -> tuple[int, int]:
        """Return how many messages wait and how many are dead."""
        open_ = select(outbox.c.dead, func.count()).where(outbox.c.delivered_at.is_(None)).group_by(outbox.c.dead)
        found = {bool(dead): int(count) for dead, count in await self._database.aread(open_)}
        return found.get(False, 0), found.get(True, 0)
