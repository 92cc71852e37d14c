"""A ledger on a real SQLite file, and entries to put into it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proctor.ledger.clock import Clock
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.store.database import Database
from tests.live.databases import opened


@pytest.fixture
def database(state_dir: Path) -> Iterator[Database]:
    database = opened(state_dir)
    yield database
    database.close()


@pytest.fixture
async def ledger(database: Database, state_dir: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger.open(database, state_dir, clock=Clock(), checkpoint_every=10)
    yield ledger
    await ledger.close()


@pytest.fixture
def entry() -> Callable[..., Entry]:
    def make(number: int = 0, **fields: Any) -> Entry:
        return Entry("decision", f"dec_{number:026d}", {"outcome": "allow", "number": number, **fields})

    return make
