"""A finished ledger on disk for tests that tamper with it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from proctor.ledger.clock import Clock
from proctor.ledger.records import Entry
from proctor.ledger.signing import Signer
from proctor.ledger.writer import Ledger
from proctor.store.database import Database

SIZE = 25
EVERY = 10
"""So there are checkpoints at 10, 20 and 25."""


@dataclass
class History:
    path: Path
    signer: Signer

    @property
    def public_key(self) -> str:
        return self.signer.public_key

    @contextmanager
    def tampering(self) -> Iterator[sqlite3.Connection]:
        """Lend what somebody has who may write the file: all triggers are gone."""
        with closing(sqlite3.connect(self.path)) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
            for name in names:
                connection.execute(f"DROP TRIGGER {name}")
            yield connection
            connection.commit()


def name_of(index: int) -> str:
    return f"dec_{index:026d}"


def make(folder: Path, size: int = SIZE) -> History:
    database = Database.open(f"sqlite:///{folder / 'proctor.db'}")
    ledger = Ledger.open(database, folder, clock=Clock(), checkpoint_every=EVERY)

    async def fill() -> None:
        entries = [Entry("decision", name_of(n), {"outcome": "deny", "subject": f"model-{n}"}) for n in range(size)]
        await asyncio.gather(*(ledger.append(entry) for entry in entries))
        await ledger.close()

    asyncio.run(fill())
    database.close()
    assert database.path is not None
    return History(database.path, Signer.load_or_create(folder))
