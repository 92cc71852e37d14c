"""The database: how connections are opened on SQLite and PostgreSQL, and reading and writing outside the ledger.

Every write is one transaction and on SQLite begins `IMMEDIATE`, because a transaction that turns from reading to
writing half-way fails at once under load instead of waiting for its turn.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Executable, Row, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql.dml import UpdateBase

from proctor.errors import SettingsError, StateError
from proctor.store import schema
from proctor.store.following import Following
from proctor.store.following import execute as execute_one
from proctor.store.tables import LEDGER_TABLES

BUSY_TIMEOUT: Final = 10.0
"""Seconds to wait for SQLite's write lock. Longer than any commit of ours on a slow disk."""
_READING: Final = "proctor_reading"
_MIGRATING: Final = 0x50524F43_00000001
"""PostgreSQL's advisory locks are numbers that a database's users agree on: these four bytes say PROC."""
_CONNECTING: Final = {
    "application_name": "proctor",
    # Seconds. A database host that has vanished says nothing at all: without these, the kernel waits for two hours.
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    # Milliseconds until what was sent must have been acknowledged.
    "tcp_user_timeout": 10_000,
}
"""libpq's own names: https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""
AnyRow = Row[*tuple[Any, ...]]
"""A row with any number of columns."""
T = TypeVar("T")


class Database:
    """Tables outside the ledger, from any thread or event loop. `open` makes one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(**{_READING: True})
        self.following = Following(engine, self.snapshot)
        """What other servers on this database change."""

    @classmethod
    def open(cls, settings_url: str) -> Self:
        """Open the database at a SQLAlchemy URL, creating and migrating it.

        A SQLite file and its directory are created private to this user. Raises `SettingsError` for a URL that is
        neither SQLite on disk nor PostgreSQL, and `StateError` when the database can't be opened or migrated.
        """
        url = _checked(settings_url)
        shown = url.render_as_string(hide_password=True)
        try:
            engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
        except OSError as error:
            raise StateError(f"opening {shown}", str(error), "Give the directory to this user") from error
        database = cls(engine)
        try:
            with database.transaction() as connection:
                if connection.dialect.name == "postgresql":
                    # Two servers may start on an empty database at the same time.
                    connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
                schema.migrate(connection)
        except SQLAlchemyError as error:
            engine.dispose()
            raise StateError(
                f"opening {shown}", _cause(error), "Check the URL, the file's owner and the space left"
            ) from error
        except StateError:
            engine.dispose()
            raise
        return database

    @property
    def path(self) -> Path | None:
        """Return the SQLite file; None on PostgreSQL."""
        return Path(str(self.engine.url.database)) if self.engine.dialect.name == "sqlite" else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection inside one writing transaction; commit at the end, roll back on an exception."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Lend a connection that sees the database as it is at its first read. For reading only; raises like `read`."""
        try:
            with self._reader.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
                yield connection
        except SQLAlchemyError as error:
            raise StateError("reading the database", _cause(error), _REMEDY) from error

    def read(self, statement: Executable) -> list[AnyRow]:
        """Return all rows of `statement`. Raises `StateError` when the database does not answer."""
        try:
            with self._reader.connect() as connection:
                return list(connection.execute(statement).all())
        except SQLAlchemyError as error:
            raise StateError("reading the database", _cause(error), _REMEDY) from error

    def write(self, *statements: Executable) -> int:
        """Execute `statements` in one transaction and return how many rows they changed in all.

        Raises `StateError` when the database refuses one, and then none has had an effect; also for a statement
        on a table that belongs to the ledger.
        """
        refuse_ledger_tables(statements)

        def execute(connection: Connection) -> int:
            return sum(execute_one(connection, statement) for statement in statements)

        return self.transact(execute)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one writing transaction and return what it returns. Raises like `write`."""
        try:
            with self.transaction() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise StateError("writing to the database", _cause(error), _REMEDY) from error

    async def aread(self, statement: Executable) -> list[AnyRow]:
        """Do `read` without holding up the event loop."""
        return await asyncio.to_thread(self.read, statement)

    async def awrite(self, *statements: Executable) -> int:
        """Do `write` without holding up the event loop."""
        return await asyncio.to_thread(self.write, *statements)

    async def atransact(self, work: Callable[[Connection], T]) -> T:
        """Do `transact` without holding up the event loop; `work` runs in another thread."""
        return await asyncio.to_thread(self.transact, work)

    def close(self) -> None:
        """Close all connections. The last one on SQLite folds the write-ahead log into the file."""
        self.following.close()
        self.engine.dispose()


_REMEDY: Final = "See the database's own message, and the space left on its disk"


def refuse_ledger_tables(statements: Sequence[Executable]) -> None:
    """Raise `StateError` when one of `statements` changes a table that belongs to the ledger."""
    for statement in statements:
        if isinstance(statement, UpdateBase) and statement.table in LEDGER_TABLES:
            raise StateError(
                f"writing to {statement.table}", "only the ledger's own writer does", "Append an entry to the ledger"
            )


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)


def _checked(settings_url: str) -> URL:
    tried = "reading the database URL"
    remedy = "Use sqlite:////absolute/path.db or postgresql://user@host/name"
    try:
        url = make_url(settings_url)
    except ArgumentError as error:
        raise SettingsError(tried, str(error), remedy) from error
    backend = url.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise SettingsError(tried, f"{backend} is not supported", remedy)
    if backend == "sqlite" and (not url.database or ":memory:" in url.database or url.database.startswith("file:")):
        raise SettingsError(tried, "the ledger needs SQLite in a file", remedy)
    return url


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database)).absolute()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its -wal and -shm files the permissions of the database itself.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    engine = create_engine(
        url.set(drivername="sqlite", database=str(path)),
        # The driver's own transactions begin late; ours begin in `_begin`.
        connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    try:
        # One driver that speaks both ways of calling; `pool_pre_ping` because servers restart.
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_timeout=BUSY_TIMEOUT,
            connect_args={name: value for name, value in _CONNECTING.items() if name not in url.query},
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            "opening PostgreSQL", f"no {error.name}", "Install the extra: pip install 'proctor[postgres]'"
        ) from error
