"""Decisions that still hold: what was allowed, kept as it was asked, so that it can be judged again.

A decision is about a moment. What it rested on can change afterwards: an owner leaves, a consent is withdrawn, a waiver
ends. Then the same question, with the facts of then and what the systems of record say now, has another answer.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from proctor.ledger.journal import Journal
from proctor.ledger.records import Entry, Kind
from proctor.plugins import Asking, Ended
from proctor.store.database import Database
from proctor.store.moments import from_text, to_text
from proctor.store.replacement import replacement
from proctor.store.tables import standing
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import EvidenceTier

Key = tuple[str, str, str]
"""Subject's name, stage, environment."""


@dataclass(frozen=True, slots=True)
class StandingDecision:
    """One decision that holds."""

    key: Key
    request: DecisionRequest
    asking: Asking
    datasets: frozenset[str]
    """URNs of the datasets that it rests on."""
    decision_id: str
    since: datetime

    @property
    def name(self) -> str:
        """Return what a violation of it is known by."""
        return "/".join(self.key)


_Content = tuple[frozenset[str] | None, list[StandingDecision]]
"""What was read, and for which subjects: None for all of them."""


class StandingDecisions:
    """Implements `plugins.Standing` over the table `standing`. `load` fills it."""

    def __init__(self, database: Database, ledger: Journal, now: Callable[[], datetime]) -> None:
        self._database = database
        self._ledger = ledger
        self._now = now
        self._known: dict[Key, StandingDecision] = {}
        self._writing = asyncio.Lock()
        self._changes = database.following.add("standing", self)
        self.on_remember: Callable[[StandingDecision], None] | None = None
        """Gets each decision that holds from now on, once that is on disk."""
        self.on_end: Callable[[StandingDecision], None] | None = None
        """Gets each decision that holds no longer, once that is on disk."""

    @classmethod
    def load(cls, database: Database, ledger: Journal, now: Callable[[], datetime]) -> "StandingDecisions":
        """Read all of them into memory. Raises `StateError` when the database does not answer."""
        found = cls(database, ledger, now)
        found._changes.load()
        return found

    def read(self, connection: Connection, keys: frozenset[str] | None) -> _Content:
        """Read all of them, or those of these subjects."""
        wanted = select(standing)
        if keys is not None:
            wanted = wanted.where(standing.c.subject.in_(keys))
        return keys, [_from_row(row) for row in connection.execute(wanted)]

    def apply(self, content: _Content) -> None:
        """Put what was read in the place of what was known; tell of what holds anew, and of what holds no longer."""
        subjects, found = content
        left = {one.key for one in found}
        for key in [key for key in self._known if key not in left and (subjects is None or key[0] in subjects)]:
            ended = self._known.pop(key)
            if self.on_end is not None:
                self.on_end(ended)
        for one in found:
            known = self._known.get(one.key)
            if known is None or known.decision_id != one.decision_id:
                self._known[one.key] = one
                if self.on_remember is not None:
                    self.on_remember(one)

    def all(self) -> list[StandingDecision]:
        """Return all of them, by subject, stage and environment."""
        return [self._known[key] for key in sorted(self._known)]

    def get(self, key: Key) -> StandingDecision | None:
        """Return the one that holds for this subject, stage and environment, or None."""
        return self._known.get(key)

    def resting_on(self, urns: Iterable[str]) -> list[StandingDecision]:
        """Return those that rest on one of these datasets."""
        wanted = frozenset(urns)
        return [one for one in self.all() if one.datasets & wanted]

    async def remember(self, request: DecisionRequest, asking: Asking, decision: Decision) -> None:
        """Return once the decision is on disk as the one that holds; a dry run or a refusal never holds."""
        if decision.dry_run or not decision.allowed:
            return
        key = (request.subject.name, str(request.stage), request.environment)
        datasets = frozenset(item.id for item in request.facts.datasets or ())
        # As it will be read after a restart: whoever judges again asks at another point.
        now = self._now()
        known = StandingDecision(key, request, _asking(_document(asking)), datasets, decision.id, now)
        row = {
            "subject": key[0],
            "stage": key[1],
            "environment": key[2],
            "request": request.model_dump(mode="json", by_alias=True, exclude_none=True),
            "asking": _document(asking),
            "datasets": sorted(datasets),
            "decision_id": decision.id,
            "decided_at": to_text(now),
        }
        async with self._writing:
            await self._database.awrite(*self._changes.note(key[0]), *replacement(standing, row))
            self._known[key] = known
        if self.on_remember is not None:
            self.on_remember(known)

    async def end(self, ended: Ended) -> None:
        """Return once the observation is in the ledger, and what was allowed for this item holds no longer.

        Where another item holds, or none, the observation is recorded alone. Raises `LedgerError`.
        """
        key = (ended.subject, ended.stage, ended.environment)
        async with self._writing, self._changes.writing():
            held = self._known.get(key)
            # It is told in order, but for what was told again: by then the same item can have been allowed anew.
            if held is not None and (ended.item not in _items(held.request) or held.since > ended.at):
                held = None
            record = {
                "observed": "retired", "item": ended.item, "subject": ended.subject, "stage": ended.stage,
                "environment": ended.environment, "by": ended.by, "at": to_text(ended.at), "why": ended.why,
                "decision": held.decision_id if held is not None else None,
            }  # fmt: skip
            here = (standing.c.subject == key[0], standing.c.stage == key[1], standing.c.environment == key[2])
            gone = [*self._changes.claim(key[0]), standing.delete().where(*here)] if held is not None else []
            await self._ledger.append(Entry(Kind.OBSERVATION, "/".join(key), record), also=gone)
            if held is None:
                return
            del self._known[key]
        if self.on_end is not None:
            self.on_end(held)


def _items(request: DecisionRequest) -> set[str]:
    return {item.id for item in request.facts.models or ()}


def _from_row(row: Row[Any]) -> StandingDecision:
    request = DecisionRequest.model_validate(row.request)
    key = (row.subject, row.stage, row.environment)
    since = from_text(row.decided_at)
    return StandingDecision(key, request, _asking(row.asking), frozenset(row.datasets), row.decision_id, since)


def _document(asking: Asking) -> dict[str, Any]:
    caller = asking.caller
    return {
        "actor": caller.actor.id,
        "kind": str(caller.actor.kind),
        "authenticated_by": caller.actor.authenticated_by,
        "roles": sorted(str(role) for role in caller.roles),
        "asserts": sorted(caller.asserts),
        "source": asking.source,
        "tier": None if asking.tier is None else str(asking.tier),
        "tiers": {group: str(tier) for group, tier in asking.tiers.items()},
    }


def _asking(document: dict[str, Any]) -> Asking:
    """Return the asking as it was, but for the point and environment, which whoever judges again may choose."""
    caller = Caller(
        actor=Actor(document["actor"], PrincipalKind(document["kind"]), document["authenticated_by"]),
        roles=frozenset(Role(role) for role in document["roles"]),
        points=frozenset({"*"}),
        environments=frozenset({"*"}),
        asserts=frozenset(document["asserts"]),
        credential="standing",
    )
    return Asking(
        caller=caller,
        budget=10.0,
        source=document["source"],
        tier=None if document["tier"] is None else EvidenceTier(document["tier"]),
        tiers={group: EvidenceTier(tier) for group, tier in document["tiers"].items()},
    )
