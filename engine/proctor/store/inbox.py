"""The inbox: foreign events, on disk before they are answered, and worked through in the order in which they came.

An event that can't be processed is kept as it came, with the reason, and never holds up the next one.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from proctor.errors import StateError
from proctor.store.database import AnyRow, Database
from proctor.store.moments import to_text
from proctor.store.tables import inbox

MAX_WAITING: Final = 20_000
"""Events of one adapter that may wait: beyond it, whoever sends has to come again, before the disk is full."""


LEASE: Final = timedelta(seconds=60)
"""How long an event that one server works on is nobody else's. Longer than a batch takes."""


@dataclass(frozen=True, slots=True)
class Received:
    """One event that waits."""

    id: int
    body: bytes
    sender: Mapping[str, Any]
    """Who sent it, as the adapter wrote it down: principal, and what its key may assert."""


class Inbox:
    """Implements `plugins.Inbox` over the table `inbox`."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._name = secrets.token_hex(8)

    async def put(self, adapter: str, dedupe_key: str, body: bytes, sender: Mapping[str, Any]) -> bool:
        """Return once the event is on disk; tell whether it is new. The same key again is the same event.

        Raises `StateError` when it was not taken: the database does not answer, or too much waits already.
        """
        columns = inbox.c
        values = {
            "adapter": adapter,
            "dedupe_key": dedupe_key,
            "body": body,
            "sender": dict(sender),
            "received_at": to_text(self._now()),
        }
        last = (
            select(columns.id)
            .where(columns.adapter == adapter, columns.processed_at.is_(None))
            .order_by(columns.id)
            .offset(MAX_WAITING - 1)
            .limit(1)
        )

        def work(connection: Connection) -> bool:
            if connection.execute(last).first() is not None:
                raise StateError(
                    f"taking an event of {adapter}", f"{MAX_WAITING} wait already", "Send it again later; see the log"
                )
            # Two servers can be given the same event at the same time.
            return connection.execute(_unless_known(connection.dialect.name, values)).first() is not None

        return await self._database.atransact(work)

    async def waiting(self, adapter: str, limit: int) -> list[Received]:
        """Return events that wait, in the order in which they came; where there are several servers, lease them.

        An event that was returned and is not done is returned again, to this server now and to others after `LEASE`.
        """
        columns = inbox.c
        statement = (
            select(columns.id, columns.body, columns.sender)
            .where(columns.adapter == adapter, columns.processed_at.is_(None))
            .order_by(columns.id)
            .limit(limit)
        )
        if self._database.following.alone:
            rows: Sequence[AnyRow] = await self._database.aread(statement)
        else:
            rows = await self._database.atransact(lambda connection: self._claimed(connection, statement))
        return [Received(row.id, bytes(row.body), row.sender) for row in rows]

    def _claimed(self, connection: Connection, statement: Select[Any]) -> Sequence[AnyRow]:
        columns, now = inbox.c, self._now()
        free = or_(
            columns.claimed_by.is_(None), columns.claimed_by == self._name, columns.claimed_until <= to_text(now)
        )
        rows = connection.execute(statement.where(free).with_for_update(skip_locked=True)).all()
        taken = update(inbox).where(columns.id.in_([row.id for row in rows]))
        connection.execute(taken.values(claimed_by=self._name, claimed_until=to_text(now + LEASE)))
        return rows

    async def done(self, event_id: int, problem: str | None = None) -> None:
        """Note that an event was worked through, or why it can't be."""
        change = update(inbox).where(inbox.c.id == event_id)
        await self._database.awrite(change.values(processed_at=to_text(self._now()), problem=problem))

    async def forget(self, before: datetime) -> int:
        """Delete events that were worked through before then, and return how many; those with a problem stay."""
        columns = inbox.c
        return await self._database.awrite(
            delete(inbox).where(columns.processed_at < to_text(before), columns.problem.is_(None))
        )


def _unless_known(dialect: str, values: Mapping[str, Any]) -> ReturningInsert[tuple[int]]:
    """Return a statement that gives the new row's id, and nothing where the event is known."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(inbox).values(**values).on_conflict_do_nothing().returning(inbox.c.id)
