from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from proctor.errors import LedgerError, StateError
from proctor.ledger.cases import CaseState, CaseStore, OpenedCase
from proctor.ledger.clock import Clock
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.store.database import Database
from proctor.store.tables import cases
from proctor.vocabulary.canonical import digest_bytes

RAW = b'{"actor":"person:jane","secret":"in clear"}'
DIGEST = digest_bytes(RAW)
GONE = OpenedCase(CaseState.EXPIRED)


class Days(Clock):
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Days:
    return Days()


@pytest.fixture
def store(database: Database, state_dir: Path, clock: Days) -> CaseStore:
    return CaseStore(database, state_dir, clock, timedelta(days=30))


async def keep(ledger: Ledger, store: CaseStore, entry: Entry, raw: bytes = RAW) -> None:
    await ledger.append(entry, case=store.seal(digest_bytes(raw), raw))


async def test_a_case_comes_back_byte_for_byte(ledger: Ledger, store: CaseStore, entry: Callable[..., Entry]) -> None:
    await keep(ledger, store, entry())
    assert store.open(DIGEST) == OpenedCase(CaseState.REPLAYABLE, RAW)
    assert store.open("sha256:other") == GONE


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_nothing_of_it_is_on_disk_in_clear(
    ledger: Ledger, store: CaseStore, entry: Callable[..., Entry], state_dir: Path
) -> None:
    await keep(ledger, store, entry())
    assert b"in clear" not in contents(state_dir)
    sealed = [store.seal(DIGEST, RAW).sealed for _ in range(2)]
    assert sealed[0] != sealed[1]
    assert (state_dir / "keys" / "cases.key").stat().st_mode & 0o777 == 0o600


def test_bytes_under_a_wrong_digest_are_refused(store: CaseStore) -> None:
    with pytest.raises(LedgerError, match="don't have the digest"):
        store.seal(DIGEST, RAW + b" ")


async def test_a_case_expires_on_time(
    ledger: Ledger, store: CaseStore, entry: Callable[..., Entry], clock: Days, database: Database
) -> None:
    await keep(ledger, store, entry())
    clock.at += timedelta(days=30) - timedelta(microseconds=1)
    assert store.open(DIGEST).raw == RAW
    assert store.expire() == 0
    clock.at += timedelta(microseconds=1)
    assert store.open(DIGEST) == GONE  # at once, whether or not it has been removed
    assert store.expire() == 1
    assert store.expire() == 0
    assert database.read(select(cases.c.sealed))[0].sealed is None
    assert store.open(DIGEST) == GONE


async def test_a_case_can_be_masked(ledger: Ledger, store: CaseStore, entry: Callable[..., Entry]) -> None:
    await keep(ledger, store, entry(1))
    assert store.mask(DIGEST)
    assert not store.mask(DIGEST)
    assert store.open(DIGEST) == OpenedCase(CaseState.MASKED)
    await keep(ledger, store, entry(2))  # the same input again: masked stays masked
    assert store.open(DIGEST) == OpenedCase(CaseState.MASKED)


async def test_the_same_input_again_is_kept_for_longer(
    ledger: Ledger, store: CaseStore, entry: Callable[..., Entry], clock: Days
) -> None:
    await keep(ledger, store, entry(1))
    clock.at += timedelta(days=20)
    await keep(ledger, store, entry(2))
    clock.at += timedelta(days=20)
    assert store.open(DIGEST).raw == RAW


async def test_changed_or_exchanged_bytes_are_an_error(
    ledger: Ledger, store: CaseStore, entry: Callable[..., Entry], database: Database
) -> None:
    await keep(ledger, store, entry(1))
    await keep(ledger, store, entry(2), b"another")
    rows = {row.digest: row.sealed for row in database.read(select(cases))}
    other = rows[digest_bytes(b"another")]
    for sealed in (rows[DIGEST][:-1] + bytes([rows[DIGEST][-1] ^ 1]), other, b""):
        database.write(update(cases).where(cases.c.digest == DIGEST).values(sealed=sealed))
        with pytest.raises(LedgerError, match="were changed"):
            store.open(DIGEST)


async def test_another_key_says_so(
    ledger: Ledger, store: CaseStore, entry: Callable[..., Entry], database: Database, state_dir: Path, clock: Days
) -> None:
    await keep(ledger, store, entry())
    again = CaseStore(database, state_dir, clock, timedelta(days=30))
    assert again.open(DIGEST).raw == RAW
    (state_dir / "keys" / "cases.key").unlink()
    other = CaseStore(database, state_dir, clock, timedelta(days=30))
    with pytest.raises(LedgerError, match="sealed under key"):
        other.open(DIGEST)


def test_a_key_of_another_length_is_refused(state_dir: Path, database: Database, clock: Days) -> None:
    path = state_dir / "keys" / "cases.key"
    path.parent.mkdir()
    path.touch(0o600)
    with pytest.raises(StateError, match="0 bytes"):
        CaseStore(database, state_dir, clock, timedelta(days=30))
