"""Several servers that write to one ledger on PostgreSQL: one tree, one sequence, one signed history."""

import asyncio
import itertools
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from proctor.errors import LedgerError, StateError
from proctor.ledger import merkle
from proctor.ledger.bundles import BundleStore
from proctor.ledger.clock import Clock
from proctor.ledger.records import Entry, Receipt
from proctor.ledger.signing import Checkpoint, Signer
from proctor.ledger.writer import Ledger
from proctor.store.database import Database
from proctor.store.tables import ledger_checkpoints, ledger_entries, waivers
from tests.live import postgres
from tests.live.postgres import url_of, verified

SERVERS = 3
EACH = 300
EVERY = 50

Make = Callable[..., Entry]


@pytest.fixture
def state_dirs(postgresql: postgres.Server) -> Iterator[list[Path]]:
    """Return the state directories of servers on one database; the second and third have copies of the first's keys."""
    with postgresql.database() as url, tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as base:
        found = [Path(base) / str(number) for number in range(SERVERS)]
        found[0].mkdir(mode=0o700)
        Signer.load_or_create(found[0])
        for other in found[1:]:
            shutil.copytree(found[0], other)
        with postgres.beside(found[0], url):
            yield found


def _appending(url: str, state_dir: Path, number: int, receipts: list[Receipt], begin: threading.Barrier) -> None:
    database = Database.open(url)
    ledger = Ledger.open(database, state_dir, clock=Clock(), checkpoint_every=EVERY)

    async def append() -> None:
        for first in range(0, EACH, 10):  # ten at a time, so that groups of the servers take turns
            entries = [Entry("decision", f"dec_{number}_{first + n}", {"server": number}) for n in range(10)]
            receipts.extend(await asyncio.gather(*(ledger.append(entry) for entry in entries)))

    begin.wait(20)
    asyncio.run(append())
    ledger.close_now()
    database.close()


def test_concurrent_servers_grow_one_tree_without_a_gap(state_dirs: list[Path]) -> None:
    url = url_of(state_dirs[0])
    receipts: list[Receipt] = []
    begin = threading.Barrier(SERVERS)
    threads = [
        threading.Thread(target=_appending, args=(url, state_dir, number, receipts, begin))
        for number, state_dir in enumerate(state_dirs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    signer = Signer.load_or_create(state_dirs[0])
    report = verified(state_dirs[0], signer.public_key)
    assert (report.problems, report.size, report.signed_size) == ([], SERVERS * EACH, SERVERS * EACH)
    database = Database.open(url)
    rows = database.read(select(ledger_entries).order_by(ledger_entries.c.entry_index))
    notes = database.read(select(ledger_checkpoints).order_by(ledger_checkpoints.c.size))
    database.close()
    assert [row.entry_index for row in rows] == list(range(SERVERS * EACH))
    leaves = [bytes(row.leaf) for row in rows]
    assert {(receipt.index, receipt.leaf) for receipt in receipts} == {(n, leaf.hex()) for n, leaf in enumerate(leaves)}
    writers = [row.id.split("_")[1] for row in rows]
    turns = sum(one != other for one, other in itertools.pairwise(writers))
    assert turns > SERVERS, "they wrote one after the other: that proves nothing"
    assert {note.size for note in notes} >= set(range(EVERY, SERVERS * EACH + 1, EVERY))
    for note in notes:
        assert signer.open(note.note) == Checkpoint(note.size, merkle.root_of(leaves[: note.size]))


def test_a_server_opens_while_another_appends(state_dirs: list[Path]) -> None:
    url, stop = url_of(state_dirs[0]), threading.Event()
    database = Database.open(url)
    ledger = Ledger.open(database, state_dirs[0], clock=Clock())

    def press() -> None:
        async def append() -> None:
            number = 0
            while not stop.is_set():
                await asyncio.gather(*(ledger.append(Entry("decision", f"dec_{number + n}", {})) for n in range(5)))
                number += 5

        asyncio.run(append())

    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        for _ in range(20):
            other = Database.open(url)
            Ledger.open(other, state_dirs[1], clock=Clock()).close_now()
            other.close()
    finally:
        stop.set()
        pressing.join()
        ledger.close_now()
        database.close()
    assert verified(state_dirs[0], ledger.public_key).ok


def test_servers_that_start_at_once_on_a_database_without_tables_agree(postgresql: postgres.Server) -> None:
    with postgresql.blank() as url:
        failures: list[BaseException] = []
        begin = threading.Barrier(SERVERS)

        def start() -> None:
            begin.wait(20)
            try:
                database = Database.open(url)
                BundleStore(database, Clock()).put("sha256:1", "r1", b"the archive")
                database.close()
            except Exception as error:  # noqa: BLE001 (asserted below)
                failures.append(error)

        threads = [threading.Thread(target=start) for _ in range(SERVERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


async def test_a_lost_connection_costs_an_entry_at_most_and_mends_itself(
    state_dirs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proctor.ledger.writer._RETRY", 0.02)
    url = url_of(state_dirs[0])
    database = Database.open(url)
    ledger = Ledger.open(database, state_dirs[0], clock=Clock())
    await ledger.append(Entry("decision", "dec_0", {}))
    with postgres.connect(url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(LedgerError, match="terminating connection"):
        await ledger.append(Entry("decision", "dec_1", {}))
    assert not ledger.healthy
    async with asyncio.timeout(10):
        while not ledger.healthy:  # noqa: ASYNC110 (what is waited for happens in a thread)
            await asyncio.sleep(0.005)
    assert (await ledger.append(Entry("decision", "dec_2", {}))).index == 1
    assert database.read(select(ledger_entries.c.id)) == [("dec_0",), ("dec_2",)]
    await ledger.close()
    database.close()


async def test_the_loser_of_a_deadlock_writes_once_more(state_dirs: list[Path]) -> None:
    url = url_of(state_dirs[0])
    database = Database.open(url)
    ledger = Ledger.open(database, state_dirs[0], clock=Clock())
    for name in ("w1", "w2"):
        row = {"id": name, "document": {}, "subject_digest": "", "environment": "", "updated_at": ""}
        database.write(insert(waivers).values(row))
    touched = [update(waivers).where(waivers.c.id == name).values(updated_at="ours") for name in ("w1", "w2")]
    with closing(postgres.connect(url)) as other:
        other.execute("SET deadlock_timeout = '30s'")  # so that the ledger's side finds out, and loses
        other.execute("BEGIN; UPDATE waivers SET updated_at = 'theirs' WHERE id = 'w2'")
        appending = asyncio.ensure_future(ledger.append(Entry("waiver", "w", {}), also=touched))
        await asyncio.sleep(0.3)
        assert not appending.done()
        await asyncio.to_thread(other.execute, "UPDATE waivers SET updated_at = 'theirs' WHERE id = 'w1'")
        other.execute("COMMIT")
    assert (await appending).index == 0
    assert ledger.healthy
    assert set(database.read(select(waivers.c.updated_at))) == {("ours",)}
    await ledger.close()
    database.close()


def test_a_server_that_is_not_there_is_an_error(state_dirs: list[Path]) -> None:
    with pytest.raises(StateError, match="opening postgresql"):
        Database.open(f"postgresql://proctor@/none?host={state_dirs[0]}")
