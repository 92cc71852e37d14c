"""The ledger on a real database: durability before acknowledgement, groups, one transaction, failures."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from proctor.errors import LedgerError, StateError
from proctor.ledger import merkle, transaction, writer
from proctor.ledger.cases import Case
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Entry, Receipt
from proctor.ledger.signing import Checkpoint
from proctor.ledger.writer import Ledger
from proctor.store import database as database_module
from proctor.store.database import Database
from proctor.store.tables import cases, ledger_checkpoints, ledger_entries, ledger_head, outbox, waivers
from tests.live.postgres import holding_the_ledger, url_of, verified

Make = Callable[..., Entry]


def holding_the_write_lock(database: Database) -> AbstractContextManager[None]:
    """Keep the writer from committing, so that what is appended meanwhile is one group."""
    return holding_the_ledger(database.engine.url)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (what is waited for happens in a thread)
            await asyncio.sleep(0.005)


def count(database: Database, table: Any) -> int:
    return int(database.read(select(func.count()).select_from(table))[0][0])


def group_sizes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    commit = ledger._transactions.commit

    def counted(group: list[transaction.Append]) -> list[Receipt]:
        sizes.append(len(group))
        return commit(group)

    monkeypatch.setattr(ledger._transactions, "commit", counted)
    return sizes


def waiver(name: str) -> Any:
    row = {"id": name, "document": {}, "subject_digest": "sha256:0", "environment": "prod", "updated_at": ""}
    return insert(waivers).values(row)


CASE = Case("sha256:1", "key", "2026-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z", b"sealed")
MESSAGE = OutboxMessage("soc", "proctor.decision", "subject", b"{}", "dec_1")


async def test_an_acknowledged_entry_is_on_disk(ledger: Ledger, state_dir: Path, entry: Make) -> None:
    receipt = await ledger.append(entry(1))
    other = Database.open(url_of(state_dir))
    ((record, leaf),) = other.read(select(ledger_entries.c.record, ledger_entries.c.leaf))
    other.close()
    assert receipt == Receipt(0, leaf.hex())
    assert leaf == merkle.leaf_hash(record)
    assert ledger.get(entry(1).id) == entry(1).record
    assert ledger.get("dec_unknown") is None


@pytest.mark.sqlite
def test_connections_sync_at_every_commit(database: Database) -> None:
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.sqlite
async def test_the_writer_leaves_the_log_to_another_thread(ledger: Ledger, entry: Make, database: Database) -> None:
    await ledger.append(entry())
    driver = ledger._transactions._connected().connection
    with closing(driver.cursor()) as cursor:
        assert cursor.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
    folder = ledger._folder
    assert folder is not None
    assert database.path is not None
    before = database.path.stat().st_size
    for number in range(1, 40):
        await ledger.append(entry(number, padding="x" * 200_000))
    await until(lambda: database.path is not None and database.path.stat().st_size > before + 4_000_000)


@pytest.mark.sqlite
async def test_a_log_that_grew_large_is_emptied(ledger: Ledger, entry: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ledger._folder
    assert folder is not None
    monkeypatch.setattr("proctor.ledger.wal._LARGE", 100_000)
    await asyncio.gather(*(ledger.append(entry(number, padding="x" * 100_000)) for number in range(5)))
    assert folder._wal.stat().st_size > 100_000
    folder.wrote(5_000_000)
    await until(lambda: folder._wal.stat().st_size == 0)


async def test_what_queues_during_a_commit_is_one_group(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = group_sizes(ledger, monkeypatch)
    with holding_the_write_lock(database):
        first = ledger.append_nowait(entry(0))
        await until(lambda: sizes == [1])
        rest = [ledger.append_nowait(entry(number)) for number in range(1, 101)]
    receipts = await asyncio.gather(first, *rest)
    assert sizes == [1, 100]
    assert [receipt.index for receipt in receipts] == list(range(101))


async def test_a_lone_append_waits_for_nobody(ledger: Ledger, entry: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = group_sizes(ledger, monkeypatch)
    for number in range(5):
        await ledger.append(entry(number))
    assert sizes == [1] * 5


async def test_a_group_is_bounded(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = group_sizes(ledger, monkeypatch)
    with holding_the_write_lock(database):
        futures = [ledger.append_nowait(entry(number)) for number in range(1200)]
    await asyncio.gather(*futures)
    assert sum(sizes) == 1200
    assert max(sizes) == 512


async def test_case_outbox_and_statements_are_in_the_entrys_transaction(
    ledger: Ledger, database: Database, entry: Make
) -> None:
    await ledger.append(entry(1), outbox=[MESSAGE], case=CASE, also=[waiver("w1")])
    assert [count(database, table) for table in (ledger_entries, outbox, cases, waivers)] == [1, 1, 1, 1]
    with pytest.raises(LedgerError, match=r"UNIQUE|unique") as caught:  # the second statement fails: nothing remains
        await ledger.append(
            entry(2), outbox=[OutboxMessage("soc", "t", "s", b"", "dec_2")], also=[waiver("w2"), waiver("w1")]
        )
    assert caught.value.tried == f"recording {entry(2).id}"
    assert [count(database, table) for table in (ledger_entries, outbox, cases, waivers)] == [1, 1, 1, 1]
    assert ledger.healthy
    assert (await ledger.append(entry(2))).index == 1


async def test_an_event_is_written_once_for_each_sink_and_key(ledger: Ledger, database: Database, entry: Make) -> None:
    other = OutboxMessage("siem", MESSAGE.event_type, MESSAGE.subject, MESSAGE.body, MESSAGE.dedupe_key)
    await ledger.append(entry(1), outbox=[MESSAGE, other])
    await ledger.append(entry(2), outbox=[MESSAGE])
    assert count(database, outbox) == 2


@pytest.mark.parametrize("spoiler", ["duplicate", "statement", "broken statement"])
async def test_one_bad_entry_does_not_fail_its_group(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch, spoiler: str
) -> None:
    await ledger.append(entry(0), also=[waiver("w")])
    sizes = group_sizes(ledger, monkeypatch)
    with holding_the_write_lock(database):
        blocking = ledger.append_nowait(entry(1))
        await until(lambda: sizes == [1])
        good = [ledger.append_nowait(entry(number)) for number in (2, 3)]
        if spoiler == "duplicate":
            bad = ledger.append_nowait(entry(0))
        else:
            bad = ledger.append_nowait(
                entry(9), also=[waiver("w") if spoiler == "statement" else text("UPDATE nothing SET x = 1")]
            )
        good.append(ledger.append_nowait(entry(4)))
    with pytest.raises(LedgerError):
        await bad
    receipts = await asyncio.gather(blocking, *good)
    assert [receipt.index for receipt in receipts] == [1, 2, 3, 4]
    assert ledger.healthy
    assert count(database, ledger_entries) == 5


async def test_statements_on_the_ledgers_own_tables_are_refused(ledger: Ledger, entry: Make) -> None:
    for table in (ledger_entries, ledger_head, ledger_checkpoints):
        with pytest.raises(StateError, match="only the ledger's own writer"):
            await ledger.append(entry(1), also=[table.delete()])
    assert ledger.head().size == 0


async def test_a_decision_is_recorded_once_and_other_things_have_a_history(ledger: Ledger, entry: Make) -> None:
    await ledger.append(entry(1))
    with pytest.raises(LedgerError, match=r"append-only|duplicate key"):
        await ledger.append(entry(1))
    for step in ("requested", "signed"):
        await ledger.append(Entry("waiver", "wv_1", {"step": step}))
    assert ledger.get("wv_1") == {"step": "signed"}
    assert [found.record["step"] for found in ledger.history("wv_1")] == ["requested", "signed"]
    assert [found.index for found in ledger.history("wv_1")] == [1, 2]


async def test_recent_entries_of_a_kind(ledger: Ledger, entry: Make) -> None:
    for number in range(4):
        await ledger.append(entry(number))
        await ledger.append(Entry("key", f"k{number}", {}))
    assert [found.id for found in ledger.recent("key", 2)] == ["k3", "k2"]
    assert [found.id for found in ledger.recent("key", 2, before=5)] == ["k1", "k0"]


def test_any_thread_with_a_loop_may_append(state_dir: Path, database: Database, entry: Make) -> None:
    ledger = Ledger.open(database, state_dir, clock=Clock())
    receipts: list[Receipt] = []

    async def many(thread: int) -> None:
        receipts.extend(await asyncio.gather(*(ledger.append(entry(thread * 100 + number)) for number in range(100))))

    threads = [threading.Thread(target=lambda at=at: asyncio.run(many(at))) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close_now()
    assert sorted(receipt.index for receipt in receipts) == list(range(400))
    assert verified(state_dir, ledger.public_key).ok


def test_a_loop_that_is_gone_holds_nobody_up(state_dir: Path, database: Database, entry: Make) -> None:
    ledger = Ledger.open(database, state_dir, clock=Clock())

    async def leave() -> None:
        ledger.append_nowait(entry(1))

    with holding_the_write_lock(database):
        asyncio.run(leave())
    asyncio.run(ledger.append(entry(2)))
    ledger.close_now()
    assert ledger.head().size == 2


async def test_who_gives_up_while_queueing_is_not_recorded(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = group_sizes(ledger, monkeypatch)
    with holding_the_write_lock(database):
        begun = asyncio.ensure_future(ledger.append(entry(0)))
        await until(lambda: sizes == [1])
        queued = asyncio.ensure_future(ledger.append(entry(1)))
        last = asyncio.ensure_future(ledger.append(entry(2)))
        await until(lambda: ledger.waiting == 2)
        begun.cancel()
        queued.cancel()
        await asyncio.gather(begun, queued, return_exceptions=True)
    assert (await last).index == 1
    assert ledger.get(entry(0).id) is not None  # its group had begun
    assert ledger.get(entry(1).id) is None


async def test_the_death_of_the_writer_fails_everybody(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def die(group: list[transaction.Append]) -> list[Receipt]:
        entered.set()
        go_on.wait(10)
        raise MemoryError("on purpose")

    monkeypatch.setattr(ledger._transactions, "commit", die)
    assert ledger.healthy
    first = ledger.append_nowait(entry(0))
    await asyncio.to_thread(entered.wait, 10)
    queued = [ledger.append_nowait(entry(number)) for number in (1, 2)]
    go_on.set()
    results = await asyncio.gather(first, *queued, return_exceptions=True)
    assert [type(result) for result in results] == [LedgerError] * 3
    assert all("on purpose" in str(result) for result in results)
    assert not ledger.healthy
    assert "on purpose" in str(ledger.trouble)
    with pytest.raises(LedgerError, match="the writer died"):
        await ledger.append(entry(3))


async def test_a_failed_denial_that_nobody_waits_for_makes_no_noise(
    ledger: Ledger, database: Database, entry: Make
) -> None:
    noise: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    ledger.append_nowait(entry(0))
    ledger.append_nowait(entry(0))
    await ledger.append(entry(1))
    await asyncio.sleep(0)
    assert noise == []


@pytest.mark.sqlite
async def test_a_database_that_refuses_writes_is_reported_and_recovers(
    state_dir: Path, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr(writer, "_RETRY", 0.02)
    database = Database.open(f"sqlite:///{state_dir / 'proctor.db'}")
    ledger = Ledger.open(database, state_dir, clock=Clock())
    with holding_the_write_lock(database):
        with pytest.raises(LedgerError, match="locked"):
            await ledger.append(entry(0))
        assert not ledger.healthy
        assert "locked" in str(ledger.trouble)
        await asyncio.sleep(0.2)
        assert not ledger.healthy
    await until(lambda: ledger.healthy)  # by itself, without anybody appending
    assert (await ledger.append(entry(0))).index == 0
    await ledger.close()
    assert verified(state_dir, ledger.public_key).ok
    database.close()


async def test_a_commit_that_does_not_come_back_is_trouble_until_it_does(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SLOW", 0.1)
    await ledger.append(entry(1))
    with holding_the_write_lock(database):
        waiting = ledger.append_nowait(entry(2))
        assert ledger.healthy, "a commit may take its time"
        await until(lambda: not ledger.healthy)
        assert "has not taken the newest write" in str(ledger.trouble)
        assert not waiting.done()
    await waiting
    await until(lambda: ledger.healthy)


@pytest.mark.sqlite
async def test_a_full_disk_fails_appends_and_loses_nothing(
    ledger: Ledger, database: Database, state_dir: Path, entry: Make
) -> None:
    await ledger.append(entry(0))
    with closing(ledger._transactions._connected().connection.cursor()) as cursor:
        cursor.execute("PRAGMA max_page_count=1")  # SQLite takes it for: no more than there are
    with pytest.raises(LedgerError, match="full"):
        await ledger.append(entry(1, padding="x" * 1_000_000))
    assert not ledger.healthy
    await until(lambda: ledger.healthy)  # the next connection has no limit
    await ledger.append(entry(200))
    assert verified(state_dir, ledger.public_key).ok


@pytest.mark.sqlite
async def test_another_writer_ends_the_ledger(ledger: Ledger, database: Database, state_dir: Path, entry: Make) -> None:
    """Two writers would fork the history. The lock on the state directory prevents it; this is the second lock."""
    await ledger.append(entry(0))
    other = Ledger.open(database, state_dir, clock=Clock())
    await other.append(entry(1))
    with pytest.raises(LedgerError, match="not at 1 entries"):
        await ledger.append(entry(2))
    assert not ledger.healthy
    await other.append(entry(3))
    await other.close()
    assert verified(state_dir, other.public_key).ok


async def test_a_closed_ledger_takes_nothing(state_dir: Path, database: Database, entry: Make) -> None:
    ledger = Ledger.open(database, state_dir, clock=Clock())
    with holding_the_write_lock(database):
        futures = [ledger.append_nowait(entry(number)) for number in range(600)]
        closing_ = asyncio.ensure_future(ledger.close())
        await asyncio.sleep(0.05)
        with pytest.raises(LedgerError, match="closed"):
            ledger.append_nowait(entry(1000))
    await closing_
    receipts = await asyncio.gather(*futures)  # what was queued has been written
    assert receipts[-1].index == 599
    assert not ledger.healthy
    await ledger.close()


async def test_a_queue_without_end_is_refused(
    ledger: Ledger, database: Database, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_QUEUE", 3)
    with holding_the_write_lock(database):
        ledger.append_nowait(entry(0))
        await until(lambda: ledger.waiting == 0)
        for number in range(1, 4):
            ledger.append_nowait(entry(number))
        with pytest.raises(LedgerError, match="3 entries wait already"):
            ledger.append_nowait(entry(4))


async def test_checkpoints_at_every_n_entries_and_at_the_end(state_dir: Path, database: Database, entry: Make) -> None:
    ledger = Ledger.open(database, state_dir, clock=Clock(), checkpoint_every=10)
    with holding_the_write_lock(database):
        futures = [ledger.append_nowait(entry(number)) for number in range(37)]
    await asyncio.gather(*futures)
    await ledger.close()
    rows = database.read(select(ledger_checkpoints).order_by(ledger_checkpoints.c.size))
    assert [row.size for row in rows] == [10, 20, 30, 37]
    leaves = [bytes(row.leaf) for row in database.read(select(ledger_entries).order_by(ledger_entries.c.entry_index))]
    for row in rows:
        assert ledger._signer.open(row.note) == Checkpoint(row.size, merkle.root_of(leaves[: row.size]))


async def test_the_checkpoint_that_is_handed_out_is_of_the_head(ledger: Ledger, entry: Make) -> None:
    assert ledger._signer.open(ledger.checkpoint()) == Checkpoint(0, merkle.EMPTY_ROOT)
    receipts = [await ledger.append(entry(number)) for number in range(3)]
    root = merkle.root_of([bytes.fromhex(receipt.leaf) for receipt in receipts])
    assert ledger._signer.open(ledger.checkpoint()) == Checkpoint(3, root)
    assert ledger.head().root == root.hex()


async def test_a_ledger_goes_on_after_a_restart(state_dir: Path, database: Database, entry: Make) -> None:
    for run in range(3):
        ledger = Ledger.open(database, state_dir, clock=Clock(), checkpoint_every=4)
        assert ledger.head().size == run * 5
        for number in range(5):
            await ledger.append(entry(run * 5 + number))
        await ledger.close()
    report = verified(state_dir, ledger.public_key)
    assert (report.ok, report.size, report.signed_size) == (True, 15, 15)


async def test_appends_do_not_hold_up_the_loop(ledger: Ledger, database: Database, entry: Make) -> None:
    with holding_the_write_lock(database):
        future = ledger.append_nowait(entry(0))
        before = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - before < 1
        assert not future.done()
    await future
