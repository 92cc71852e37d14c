"""Keeps what registers hold in memory in step with the other servers on the same database.

Each register has a version there, raised in the transaction of every change. Whoever is about to answer looks at the
versions first and reads again what has changed, so a change that was confirmed by one server counts on every other for
each call that arrives after that. One look serves everybody who came before it began. On SQLite there is one server:
nothing is looked at, and nothing is written.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Connection, Engine, Executable, delete, func, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from proctor.errors import StateError
from proctor.store.tables import register_changes, register_versions
from proctor.vocabulary.reasons import Reason

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
"""Seconds between two looks while nobody asks anything: how late at most what happens by itself can be."""
LIMIT: Final = 2.0
"""Seconds for one look. A database that can't say within them what has changed leaves nothing to decide on."""
FRESH: Final = 0.1
"""Seconds for which the look at a call's arrival is good enough for its decision: it may have waited for its turn."""
LOCK_LIMIT: Final = 5.0
"""Seconds to wait while another server changes the same register."""
_MANY: Final = 500
"""Changed keys beyond which reading everything costs no more than reading each."""
_KEPT: Final = 10_000
"""Versions of each register of which is kept what they changed."""
_NAMESPACE: Final = 0x50524F43
"""First half of our advisory locks; these bytes say PROC."""
_MUST_CHANGE: Final = "proctor_must_change"
_TRIED: Final = "looking for what other servers have changed"
_arrived: ContextVar[tuple[float, StateError | None]] = ContextVar("proctor_arrived")
"""When the call that this context belongs to arrived, in the loop's seconds, and what came of the look then."""


class ChangedMeanwhileError(SQLAlchemyError):
    """Another server has changed the register since it was looked at: what was about to be written rests on nothing."""


class Followed(Protocol):
    """A register in memory."""

    def read(self, connection: Connection, keys: frozenset[str] | None) -> Any:
        """Read what `keys` name, in the register's own way, or everything; in another thread, and change nothing."""
        ...

    def apply(self, found: Any) -> None:
        """Put what `read` found in the place of what is in memory; no I/O."""
        ...


def execute(connection: Connection, statement: Executable) -> int:
    """Execute and return how many rows that changed. Raises `ChangedMeanwhileError` for a claim that came too late."""
    result = connection.execute(statement, execution_options={"preserve_rowcount": True})
    changed = int(getattr(result, "rowcount", 0))
    register = statement.get_execution_options().get(_MUST_CHANGE)
    if register is not None and changed != 1:
        raise ChangedMeanwhileError(f"another server has changed the register of {register} in the meantime; try again")
    return max(changed, 0)


class Changes:
    """The changes of one register: what other servers did, and what this one is about to do."""

    def __init__(self, following: "Following", name: str, register: Followed) -> None:
        self.name = name
        self.register = register
        self.version = -1
        self.token = ""
        self._following = following
        self._lock = asyncio.Lock()
        self._seen = self._own = ""

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Let nobody else change the register, on any server, and know what others have changed before.

        Raises `StateError` when the database does not answer, or another server is at it for longer than `LOCK_LIMIT`.
        """
        async with self._lock, self._following.lock(self.name):
            if self.version < 0 and not self._following.alone:
                await asyncio.to_thread(self.load)
            await self._following.look()
            self._seen, self._own = self.token, secrets.token_hex(8)
            yield

    def claim(self, *keys: str) -> list[Executable]:
        """Return what goes first into the transaction of a change: it fails when another server was faster.

        Only inside `writing`, where several may be under way at once.
        """
        if self._following.alone:
            return []
        raised = self._raised(self._own).where(register_versions.c.token.in_([self._seen, self._own]))
        return [raised.execution_options(**{_MUST_CHANGE: self.name}), *self._named(keys)]

    def note(self, *keys: str) -> list[Executable]:
        """Return what goes first into the transaction of a change that rests on nothing that was there before."""
        return [] if self._following.alone else [self._raised(secrets.token_hex(8)), *self._named(keys)]

    def _raised(self, token: str) -> Any:
        columns = register_versions.c
        return (
            update(register_versions)
            .where(columns.register == self.name)
            .values(version=columns.version + 1, token=token)
        )

    def _named(self, keys: Sequence[str]) -> list[Executable]:
        columns = register_versions.c
        chosen = select(columns.register, columns.version)
        return [
            insert(register_changes).from_select(
                ["register", "version", "changed_key"],
                chosen.add_columns(literal(key)).where(columns.register == self.name),
            )
            for key in dict.fromkeys(keys)
        ]

    def load(self) -> None:
        """Read the whole register into memory. Call it once, before anything else; raises `StateError`."""
        self._following.load(self)


@dataclass(frozen=True, slots=True)
class _Found:
    changes: Changes
    version: int
    token: str
    content: Any


class Following:
    """All registers of one server that other servers may change. `Database.following` is the one to use."""

    def __init__(self, engine: Engine, snapshot: Callable[[], AbstractContextManager[Connection]]) -> None:
        self.alone = engine.dialect.name == "sqlite"
        """True: no other server can be there."""
        self.trouble: str | None = None
        """Why the newest look failed; None when it did not."""
        self._engine = engine
        self._snapshot = snapshot
        self._followed: list[Changes] = []
        # A thread of its own: a look must not queue behind slow reads.
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    def add(self, name: str, register: Followed) -> Changes:
        """Follow a register; `Changes.load` fills it."""
        return Changes(self, name, register)

    def load(self, changes: Changes) -> None:
        """Read a register into memory, and follow it from there on."""
        if not self.alone:
            there = postgresql.insert(register_versions).values(register=changes.name, version=0, token="")
            try:
                with self._engine.begin() as connection:
                    connection.execute(there.on_conflict_do_nothing())
            except SQLAlchemyError as error:
                raise _failed(error) from error
        with self._snapshot() as connection:
            if not self.alone:
                changes.version, changes.token = _versions(connection)[changes.name]
            content = changes.register.read(connection, None)
        changes.register.apply(content)
        if not self.alone and changes not in self._followed:
            self._followed.append(changes)

    # --- Looking -----------------------------------------------------------------------------------------------------

    async def arrive(self) -> StateError | None:
        """Look, once for the call that arrives now, and return why that failed; `require` remembers it."""
        now, error = asyncio.get_running_loop().time(), None
        try:
            await self.look()
        except StateError as failed:
            error = failed
        _arrived.set((now, error))
        return error

    async def require(self) -> None:
        """Return if what is in memory holds: by the look at the call's arrival, or by one now if that is long ago.

        Raises `StateError` with a reason code when that can't be told.
        """
        if self.alone:
            return
        arrived, error = _arrived.get((-inf, None))
        if error is not None:
            # Even if the database is back: who calls was found out without it.
            raise StateError(error.tried, error.found, error.remedy, error.reason)
        if asyncio.get_running_loop().time() - arrived > FRESH:
            await self.look()

    async def look(self) -> None:
        """Return when everything counts that was confirmed anywhere before this call. Raises `StateError`."""
        if self.alone:
            return
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._under_way, self._next = loop, None, None
        if self._next is None:
            self._next = loop.create_task(self._look(self._under_way), name="look")
            self._next.add_done_callback(_heard)
        # Many wait for one look, and one who gives up takes it from nobody.
        await asyncio.shield(self._next)

    async def _look(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait({before})
        # Whoever comes from here on may have been told of something that this look does not see.
        self._under_way, self._next = self._next, None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="proctor-following")
        try:
            async with asyncio.timeout(LIMIT):
                found = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
        except TimeoutError as error:
            self.trouble = f"the database did not answer within {LIMIT:g} s"
            raise _failed(error, self.trouble) from error
        except StateError as error:
            self.trouble = error.found
            raise
        for one in found:
            one.changes.version, one.changes.token = one.version, one.token
            one.changes.register.apply(one.content)
        self.trouble = None

    async def run(self) -> None:
        """Look from time to time until cancelled, for what nobody's call brings to light."""
        while True:
            known = self.trouble
            try:
                await self.look()
            except StateError as error:
                if known is None:
                    log.warning("store.not_following", error=str(error))
            else:
                if known is not None:
                    log.info("store.following_again")
            await asyncio.sleep(EVERY)

    def _read(self) -> list[_Found]:
        """Do one look, in its own thread."""
        try:
            versions = self._current()
            behind = [one for one in self._followed if versions[one.name][0] != one.version]
            if not behind:
                return []
            with self._snapshot() as connection:
                versions = _versions(connection)
                return [_found(connection, one, *versions[one.name]) for one in behind]
        except (SQLAlchemyError, KeyError) as error:
            raise _failed(error) from error

    def _current(self) -> dict[str, tuple[int, str]]:
        if self._connection is not None:
            try:
                return _versions(self._connection)
            except SQLAlchemyError:
                # It may be the old connection that is broken, and not the database.
                self._forget()
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.detach()  # it has a setting of its own, so the pool must not hand it to others
        self._connection.exec_driver_sql(f"SET statement_timeout = {int(LIMIT * 1000)}")
        return _versions(self._connection)

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()  # detached: this closes the driver's own connection

    # --- Changing ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of a name, of which there is one among all servers. Raises `StateError`.

        It ends with its connection, so it can be lost; what must not depend on it is claimed (`Changes.claim`).
        """
        if self.alone:
            yield
            return
        taking = asyncio.ensure_future(asyncio.to_thread(self._take, name))
        try:
            connection = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(_given_back)
            raise
        try:
            yield
        finally:
            await asyncio.shield(asyncio.to_thread(connection.close))

    def _take(self, name: str) -> Connection:
        connection: Connection | None = None
        try:
            connection = self._engine.connect()
            connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_LIMIT * 1000)}"))
            connection.execute(select(func.pg_advisory_xact_lock(_NAMESPACE, func.hashtext(name))))
        except SQLAlchemyError as error:
            if connection is not None:
                connection.close()
            raise StateError(
                f"changing the register of {name}", str(getattr(error, "orig", None) or error),
                "Another server may be changing it: try again",
            ) from error  # fmt: skip
        return connection

    def forget(self) -> int:
        """Delete the notes of all but the newest changes, and return how many; who is that far behind reads all."""
        if self.alone:
            return 0
        changes, versions = register_changes.c, register_versions.c
        old = delete(register_changes).where(
            changes.register == versions.register, changes.version <= versions.version - _KEPT
        )
        try:
            with self._engine.begin() as connection:
                return connection.execute(old).rowcount
        except SQLAlchemyError as error:
            raise _failed(error) from error

    def close(self) -> None:
        """Let go of thread and connection."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
        self._forget()


def _heard(look: "asyncio.Task[None]") -> None:
    """Take note of a failure that all who waited for it have given up on; `trouble` says it."""
    if not look.cancelled():
        look.exception()


def _given_back(taking: "asyncio.Future[Connection]") -> None:
    if not taking.cancelled() and taking.exception() is None:
        taking.result().close()


def _versions(connection: Connection) -> dict[str, tuple[int, str]]:
    rows = connection.exec_driver_sql("SELECT register, version, token FROM register_versions")
    return {register: (version, token) for register, version, token in rows.all()}


def _found(connection: Connection, changes: Changes, version: int, token: str) -> _Found:
    content = changes.register.read(connection, _keys(connection, changes, version))
    return _Found(changes, version, token, content)


def _keys(connection: Connection, changes: Changes, version: int) -> frozenset[str] | None:
    """Return what has changed since the register was read; None where that is not known, or is much."""
    if version < changes.version:
        return None  # the database was restored from a backup
    columns = register_changes.c
    wanted = select(columns.version, columns.changed_key).where(
        columns.register == changes.name, columns.version > changes.version
    )
    rows = connection.execute(wanted.order_by(columns.version).limit(_MANY + 1)).all()
    # The oldest notes are removed after a while: then the first one that is needed is not there.
    if not rows or len(rows) > _MANY or rows[0].version != changes.version + 1:
        return None
    return frozenset(row.changed_key for row in rows)


def _failed(error: Exception, found: str | None = None) -> StateError:
    return StateError(
        _TRIED, found or str(getattr(error, "orig", None) or error), "See whether the database runs",
        Reason.LEDGER_UNAVAILABLE,
    )  # fmt: skip
