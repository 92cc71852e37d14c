"""`Ledger`: takes entries from any event loop, and one thread makes them durable in groups.

No timer: whatever queued while the last commit ran is the next group, so a lone append pays one fsync and a crowd
shares it. An append returns after its commit. When the thread dies, everybody who waits and everybody who comes gets
`LedgerError`, and `healthy` turns false.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import structlog
from sqlalchemy import Executable, select, text, union_all
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from proctor.errors import LedgerError
from proctor.ledger import opening
from proctor.ledger.cases import Case
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Entry, Head, Kind, Receipt, Recorded, decode_record, encode
from proctor.ledger.signing import Checkpoint, Signer
from proctor.ledger.transaction import Append, Transactions
from proctor.ledger.wal import WalFolder
from proctor.store.database import Database, refuse_ledger_tables
from proctor.store.moments import to_text
from proctor.store.tables import ledger_entries

log = structlog.get_logger(__name__)

_GROUP: Final = 512
"""Entries in one transaction: bounds what one failure takes with it and how long the first waits for the last."""
_QUEUE: Final = 16_384
"""Appends that wait; beyond it, waiting longer helps nobody."""
_RETRY: Final = 1.0
"""Seconds between looks at a database that has refused a write, for as long as nobody appends."""
_SLOW: Final = 2.0
"""Seconds after which a commit that has not come back is trouble: whoever waits for it gives up at about that time,
while SQLite goes on waiting for somebody else's lock (`store.database.BUSY_TIMEOUT`)."""
_TRIED: Final = "appending to the ledger"

_Outcome = Receipt | LedgerError


@dataclass(slots=True)
class _Waiting:
    append: Append
    future: "asyncio.Future[Receipt]"
    loop: asyncio.AbstractEventLoop


class Ledger:
    """The ledger of one process, on SQLite or PostgreSQL. `open` makes one, `close` ends it."""

    def __init__(self, database: Database, transactions: Transactions, signer: Signer, clock: Clock) -> None:
        """Start the writer's thread. Use `open`, which looks at what is on disk first."""
        self._database = database
        self._transactions = transactions
        self._signer = signer
        self._clock = clock
        self._folder = WalFolder(database.path) if database.path is not None else None
        self._wake = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._closing = False
        self._ended: str | None = None
        """Why nothing can be appended any more."""
        self._refused: str | None = None
        """Why the database refused the newest write; None once it has taken one again."""
        self._writing_since: float | None = None
        """Monotonic time at which the commit that is under way began, in seconds."""
        self._thread = threading.Thread(target=self._run, name="proctor-ledger", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        database: Database,
        state_dir: Path,
        *,
        clock: Clock,
        checkpoint_every: int = 1000,
        accept_clock: bool = False,
    ) -> Self:
        """Open the ledger in `database` with the key in `state_dir`, made when the ledger is new.

        `clock` goes on where the last process left it: a jump in between makes `clock.check` raise. `accept_clock`
        takes the wall clock as it is now, and records that as an incident. Raises `LedgerError` when what is on disk
        contradicts its newest checkpoint or was signed by another key, and `StateError`.
        """
        transactions, signer = opening.prepare(database, state_dir, clock, checkpoint_every, accept_clock=accept_clock)
        return cls(database, transactions, signer, clock)

    @property
    def healthy(self) -> bool:
        """Tell whether the next append is likely to work."""
        return self.trouble is None

    @property
    def trouble(self) -> str | None:
        """Say why the ledger is not healthy."""
        if (trouble := self._ended or self._refused) is not None:
            return trouble
        since = self._writing_since
        if since is not None and (waited := time.monotonic() - since) > _SLOW:
            return f"the database has not taken the newest write for {waited:.0f} s"
        return None

    @property
    def waiting(self) -> int:
        """Return how many appends wait for the next group."""
        return len(self._queue)

    @property
    def public_key(self) -> str:
        """Return the key that verifies this ledger's checkpoints, as an auditor needs it."""
        return self._signer.public_key

    async def append(
        self,
        entry: Entry,
        *,
        outbox: Sequence[OutboxMessage] = (),
        case: Case | None = None,
        also: Sequence[Executable] = (),
    ) -> Receipt:
        """Return where `entry` is, after it is on disk.

        `outbox` messages, the `case` and the statements of `also` are written in the same transaction, or none of
        them is. Raises `LedgerError` when the entry was not recorded. A caller that is cancelled while its entry
        still queues takes it back; once its group has begun, it is recorded.
        """
        return await self.append_nowait(entry, outbox=outbox, case=case, also=also)

    def append_nowait(
        self,
        entry: Entry,
        *,
        outbox: Sequence[OutboxMessage] = (),
        case: Case | None = None,
        also: Sequence[Executable] = (),
    ) -> "asyncio.Future[Receipt]":
        """Queue `entry` and return the future of its receipt, for callers that need not wait, such as denials.

        Must be called in a running event loop. Raises `LedgerError` at once when nothing can be queued.
        """
        refuse_ledger_tables(also)
        encoded = encode(entry, self._clock.now())
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        with self._wake:
            if self._ended is not None or self._closing:
                raise LedgerError(_TRIED, self._ended or "the ledger is closed", "Restart Proctor")
            if len(self._queue) >= _QUEUE:
                raise LedgerError(_TRIED, f"{_QUEUE} entries wait already", "Look at the disk of the database")
            self._queue.append(_Waiting(Append(encoded, tuple(outbox), case, tuple(also)), future, loop))
            self._wake.notify()
        # Nobody may be waiting for it; its failure is in the log and in `healthy`.
        future.add_done_callback(_retrieve)
        return future

    def get(self, entry_id: str) -> dict[str, Any] | None:
        """Return the record of the newest entry with this id. Reads the database; raises `StateError`."""
        found = self.history(entry_id)
        return found[-1].record if found else None

    def history(self, entry_id: str) -> list[Recorded]:
        """Return all entries with this id, oldest first. Reads the database; raises `StateError`."""
        named = select(ledger_entries).where(ledger_entries.c.id == entry_id)
        decisions, others = named.where(text("kind = 'decision'")), named.where(text("kind <> 'decision'"))
        return self._entries(union_all(decisions, others).order_by("entry_index"))

    def recent(self, kind: str, limit: int, before: int | None = None) -> list[Recorded]:
        """Return at most `limit` entries of one kind, newest first, below the index `before`. Reads the database."""
        wanted = select(ledger_entries).where(ledger_entries.c.kind == str(kind))
        if kind != Kind.DECISION:
            wanted = wanted.where(text("kind <> 'decision'"))  # said in so many words, for the index on the others
        if before is not None:
            wanted = wanted.where(ledger_entries.c.entry_index < before)
        return self._entries(wanted.order_by(ledger_entries.c.entry_index.desc()).limit(limit))

    def _entries(self, statement: Executable) -> list[Recorded]:
        return [decode_record(bytes(row.record), bytes(row.leaf)) for row in self._database.read(statement)]

    def head(self) -> Head:
        """Return size and root of what this process knows to be on disk."""
        return self._transactions.head

    def checkpoint(self) -> str:
        """Return a signed checkpoint of the head. Keep it elsewhere: it proves later that nothing was taken away."""
        head = self.head()
        return self._signer.sign(Checkpoint(head.size, bytes.fromhex(head.root)))

    async def close(self) -> None:
        """Write what is queued, sign a last checkpoint, and end the threads. Raises `LedgerError` if that failed."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Do `close` from a thread that runs no event loop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._folder is not None:
            self._folder.close()
        if self._refused is not None:
            raise LedgerError("closing the ledger", self._refused, "Run `proctor ledger verify`")

    # --- The writer's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        group: list[_Waiting] = []
        try:
            while not self._done():
                group = self._take()
                self._write(group)
            self._sign_last()
            ended = "the ledger is closed"
        except Exception as error:
            # A writer that dies must leave nobody waiting for ever, whatever killed it.
            log.exception("ledger.writer_died")
            ended = f"the writer died: {error}"
        with self._wake:
            self._ended = ended
            left = [*group, *self._queue]
            self._queue.clear()
        self._answer(left, LedgerError(_TRIED, ended, "Restart Proctor"))
        self._transactions.reset()

    def _done(self) -> bool:
        with self._wake:
            return self._closing and not self._queue

    def _take(self) -> list[_Waiting]:
        """Wait for work and take what is there; return nothing after `_RETRY` seconds of trouble, or to close."""
        with self._wake:
            while not self._queue and not self._closing:
                if not self._wake.wait(_RETRY if self._refused else None):
                    break
            taken = [self._queue.popleft() for _ in range(min(len(self._queue), _GROUP))]
        # Whoever gave up while queueing has been told that nothing was recorded: so nothing is.
        return [waiting for waiting in taken if not waiting.future.cancelled()]

    def _write(self, group: Sequence[_Waiting]) -> None:
        if not group:
            if self._refused and not self._closing:
                self._try_again()
            return
        self._writing_since = time.monotonic()
        try:
            receipts = self._transactions.commit([waiting.append for waiting in group])
        except SQLAlchemyError as error:
            self._transactions.reset()
            self._write_apart(group, error)
            return
        finally:
            self._writing_since = None
        self._refused = None
        self._answer(group, *receipts)
        if self._folder is not None:
            self._folder.wrote(sum(_size(waiting.append) for waiting in group))

    def _write_apart(self, group: Sequence[_Waiting], error: SQLAlchemyError) -> None:
        """Find out who spoiled a group: one bad entry must not fail its neighbours."""
        cause = str(getattr(error, "orig", None) or error)
        broken = isinstance(error, OperationalError | InterfaceError)
        if len(group) > 1 and (not broken or any(waiting.append.also for waiting in group)):
            for waiting in group:
                self._write([waiting])
            return
        log.error("ledger.not_recorded", entries=len(group), error=cause)
        if broken and not group[0].append.also:
            self._refused = f"the database refused the newest write: {cause}"
        tried = f"recording {group[0].append.entry.id}" if len(group) == 1 else _TRIED
        self._answer(group, LedgerError(tried, cause, "See the database's message, and the space left on its disk"))

    def _try_again(self) -> None:
        try:
            self._transactions.probe()
        except SQLAlchemyError as error:
            self._transactions.reset()
            self._refused = f"the database refuses writes: {getattr(error, 'orig', None) or error}"
        else:
            log.info("ledger.recovered")
            self._refused = None

    def _sign_last(self) -> None:
        try:
            self._transactions.sign_head(to_text(self._clock.now()))
        except SQLAlchemyError as error:
            log.exception("ledger.last_checkpoint_not_written")
            self._refused = f"the last checkpoint was not written: {getattr(error, 'orig', None) or error}"

    def _answer(self, group: Sequence[_Waiting], *outcomes: _Outcome) -> None:
        """Resolve futures in their own loops, one call for each loop. A single outcome is everybody's."""
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Receipt], _Outcome]]] = {}
        for position, waiting in enumerate(group):
            outcome = outcomes[position if len(outcomes) > 1 else 0]
            answers.setdefault(waiting.loop, []).append((waiting.future, outcome))
        for loop, pairs in answers.items():
            try:
                loop.call_soon_threadsafe(_resolve, pairs)
            except RuntimeError:
                # The loop is closed, so nobody waits there any more. What was recorded is recorded.
                log.debug("ledger.loop_closed", entries=len(pairs))


def _resolve(pairs: Sequence[tuple["asyncio.Future[Receipt]", _Outcome]]) -> None:
    for future, outcome in pairs:
        if future.done():
            continue
        if isinstance(outcome, LedgerError):
            # Each waiter gets an exception of its own: tracebacks of shared ones grow into each other.
            future.set_exception(LedgerError(outcome.tried, outcome.found, outcome.remedy))
        else:
            future.set_result(outcome)


def _retrieve(future: "asyncio.Future[Receipt]") -> None:
    if not future.cancelled():
        future.exception()


def _size(append: Append) -> int:
    entry = len(append.entry.before) + len(append.entry.after)
    return entry + (len(append.case.sealed) if append.case is not None else 0)
