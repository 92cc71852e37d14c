"""The ledger: groups against single commits, our writer against bare sqlite3, verification against bare hashing."""

import asyncio
import hashlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from proctor.ledger import verify, writer
from proctor.ledger.clock import Clock
from proctor.ledger.merkle import Frontier, leaf_hash
from proctor.ledger.records import Entry, encode
from proctor.ledger.wal import WalFolder
from proctor.ledger.writer import Ledger
from proctor.store.database import Database
from proctor.store.tables import ledger_entries
from tests.bench.board import Board, interleaved, pairs, spread
from tests.bench.conftest import Bench, bodies

ROUNDS = 5
SECONDS = 0.8
RECORD = {"outcome": "allow", "text": "x" * 6_000}
"""About 6.2 KB, as the ledger's figures were measured with."""
LEAVES = 10_000


@pytest.fixture
def opened(state_dir: Path) -> Iterator[tuple[Ledger, Database]]:
    database = Database.open(f"sqlite:///{state_dir / 'ledger.db'}")
    ledger = Ledger.open(database, state_dir, clock=Clock())
    try:
        yield ledger, database
    finally:
        ledger.close_now()
        database.close()


_numbers = iter(range(10**9))


def _rate(append: Callable[[int], Any], clients: int) -> float:
    """Return appends a second of as many closed-loop callers."""

    async def one(until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            await append(next(_numbers))
            done += 1
        return done

    async def all_of_them() -> float:
        began = time.perf_counter()
        done = await asyncio.gather(*(one(began + SECONDS) for _ in range(clients)))
        return sum(done) / (time.perf_counter() - began)

    return asyncio.run(all_of_them())


def _ours(ledger: Ledger) -> Callable[[int], Any]:
    return lambda number: ledger.append(Entry("decision", f"dec_{number:026d}", RECORD))


@pytest.mark.parametrize(("clients", "slow", "least"), [(8, 0.0, 3.0), (32, 0.0, 4.0), (32, 0.008, 20.0)])
@pytest.mark.timeout(120)
def test_groups_against_a_commit_for_each(
    opened: tuple[Ledger, Database],
    board: Board,
    monkeypatch: pytest.MonkeyPatch,
    clients: int,
    slow: float,
    least: float,
) -> None:
    """`slow` is what a disk's fsync takes beyond this one's, in seconds."""
    ledger, _ = opened
    commit = ledger._transactions.commit

    def slowed(group: Any) -> Any:
        time.sleep(slow)
        return commit(group)

    if slow:
        monkeypatch.setattr(ledger._transactions, "commit", slowed)

    def with_group(size: int) -> Callable[[], float]:
        def measure() -> float:
            monkeypatch.setattr(writer, "_GROUP", size)
            return _rate(_ours(ledger), clients)

        return measure

    grouped, single = interleaved(ROUNDS, with_group(512), with_group(1))
    disk = f", fsync +{slow * 1e3:.0f} ms" if slow else ""
    board.judge(f"appends, c={clients}{disk}, groups by single commits", pairs(grouped, single), least, at_least=True,
                noise=spread(single))  # fmt: skip


class _Raw:
    """The same rows with nothing but a thread, sqlite3 and groups: the bar for what SQLAlchemy and our form cost."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "raw.db"
        Database.open(f"sqlite:///{self._path}").close()  # the same tables with the same indexes
        self._clock = Clock()
        self._folder = WalFolder(self._path)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    async def append(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        encoded = encode(Entry("decision", f"dec_{number:026d}", RECORD), self._clock.now())
        self._queue.put((encoded, future, loop))
        await future

    def _run(self) -> None:
        frontier, size = Frontier(), 0
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            for pragma in ("synchronous=FULL", "wal_autocheckpoint=0"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("CREATE TABLE raw_head (size INTEGER, root BLOB)")
            connection.execute("INSERT INTO raw_head VALUES (0, x'')")
            while (first := self._queue.get()) is not None:
                group = [first]
                while not self._queue.empty() and (more := self._queue.get()) is not None:
                    group.append(more)
                rows = []
                for encoded, _, _ in group:
                    record = encoded.at(size)
                    leaf = leaf_hash(record)
                    frontier.append(leaf)
                    rows.append((size, encoded.id, encoded.kind, record, leaf))
                    size += 1
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_INSERT, rows)
                connection.execute("UPDATE raw_head SET size = ?, root = ?", (size, frontier.root()))
                connection.execute("COMMIT")
                self._folder.wrote(sum(len(row[3]) for row in rows))
                group[0][2].call_soon_threadsafe(_answer, [future for _, future, _ in group])

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._folder.close()


_INSERT = "INSERT INTO ledger_entries (entry_index, id, kind, record, leaf) VALUES (?, ?, ?, ?, ?)"


def _answer(futures: list["asyncio.Future[None]"]) -> None:
    for future in futures:
        future.set_result(None)


@pytest.mark.parametrize("clients", [1, 8, 32])
def test_our_writer_against_bare_sqlite(
    opened: tuple[Ledger, Database], board: Board, state_dir: Path, clients: int
) -> None:
    ledger, _ = opened
    raw = _Raw(state_dir)
    try:
        ours, bare = interleaved(ROUNDS, lambda: _rate(_ours(ledger), clients), lambda: _rate(raw.append, clients))
    finally:
        raw.close()
    board.judge(f"appends, c={clients}, by bare sqlite3", pairs(ours, bare), 0.85, at_least=True, noise=spread(bare))


@pytest.mark.timeout(120)
def test_verification_against_bare_hashing(
    opened: tuple[Ledger, Database], bench: Bench, board: Board, state_dir: Path
) -> None:
    """Of decisions as they are: a record of the server under measurement, again and again under new ids."""
    ledger, database = opened
    status, record = bench.server.call("POST", "/v1/decisions", bodies()[0], key=bench.key)
    assert status == 200

    async def fill() -> None:
        for begin in range(0, LEAVES, 500):
            await asyncio.gather(
                *(ledger.append(Entry("decision", f"dec_{begin + i:026d}", record)) for i in range(500))
            )

    asyncio.run(fill())
    rows = database.read(select(ledger_entries.c.record).limit(2_000))
    leaves = [b"\x00" + bytes(row.record) for row in rows]

    def verified() -> float:
        began = time.perf_counter()
        report = verify.verify_database(state_dir / "ledger.db", ledger.public_key)
        took = time.perf_counter() - began
        assert report.ok
        assert report.size == LEAVES
        return report.size / took

    def hashed() -> float:
        began = time.perf_counter()
        for _ in range(5):
            for leaf in leaves:
                hashlib.sha256(leaf).digest()
        return 5 * len(leaves) / (time.perf_counter() - began)

    ours, bare = interleaved(ROUNDS, verified, hashed)
    board.note("verification", f"{sorted(ours)[ROUNDS // 2]:,.0f} entries/s of {len(leaves[0])} bytes")
    board.judge("verification by bare SHA-256", pairs(ours, bare), 0.3, at_least=True, noise=spread(bare))
