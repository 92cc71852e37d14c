"""Judges standing decisions again when a fact that they rest on has changed, and from time to time.

What is no longer allowed is a violation: it exists, and it is against policy. It is resolved when it is allowed again.
Nothing is undone here; that is for people, and for plans that people approve.
"""

import asyncio
import contextlib
import math
from collections.abc import Iterable
from typing import Any, Final

import structlog

from proctor.errors import ProctorError
from proctor.inventory.standing import Key, StandingDecision, StandingDecisions
from proctor.plugins import Decider, Violations
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import BLOCKING, Outcome, Point

log = structlog.get_logger(__name__)

KIND: Final = "no_longer_allowed"
EVERY: Final = 3600.0
"""Seconds between two rounds over everything that stands: waivers end and evidence ages without anybody's event."""
DEBOUNCE: Final = 0.2
"""Seconds to wait for more changes of the same catalog before judging: its events come in bursts."""
RETRY: Final = 2.0
"""Seconds until what got no answer is asked again: mostly, a killed OPA is back by then. Doubled with each try."""
_IN_FLIGHT: Final = 30.0
"""Seconds that a decision takes at most (the longest budget that there is), and so how long a change can miss it."""
_AT_ONCE: Final = 4
_JUDGED: Final = frozenset({Reason.NON_COMPLIANT, Reason.APPROVAL_REQUIRED})
"""Reasons of a refusal that come from rules. Any other says that the question could not be put."""


class Rejudge:
    """Runs as long as the server does. `changed` and its sisters may be called at any time, from the event loop."""

    def __init__(self, decider: Decider, standing: StandingDecisions, violations: Violations) -> None:
        self._decider = decider
        self._standing = standing
        self._violations = violations
        self._wake = asyncio.Event()
        self._owed: set[Key] = set()
        """What is to be judged as soon as it can be."""
        self._refused: set[Key] = set()
        """What was not allowed when it was judged last."""
        self._sweep = True
        """Whether violations may be open of what stands no longer."""
        self._lately: dict[str, float] = {}
        """Loop time of the newest change of each dataset that changed within the last `_IN_FLIGHT` seconds."""

    def changed(self, urns: frozenset[str]) -> None:
        """Note that facts of these datasets have changed."""
        now = asyncio.get_running_loop().time()
        self._lately = {urn: at for urn, at in self._lately.items() if now - at < _IN_FLIGHT} | dict.fromkeys(urns, now)
        self._owe(one.key for one in self._standing.resting_on(urns))

    def everything_changed(self) -> None:
        """Note that what stands can have another answer now: another policy is in force, or people came and went."""
        self._owe(one.key for one in self._standing.all())

    def remembered(self, standing: StandingDecision) -> None:
        """Note that a decision holds from now on.

        It was made before it was remembered: what has changed in between was not in it, and found nothing to judge.
        And where what held before it was refused, somebody has mended that.
        """
        horizon = asyncio.get_running_loop().time() - _IN_FLIGHT
        lately = any(self._lately.get(urn, horizon) > horizon for urn in standing.datasets)
        if lately or standing.key in self._refused:
            self._owe([standing.key])

    def ended(self, standing: StandingDecision) -> None:
        """Note that what was allowed was taken out of use: nothing of it is against policy any more."""
        self._refused.discard(standing.key)
        self._sweep = True
        self._wake.set()

    def _owe(self, keys: Iterable[Key]) -> None:
        self._owed.update(keys)
        if self._owed:
            self._wake.set()

    async def run(self) -> None:
        """Judge until cancelled: everything at the start, since nobody knows what changed before; then what changes.

        What got no answer is asked again, after pauses that grow: until then nobody knows whether it still holds.
        """
        clock = asyncio.get_running_loop().time
        next_round, next_try, pause = clock(), math.inf, RETRY
        unanswered: set[Key] = set()
        while True:
            if clock() >= next_round:
                next_round = clock() + EVERY
                self._owed.update(one.key for one in self._standing.all())
            trying = clock() >= next_try
            if trying:
                self._owed |= unanswered
            owed, self._owed = self._owed, set()
            self._wake.clear()
            found = [one for key in sorted(owed) if (one := self._standing.get(key)) is not None]
            unanswered = (unanswered - owed) | await self.judge(found)
            if self._sweep:
                self._sweep = not await self._swept()
            if not unanswered:
                next_try, pause = math.inf, RETRY
            elif trying or next_try == math.inf:
                next_try, pause = clock() + pause, min(2 * pause, EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(next_round, next_try)):
                    await self._wake.wait()
                await asyncio.sleep(DEBOUNCE)

    async def judge(self, decisions: Iterable[StandingDecision]) -> set[Key]:
        """Judge these again, open or resolve their violations, and return the keys of those that got no answer."""
        permits = asyncio.Semaphore(_AT_ONCE)

        async def one(standing: StandingDecision) -> bool:
            async with permits:
                try:
                    return await self._judge(standing)
                except ProctorError as error:
                    log.warning("audit.not_judged", standing=standing.name, error=str(error))
                    return False

        asked = list(decisions)
        answered = await asyncio.gather(*(one(standing) for standing in asked))
        return {standing.key for standing, good in zip(asked, answered, strict=True) if not good}

    async def _swept(self) -> bool:
        """Resolve the violations of what stands no longer; tell whether that is done."""
        try:
            standing = {one.name for one in self._standing.all()}
            for name in await self._violations.open_keys(KIND) - standing:
                await self._violations.resolve(KIND, name, "it was taken out of use")
        except ProctorError as error:
            log.warning("audit.not_resolved", error=str(error))
            return False
        return True

    async def _judge(self, standing: StandingDecision) -> bool:
        request = standing.request.model_copy(update={"point": Point.AUDIT, "request_id": standing.decision_id})
        decision = await self._decider.decide(request, standing.asking)
        if decision.outcome is Outcome.ERROR or (not decision.allowed and decision.reason not in _JUDGED):
            # Nothing is known: neither is it against policy, nor is it fine.
            log.warning("audit.no_answer", standing=standing.name, reason=str(decision.reason))
            return False
        if self._standing.get(standing.key) is not standing:
            return True  # Another decision holds by now: this answer is about one that doesn't.
        if decision.allowed:
            await self._violations.resolve(KIND, standing.name, f"allowed again by {decision.id}")
            self._refused.discard(standing.key)
        else:
            self._refused.add(standing.key)
            await self._violations.open(KIND, standing.name, standing.request.subject.name, _detail(standing, decision))
        return True


def _detail(standing: StandingDecision, decision: Decision) -> dict[str, Any]:
    """Return what a person needs: what was allowed, what is wrong now. Equal states have equal details."""
    blocking = [finding for finding in decision.findings if finding.effect in BLOCKING]
    return {
        "allowed_by": standing.decision_id,
        "stage": standing.key[1],
        "environment": standing.key[2],
        "findings": [
            {"rule": finding.rule, "item": list(finding.item), "message": finding.message} for finding in blocking[:50]
        ],
    }
