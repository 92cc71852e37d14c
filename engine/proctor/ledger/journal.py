"""The ledger as whoever changes something sees it: an entry, and what has to be on disk together with it."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Executable

from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Entry


class Journal(Protocol):
    """Appends one entry with its rows and messages."""

    async def append(
        self, entry: Entry, *, outbox: Sequence[OutboxMessage] = (), also: Sequence[Executable] = ()
    ) -> object:
        """Return once the entry, the messages and the changed rows are on disk, in one transaction.

        Raises `LedgerError` when they won't be.
        """
        ...
