"""Violations: what exists or happened and is against policy. One is opened once, updated, and resolved; never doubled.

A denied request is an event and no violation: it did not happen. Each change is a ledger entry, with its row and its
alerts in the same transaction.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Executable, Row, Select, insert, select, update

from proctor.alerts import events
from proctor.errors import NotFoundError
from proctor.ledger.journal import Journal
from proctor.ledger.records import Entry
from proctor.settings import SinkSettings
from proctor.store.database import Database
from proctor.store.moments import to_text
from proctor.store.tables import violations

_IS_OPEN: Final = violations.c.resolved_at.is_(None)


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation. `kind` and `key` say what it is; at most one of each is open."""

    id: str
    kind: str
    key: str
    subject: str
    detail: Mapping[str, Any]
    opened_at: str
    updated_at: str
    resolved_at: str | None = None
    resolution: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for the ledger and the API."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class ViolationRegister:
    """Implements `plugins.Violations` over the table `violations`: several servers share it, so nothing is cached."""

    def __init__(
        self, database: Database, ledger: Journal, now: Callable[[], datetime], sinks: Sequence[SinkSettings]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._now = now
        self._sinks = sinks
        self._writing = asyncio.Lock()

    async def open_ones(self, limit: int) -> list[Violation]:
        """Return the newest open violations."""
        return await self._newest(select(violations).where(_IS_OPEN), limit)

    async def open_keys(self, kind: str) -> frozenset[str]:
        """Return the keys of all open violations of this kind."""
        wanted = select(violations.c.violation_key).where(violations.c.kind == kind, _IS_OPEN)
        return frozenset(row.violation_key for row in await self._database.aread(wanted))

    async def recent(self, limit: int) -> list[Violation]:
        """Return the newest violations, open or resolved."""
        return await self._newest(select(violations), limit)

    async def _newest(self, chosen: Select[Any], limit: int) -> list[Violation]:
        ordered = chosen.order_by(violations.c.opened_at.desc(), violations.c.id).limit(limit)
        return [_from_row(row) for row in await self._database.aread(ordered)]

    async def get(self, violation_id: str) -> Violation:
        """Return one. Raises `NotFoundError`."""
        rows = await self._database.aread(select(violations).where(violations.c.id == violation_id))
        if not rows:
            raise NotFoundError(
                f"looking for the violation {violation_id[:60]!r}", "there is none", "See 'proctor violation list'"
            )
        return _from_row(rows[0])

    async def open(self, kind: str, key: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Return once it is open on disk, its alert in the outbox; the same again, with the same detail, is nothing.

        Raises `LedgerError` when that was not recorded. So it does for the second of two servers that open the same
        one at the same time: the first has told of it.
        """
        now = to_text(self._now())
        async with self._writing:
            known = await self._known(kind, key)
            if known is None:
                found = Violation(f"vio_{secrets.token_hex(8)}", kind, key, subject, dict(detail), now, now)
                await self._write("opened", found, insert(violations).values(**_columns(found)))
            elif known.detail != detail:
                found = replace(known, detail=dict(detail), updated_at=now)
                await self._write("updated", found, _update(found))

    async def resolve(self, kind: str, key: str, why: str) -> None:
        """Return once it is resolved on disk; does nothing where none is open."""
        now = to_text(self._now())
        async with self._writing:
            known = await self._known(kind, key)
            if known is not None:
                found = replace(known, updated_at=now, resolved_at=now, resolution=why)
                await self._write("resolved", found, _update(found))

    async def _known(self, kind: str, key: str) -> Violation | None:
        columns = violations.c
        wanted = select(violations).where(columns.kind == kind, columns.violation_key == key, _IS_OPEN)
        rows = await self._database.aread(wanted)
        return _from_row(rows[0]) if rows else None

    async def _write(self, change: str, found: Violation, row: Executable) -> None:
        record = {"change": change, "violation": found.document(), "at": to_text(self._now())}
        alerts = events.for_violation(change, found.document(), self._now(), self._sinks)
        entry = Entry(kind="violation", id=found.id, record=record)
        await self._ledger.append(entry, outbox=alerts, also=[row])


def _columns(found: Violation) -> dict[str, Any]:
    columns = asdict(found)
    return columns | {"violation_key": columns.pop("key")}


def _update(found: Violation) -> Executable:
    # One that another server has resolved meanwhile stays resolved.
    return update(violations).where(violations.c.id == found.id, _IS_OPEN).values(**_columns(found))


def _from_row(row: Row[Any]) -> Violation:
    columns = row._asdict()
    return Violation(key=columns.pop("violation_key"), **columns)
