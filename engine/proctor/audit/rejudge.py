"""Judges standing decisions again when a fact that they rest on has changed, and from time to time.

What is no longer allowed is a violation: it exists, and it is against policy. It is resolved when it is allowed again.
Nothing is undone here; that is for people, and for plans that people approve.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import structlog

from proctor.errors import ProctorError
from proctor.inventory.standing import StandingDecision, StandingDecisions
from proctor.plugins import Decider, Violations
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import Effect, Outcome, Point

log = structlog.get_logger(__name__)

KIND: Final = "no_longer_allowed"
EVERY: Final = 3600.0
"""Seconds between two rounds over everything that stands: waivers end and evidence ages without anybody's event."""
DEBOUNCE: Final = 0.2
"""Seconds to wait for more changes of the same catalog before judging: its events come in bursts."""
_AT_ONCE: Final = 4
_JUDGED: Final = frozenset({Reason.NON_COMPLIANT, Reason.APPROVAL_REQUIRED})
"""Reasons of a refusal that come from rules. Any other says that the question could not be put."""


class Rejudge:
    """Runs as long as the server does. `changed` may be called at any time, from the event loop."""

    def __init__(self, decider: Decider, standing: StandingDecisions, violations: Violations) -> None:
        self._decider = decider
        self._standing = standing
        self._violations = violations
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    def changed(self, urns: frozenset[str]) -> None:
        """Note that facts of these datasets have changed."""
        self._changed |= urns
        self._wake.set()

    async def run(self) -> None:
        """Judge until cancelled: everything at the start, since nobody knows what changed before; then what changes."""
        await self.judge(self._standing.all())
        while True:
            try:
                async with asyncio.timeout(EVERY):
                    await self._wake.wait()
            except TimeoutError:
                await self.judge(self._standing.all())
                continue
            await asyncio.sleep(DEBOUNCE)
            self._wake.clear()
            urns, self._changed = self._changed, set()
            await self.judge(self._standing.resting_on(urns))

    async def judge(self, decisions: Iterable[StandingDecision]) -> None:
        """Judge these again; open or resolve their violations."""
        permits = asyncio.Semaphore(_AT_ONCE)

        async def one(standing: StandingDecision) -> None:
            async with permits:
                try:
                    await self._judge(standing)
                except ProctorError as error:
                    log.warning("audit.not_judged", standing=standing.name, error=str(error))

        await asyncio.gather(*(one(standing) for standing in decisions))

    async def _judge(self, standing: StandingDecision) -> None:
        request = standing.request.model_copy(update={"point": Point.AUDIT, "request_id": standing.decision_id})
        decision = await self._decider.decide(request, standing.asking)
        if decision.outcome is Outcome.ERROR or (not decision.allowed and decision.reason not in _JUDGED):
            # Nothing is known: neither is it against policy, nor is it fine.
            log.warning("audit.no_answer", standing=standing.name, reason=str(decision.reason))
        elif decision.allowed:
            await self._violations.resolve(KIND, standing.name, f"allowed again by {decision.id}")
        else:
            await self._violations.open(KIND, standing.name, standing.request.subject.name, _detail(standing, decision))


def _detail(standing: StandingDecision, decision: Decision) -> dict[str, Any]:
    """Return what a person needs: what was allowed, what is wrong now. Equal states have equal details."""
    blocking = [finding for finding in decision.findings if finding.effect in (Effect.DENY, Effect.ASK)]
    return {
        "allowed_by": standing.decision_id,
        "stage": standing.key[1],
        "environment": standing.key[2],
        "findings": [
            {"rule": finding.rule, "item": list(finding.item), "message": finding.message} for finding in blocking[:50]
        ],
    }
