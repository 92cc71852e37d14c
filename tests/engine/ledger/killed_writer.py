"""A process that appends as fast as it can and prints each receipt when it has it, until it is killed.

python killed_writer.py STATE_DIR DATABASE_URL ROUND
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from proctor.ledger.cases import Case
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.store.database import Database

CALLERS = 16


async def main(state_dir: Path, url: str, round_: str) -> None:
    database = Database.open(url)
    ledger = Ledger.open(database, state_dir, clock=Clock(), checkpoint_every=50)
    numbers = itertools.count()

    async def append() -> None:
        for number in numbers:
            name = f"dec_{round_}_{number}"
            receipt = await ledger.append(
                Entry("decision", name, {"padding": "x" * 1000}),
                outbox=[OutboxMessage("soc", "t", name, b"{}", name)],
                case=Case(name, "key", "2026", "2027", b"sealed"),
            )
            os.write(1, f"{receipt.index} {receipt.leaf} {name}\n".encode())  # one write: whole lines only

    await asyncio.gather(*(append() for _ in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
