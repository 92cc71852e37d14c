"""What was last allowed to be deployed under each workload's name, so that a scale can be judged on it.

A scale request shows no pod template; without this record it could bring a banned model back unseen. The ledger has
the decision; this table only finds it again by name. What is remembered was allowed, which is not the same as
stored by the cluster: another webhook may refuse after us, and of two changes at the same time only one wins there.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from proctor.store.database import Database
from proctor.store.moments import to_text
from proctor.store.replacement import replacement
from proctor.store.tables import deployments
from proctor.vocabulary.canonical import digest
from proctor.vocabulary.decision import Decision


class Deployments:
    """Implements `plugins.Deployments` over the table `deployments`. `load` fills it."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._known: dict[str, Mapping[str, Any]] = {}
        self._changes = database.following.add("deployments", self)

    @classmethod
    def load(cls, database: Database, now: Callable[[], datetime]) -> "Deployments":
        """Read the last allowed deployment of each workload into memory."""
        found = cls(database, now)
        found._changes.load()
        return found

    def read(self, connection: Connection, keys: frozenset[str] | None) -> dict[str, Mapping[str, Any]]:
        """Read all documents, or those of these workloads."""
        wanted = select(deployments.c.workload, deployments.c.document)
        if keys is not None:
            wanted = wanted.where(deployments.c.workload.in_(keys))
        return {row.workload: row.document for row in connection.execute(wanted)}

    def apply(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Put what was read in the place of what was known. A workload never disappears."""
        self._known.update(found)

    def decisions(self) -> list[tuple[str, str]]:
        """Return each workload with the id of the decision that allowed it last, by name."""
        rows = self._database.read(select(deployments.c.workload, deployments.c.decision_id))
        return sorted((row.workload, row.decision_id) for row in rows)

    def known(self, workload: str) -> Mapping[str, Any] | None:
        """Return the document of the last allowed deployment of `workload`, or None; no I/O."""
        return self._known.get(workload)

    async def remember(self, workload: str, document: Mapping[str, Any], decision: Decision) -> None:
        """Return once the document is on disk; the same document as before needs no write.

        Raises `StateError` when it can't be written: the change must then be refused, or a later scale would be
        judged on what was there before.
        """
        plain = dict(document)
        if self._known.get(workload) == plain:
            return
        subject = decision.subject.digest if decision.subject else digest(plain)
        row = {
            "workload": workload,
            "subject_digest": subject,
            "document": plain,
            "decision_id": decision.id,
            "decided_at": to_text(self._now()),
        }
        try:
            await self._database.awrite(*self._changes.note(workload), *replacement(deployments, row))
        except asyncio.CancelledError:
            # The thread may still write it. Until the next deployment, nobody can say what is known.
            self._known.pop(workload, None)
            raise
        self._known[workload] = plain
