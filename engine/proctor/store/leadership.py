"""What one server of several does for all of them: who does it, and who goes on when that one is gone."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
"""Seconds between two looks at who leads: about as long as nobody does after the leader has gone."""
_NAMESPACE: Final = 0x50524F4C
"""First half of our advisory locks of this kind: these bytes say PROL."""


class Leadership:
    """One among the servers on a database does the work called `name`. With SQLite there is one server, which does it.

    The lock is that of a connection, so it goes when the leader dies or can't reach the database, whatever it thinks
    itself: for up to a second two may lead. What they do twice then must do no harm.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._alone = engine.dialect.name == "sqlite"
        self._connection: Connection | None = None
        self._held = False

    async def run(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do `work` whenever this server leads, until cancelled. What it raises is raised."""
        if self._alone:
            await work()
            return None
        working: asyncio.Task[None] | None = None
        try:
            while True:
                leads = await asyncio.to_thread(self._leads)
                if leads and working is None:
                    log.info("store.leading", work=self._name)
                    working = asyncio.ensure_future(work())
                elif not leads and working is not None:
                    log.warning("store.leading_no_more", work=self._name)
                    await _stopped(working)
                    working = None
                if working is None:
                    await asyncio.sleep(EVERY)
                    continue
                await asyncio.wait({working}, timeout=EVERY)
                if working.done():
                    return await working
        finally:
            if working is not None:
                await _stopped(working)
            await asyncio.shield(asyncio.to_thread(self._let_go))

    def _leads(self) -> bool:
        """Tell whether the lock is ours, taking it if nobody has it."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._connection.detach()  # the pool must not hand it to others
            if self._held:
                self._connection.exec_driver_sql("SELECT 1")
            else:
                lock = func.pg_try_advisory_lock(_NAMESPACE, func.hashtext(self._name))
                self._held = bool(self._connection.execute(select(lock)).scalar())
        except SQLAlchemyError as error:
            log.debug("store.not_leading", work=self._name, error=str(error))
            self._let_go()
        return self._held

    def _let_go(self) -> None:
        connection, self._connection, self._held = self._connection, None, False
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()  # detached: this closes the driver's own connection, and the lock ends with it


async def _stopped(working: "asyncio.Task[None]") -> None:
    working.cancel()
    await asyncio.wait({working})
