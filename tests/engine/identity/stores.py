"""A real database and a real ledger in a throw-away directory, for tests of what is written through them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proctor.identity.people import Register
from proctor.ledger.clock import Clock
from proctor.ledger.writer import Ledger
from proctor.store.database import Database
from tests.live.databases import opened

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Hands:
    """A clock that is moved by hand. Also counts as the monotonic one."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def check(self) -> None:
        return

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    def advance(self, seconds: float = 0, *, days: float = 0) -> None:
        self.time += timedelta(seconds=seconds, days=days)


@dataclass
class Stores:
    database: Database
    ledger: Ledger
    hands: Hands
    path: Path

    def register(self) -> Register:
        return Register(
            database=self.database,
            ledger=self.ledger,
            clock=self.hands,
            pepper=b"p" * 32,
            monotonic=self.hands.monotonic,
        )


@asynccontextmanager
async def stores(state_dir: Path) -> AsyncIterator[Stores]:
    database = opened(state_dir)
    ledger = Ledger.open(database, state_dir, clock=Clock())
    try:
        yield Stores(database, ledger, Hands(), state_dir)
    finally:
        await ledger.close()
        database.close()
