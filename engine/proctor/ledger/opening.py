"""What is looked at before a ledger is opened for writing: its key, its newest checkpoint, its last entry, the clock.

Not the whole history: `verify` does that. What is checked here costs the same for a ledger of any size.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Select, select
from sqlalchemy.exc import SQLAlchemyError

from proctor.errors import ClockError, LedgerError
from proctor.ledger import keyring
from proctor.ledger.clock import Anchor, Clock
from proctor.ledger.merkle import leaf_hash
from proctor.ledger.records import Entry, Kind, encode
from proctor.ledger.signing import Signer, key_path
from proctor.ledger.transaction import Append, Transactions
from proctor.store.database import AnyRow, Database
from proctor.store.moments import from_text, to_text
from proctor.store.tables import ledger_checkpoints, ledger_entries, ledger_head

_TRIED: Final = "opening the ledger"
_REMEDY: Final = "Run `proctor ledger verify`; restore the database from a backup"


def prepare(
    database: Database, state_dir: Path, clock: Clock, checkpoint_every: int, *, accept_clock: bool
) -> tuple[Transactions, Signer]:
    """Check what is on disk and return what the writer works with. Raises `LedgerError` and `StateError`."""
    # One moment for all three: another server may be appending.
    with database.snapshot() as connection:
        head = connection.execute(select(ledger_head)).all()
        newest = connection.execute(_newest(ledger_checkpoints.c.size)).all()
        last = connection.execute(_newest(ledger_entries.c.entry_index)).all()
    if len(head) != 1:
        raise LedgerError(_TRIED, "the head row is missing", _REMEDY)
    size, root = head[0].size, bytes(head[0].root)
    if (size or newest) and not key_path(state_dir).exists():
        raise LedgerError(
            _TRIED,
            f"it has {size} entries, but the key {key_path(state_dir)} is gone",
            "Restore keys/ledger.key from a backup, or copy the folder keys of another server on this database: "
            "another key could not go on with this ledger",
        )
    keyring.check(database, state_dir)
    signer = Signer.load_or_create(state_dir)
    if newest:
        _check_checkpoint(signer, newest[0].note, size, root)
    _check_last_entry(last, size)
    keyring.settle(database, state_dir)

    anchor = Anchor(head[0].boot_id, head[0].clock_offset) if head[0].boot_id else None
    recorded_at = from_text(head[0].recorded_at) if head[0].recorded_at else None
    transactions = Transactions(database, signer, checkpoint_every)
    try:
        transactions.load()
        clock.resume(anchor, recorded_at)
        if accept_clock:
            _accept(clock, transactions)
        transactions.set_anchor(clock.anchor())
    except SQLAlchemyError as error:
        transactions.reset()
        raise LedgerError(_TRIED, str(getattr(error, "orig", None) or error), _REMEDY) from error
    except LedgerError:
        transactions.reset()
        raise
    return transactions, signer


def _check_checkpoint(signer: Signer, note: str, size: int, root: bytes) -> None:
    checkpoint = signer.open(note)
    if checkpoint.size > size:
        found = f"the newest checkpoint signed {checkpoint.size} entries, the head says {size}"
        raise LedgerError(_TRIED, found, _REMEDY)
    if checkpoint.size == size and checkpoint.root != root:
        raise LedgerError(_TRIED, "the head's root is not the one that the newest checkpoint signed", _REMEDY)


def _newest(column: Column[Any]) -> Select[Any]:
    return select(column.table).order_by(column.desc()).limit(1)


def _check_last_entry(rows: Sequence[AnyRow], size: int) -> None:
    count = rows[0].entry_index + 1 if rows else 0
    if count != size:
        raise LedgerError(_TRIED, f"there are {count} entries, the head says {size}", _REMEDY)
    if rows and leaf_hash(bytes(rows[0].record)) != bytes(rows[0].leaf):
        raise LedgerError(_TRIED, f"the last entry, {rows[0].id}, was changed", _REMEDY)


def _accept(clock: Clock, transactions: Transactions) -> None:
    """Take the wall clock as it is, and record what was accepted if it had jumped."""
    try:
        clock.check()
    except ClockError as error:
        clock.accept()
        now = clock.now()
        record = {"what": "clock_accepted", "found": error.found}
        incident = Entry(Kind.INCIDENT, f"clock-{to_text(now)}", record)
        transactions.commit([Append(encode(incident, now))])
