"""The preflight that a run or a version points to, as the ledger has it: a decision on a training plan.

A claim is only a number that somebody wrote into a tag. What it stands for is read from the ledger: whether it was
allowed, to whom, when, for what, and on which datasets.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from proctor.plugins import FactGroup, Question
from proctor.vocabulary.principal import PrincipalKind
from proctor.vocabulary.words import EvidenceTier, Operation, Outcome, Point, Stage

_ID: Final = re.compile(r"dec_[0-9a-z]{26}")
Recorded = Callable[[str], Mapping[str, Any] | None]
"""Returns the record of a decision by its id, or None; may read from disk."""


class PreflightFacts:
    """Implements `plugins.FactProvider` for the group `preflight`, from the claim that came with the request."""

    name: str = "preflights"
    provides: Sequence[str] = ("preflight",)
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(self, recorded: Recorded, valid_for: timedelta) -> None:
        self._recorded = recorded
        self._valid_for = valid_for

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return what the claimed decision is; nothing where there is none, or it is no decision on a plan."""
        claimed = question.stated.get("claim", {}).get("decision")
        record = await self.read(claimed) if isinstance(claimed, str) else None
        if record is None:
            return []
        decided_at = datetime.fromisoformat(record["decided_at"])
        values = {
            "allowed": record["outcome"] == Outcome.ALLOW,
            # Everybody whom nobody knows has one id, and is no principal to whom anything was given.
            "own": question.actor.kind is not PrincipalKind.UNRESOLVED and record.get("actor") == question.actor.id,
            "current": timedelta(0) <= question.now - decided_at < self._valid_for,
            "purpose": record.get("purpose") or "none",
            "revision": record["policy"]["revision"],
        }
        return [FactGroup("", 0, "preflight", values, question.subject_digest, decided_at)]

    async def read(self, decision: str) -> Mapping[str, Any] | None:
        """Return the record of the decision on a training plan with this id, or None.

        Only one that was asked for at the point `notebook` is: at `ci` somebody checked what they do not start, and at
        `audit` nobody was about to train, and judging again must not prolong what it judges.
        """
        if not _ID.fullmatch(decision):
            return None
        record = await asyncio.to_thread(self._recorded, decision)
        if record is None or record.get("point") != Point.NOTEBOOK:
            return None
        if (record.get("stage"), record.get("operation")) != (Stage.TRAINING, Operation.TRAIN):
            return None
        return record
