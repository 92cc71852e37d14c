"""One transaction of the ledger: a group of entries, the new head, and all that is written with them.

Runs on the writer's connection, in the writer's thread. On SQLite this process is the only writer, so the tree's
frontier is kept in memory and the head row is compared when it is set. On PostgreSQL other replicas append too, so each
transaction locks the head row and reads it: a lock taken in the same statement as the read would see a stale head.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Executable, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.sql.dml import UpdateBase

from proctor.errors import LedgerError
from proctor.ledger.cases import Case
from proctor.ledger.clock import Anchor
from proctor.ledger.merkle import Frontier, leaf_hash
from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Encoded, Head, Receipt
from proctor.ledger.signing import Checkpoint, Signer
from proctor.store.database import Database
from proctor.store.following import execute
from proctor.store.tables import cases, ledger_checkpoints, ledger_entries, ledger_head, outbox

_TRIED: Final = "appending to the ledger"
_VICTIM: Final = frozenset({"40P01", "40001"})
"""Deadlock and serialization failure: https://www.postgresql.org/docs/15/errcodes-appendix.html"""
_IDLE: Final = 1.0
"""Seconds after which a connection to PostgreSQL is tried before it is relied on: servers restart."""
_HEAD: Final = (
    select(ledger_head.c.size, ledger_head.c.root, ledger_head.c.frontier)
    .where(ledger_head.c.id == 1)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Append:
    """One entry with what is written in the same transaction."""

    entry: Encoded
    outbox: Sequence[OutboxMessage] = ()
    case: Case | None = None
    also: Sequence[Executable] = ()


class ForkedLedgerError(LedgerError):
    """Somebody else has appended to this ledger, or its head is damaged: nothing may be appended any more."""


class _Prepared:
    """A statement compiled once: compiling is a third of the time that an append of one entry takes."""

    def __init__(self, statement: UpdateBase, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._order = compiled.positiontup if compiled.positional else None
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Execute the statement for each of `rows` and return how many rows it changed in all."""
        full = [{**self._fixed, **row} for row in rows] if self._fixed else rows
        if self._order is None:
            return connection.exec_driver_sql(self._sql, [dict(row) for row in full]).rowcount
        order = self._order
        return connection.exec_driver_sql(self._sql, [tuple([row[name] for name in order]) for row in full]).rowcount


class Transactions:
    """Owns the writer's connection, the tree's frontier and the committed head. For one thread at a time."""

    def __init__(self, database: Database, signer: Signer, checkpoint_every: int) -> None:
        self._database = database
        self._signer = signer
        self._every = checkpoint_every
        dialect = database.engine.dialect
        self._alone = dialect.name == "sqlite"
        make = sqlite.insert if self._alone else postgresql.insert
        kept = make(cases)
        self._insert_entry = _Prepared(insert(ledger_entries), dialect)
        self._insert_message = _Prepared(
            make(outbox)
            .values({column: bindparam(column) for column in _MESSAGE})
            .on_conflict_do_nothing(index_elements=["sink", "dedupe_key"]),
            dialect,
        )
        self._insert_case = _Prepared(
            kept.values({column: bindparam(column) for column in _CASE}).on_conflict_do_update(
                index_elements=["digest"],
                set_={column: kept.excluded[column] for column in ("sealed", "key_id", "expires_at")},
                where=cases.c.masked_at.is_(None) & (cases.c.expires_at < kept.excluded.expires_at),
            ),
            dialect,
        )
        self._set_head = _Prepared(
            update(ledger_head)
            .where(ledger_head.c.id == 1, ledger_head.c.size == bindparam("old_size"))
            .values({column: bindparam(f"new_{column}") for column in ("size", "root", "frontier", "recorded_at")}),
            dialect,
        )
        self._connection: Connection | None = None
        self._used = time.monotonic()
        """When the connection was used last; only for PostgreSQL."""
        self._frontier: Frontier | None = None
        self.head = Head(0, "")
        """The newest head that this process has seen on disk. Replaced, never changed: any thread may read it."""

    def load(self) -> None:
        """Read the head. Raises `ForkedLedgerError` for a damaged one and SQLAlchemy's errors."""
        connection = self._connected()
        with connection.begin():
            self._adopt(self._read_head(connection))

    def commit(self, group: Sequence[Append]) -> list[Receipt]:
        """Write `group` durably and return where each entry is.

        Raises SQLAlchemy's errors, and then nothing was acknowledged and `reset` must follow; `ForkedLedgerError` when
        the head on disk is not the one that was left there.
        """
        try:
            return self._commit(group)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _VICTIM:
                raise
            # PostgreSQL has ended one of two transactions that waited for each other; once more, and the other is done.
            return self._commit(group)

    def _commit(self, group: Sequence[Append]) -> list[Receipt]:
        connection = self._connected()
        with connection.begin():
            frontier = self._frontier.copy() if self._frontier is not None else self._read_head(connection)
            before = frontier.size
            rows, notes = self._grow(frontier, group)
            # First of all: whoever finds the head elsewhere must write nothing.
            changed = self._set_head.run(
                connection,
                [
                    {
                        "old_size": before,
                        "new_size": frontier.size,
                        "new_root": frontier.root(),
                        "new_frontier": frontier.dump(),
                        "new_recorded_at": group[-1].entry.recorded_at,
                    }
                ],
            )
            if changed != 1:
                raise ForkedLedgerError(
                    _TRIED,
                    f"the head on disk is not at {before} entries, where this process left it",
                    "Stop the other process that writes to this database, and run `proctor ledger verify`",
                )
            self._insert_entry.run(connection, rows)
            self._write_beside(connection, group)
            for size, note in notes:
                created = {"size": size, "note": note, "created_at": group[-1].entry.recorded_at}
                connection.execute(insert(ledger_checkpoints).values(created))
        self._adopt(frontier)
        return [Receipt(row["entry_index"], row["leaf"].hex()) for row in rows]

    def sign_head(self, created_at: str) -> None:
        """Store a signed checkpoint of the whole ledger, unless there is one. Raises like `commit`."""
        connection = self._connected()
        with connection.begin():
            frontier = self._read_head(connection)
            stored = select(ledger_checkpoints.c.size).where(ledger_checkpoints.c.size == frontier.size)
            if connection.execute(stored).first() is None:
                note = self._signer.sign(Checkpoint(frontier.size, frontier.root()))
                row = {"size": frontier.size, "note": note, "created_at": created_at}
                connection.execute(insert(ledger_checkpoints).values(row))

    def set_anchor(self, anchor: Anchor) -> None:
        """Store where the clocks stand, for the next process."""
        connection = self._connected()
        with connection.begin():
            row = update(ledger_head).where(ledger_head.c.id == 1)
            connection.execute(row.values(boot_id=anchor.boot_id, clock_offset=anchor.offset))

    def probe(self) -> None:
        """Find out whether the database takes writes again, without writing anything. Raises SQLAlchemy's errors."""
        connection = self._connected()
        with connection.begin():
            row = update(ledger_head).where(ledger_head.c.id == 1)
            connection.execute(row.values(size=ledger_head.c.size))
            self._adopt(self._read_head(connection))

    def reset(self) -> None:
        """Forget the connection and the frontier after an error; the next transaction reads the head again."""
        connection, self._connection, self._frontier = self._connection, None, None
        if connection is not None:
            connection.close()  # detached: this closes the driver's own connection

    def _connected(self) -> Connection:
        if self._connection is not None and not self._alone:
            self._connection = self._still_there(self._connection)
        if self._connection is None:
            connection = self._database.engine.connect()
            try:
                connection.detach()  # it has settings of its own, so the pool must not hand it to others
                if self._alone:
                    cursor = connection.connection.cursor()
                    cursor.execute("PRAGMA wal_autocheckpoint=0")
                    cursor.close()
            except SQLAlchemyError:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _still_there(self, connection: Connection) -> Connection | None:
        """Return the connection, or None when the server has gone, or was restarted, while nobody appended."""
        idle, self._used = time.monotonic() - self._used, time.monotonic()
        if idle < _IDLE:
            return connection
        try:
            connection.exec_driver_sql("SELECT 1")
            connection.rollback()
        except SQLAlchemyError:
            connection.close()
            return None
        return connection

    def _read_head(self, connection: Connection) -> Frontier:
        row = connection.execute(_HEAD).first()
        if row is None:
            raise ForkedLedgerError(_TRIED, "the head row is missing", "Restore the database from a backup")
        try:
            frontier = Frontier.load(row.size, bytes(row.frontier))
        except ValueError as error:
            raise ForkedLedgerError(_TRIED, f"the head is damaged: {error}", "Restore it from a backup") from error
        if frontier.root() != bytes(row.root):
            raise ForkedLedgerError(_TRIED, "the head's root is not its frontier's", "Restore it from a backup")
        return frontier

    def _adopt(self, frontier: Frontier) -> None:
        self._frontier = frontier if self._alone else None
        self.head = Head(frontier.size, frontier.root().hex())

    def _grow(self, frontier: Frontier, group: Sequence[Append]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
        """Append `group` to the tree; return the entries' rows, and the checkpoints that are due within them."""
        rows, notes = [], []
        for append in group:
            entry = append.entry
            record = entry.at(frontier.size)
            leaf = leaf_hash(record)
            rows.append(
                {"entry_index": frontier.size, "id": entry.id, "kind": entry.kind, "record": record, "leaf": leaf}
            )
            frontier.append(leaf)
            if frontier.size % self._every == 0:
                notes.append((frontier.size, self._signer.sign(Checkpoint(frontier.size, frontier.root()))))
        return rows, notes

    def _write_beside(self, connection: Connection, group: Sequence[Append]) -> None:
        messages = [
            {
                "sink": message.sink,
                "event_type": message.event_type,
                "subject": message.subject,
                "body": message.body,
                "dedupe_key": message.dedupe_key,
                "created_at": append.entry.recorded_at,
                "next_at": append.entry.recorded_at,
            }
            for append in group
            for message in append.outbox
        ]
        if messages:
            self._insert_message.run(connection, messages)
        kept = [
            {column: getattr(append.case, column) for column in _CASE} for append in group if append.case is not None
        ]
        if kept:
            self._insert_case.run(connection, kept)
        for append in group:
            for statement in append.also:
                execute(connection, statement)


_MESSAGE: Final = ("sink", "event_type", "subject", "body", "dedupe_key", "created_at", "next_at")
_CASE: Final = ("digest", "sealed", "key_id", "created_at", "expires_at")
