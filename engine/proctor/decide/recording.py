"""Writes decisions into the ledger, with their case and their outgoing events in the same transaction."""

from collections.abc import Callable, Sequence

from proctor.ledger.cases import Case
from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.vocabulary.decision import Decision

EventsFor = Callable[[Decision], Sequence[OutboxMessage]]


class LedgerRecorder:
    """Implements `pipeline.Recorder`."""

    def __init__(self, ledger: Ledger, case_of: Callable[[str, bytes], Case], events_for: EventsFor) -> None:
        self._ledger = ledger
        self._case_of = case_of
        self._events_for = events_for

    async def record(self, decision: Decision, case: bytes | None) -> None:
        """Return once the decision is on disk; raise `LedgerError` when it will not be."""
        stored = None
        if case is not None and decision.input_digest is not None:
            stored = self._case_of(decision.input_digest, case)
        entry = Entry(kind="decision", id=decision.id, record=decision.record())
        await self._ledger.append(entry, outbox=self._events_for(decision), case=stored)
