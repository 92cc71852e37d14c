"""Judges everything that was allowed and stands, as a dry run: under the policy in force, today or as it will be.

A standing decision is asked anew, with the facts that the systems of record have now. A deployment is judged on its
recorded input, because what its object held is only there; where that case has expired or was masked, nothing is known.
`at` moves `context.effective_at`, which dates rules, and not `context.now`, which ages evidence: what is asked is what
a rule that comes into force does to what is known today. Nothing is recorded, opened or resolved.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from proctor.decide.conclude import Conclusion, conclude
from proctor.errors import EngineError, LedgerError
from proctor.evidence.project import cases, project
from proctor.inventory.standing import StandingDecision
from proctor.ledger.cases import CaseState, OpenedCase
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import ENTRYPOINT_DECISION, PolicyEngine
from proctor.plugins import Decider
from proctor.store.moments import to_text
from proctor.vocabulary.canonical import canonical, decode
from proctor.vocabulary.decision import Decision, Finding
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import BLOCKING, Outcome, Point

_AT_ONCE: Final = 4
_TIME: Final = 10.0
"""Seconds for one evaluation."""
_SHOWN: Final = 50
_JUDGED: Final = frozenset({Reason.COMPLIANT, Reason.NON_COMPLIANT, Reason.APPROVAL_REQUIRED})
"""Reasons that come from rules. Any other says that the question could not be put."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was allowed, and how it stands."""

    subject: str
    stage: str
    environment: str
    allowed_by: str
    state: str
    """`stands`, `falls`, `asks` (an approval would be needed) or `unknown` (nobody can judge it now)."""
    since: str
    """`now`: it is so today; `then`: it will be on the date that was asked about; empty: it stands."""
    why: str
    """Why nothing is known; empty where something is."""
    findings: tuple[dict[str, Any], ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self) | {"findings": list(self.findings)}


class StandingOnes(Protocol):
    """What was allowed and holds."""

    def all(self) -> list[StandingDecision]:
        """Return all of them."""
        ...


class AllowedDeployments(Protocol):
    """The last allowed deployment of each workload."""

    def decisions(self) -> Sequence[tuple[str, str]]:
        """Return workload and id of the decision, in order."""
        ...


@dataclass(frozen=True)
class Outlook:
    """Looks at what stands, a part at a time."""

    decider: Decider
    standing: StandingOnes
    deployments: AllowedDeployments
    record: Callable[[str], Mapping[str, Any] | None]
    """Returns a decision's record."""
    case: Callable[[str], OpenedCase]
    engine: PolicyEngine
    bundle: Callable[[], BuiltBundle]

    async def part(self, at: datetime | None, after: str, limit: int) -> tuple[list[Row], str | None, int]:
        """Judge up to `limit` of what comes behind `after`; return rows, where to go on, and how many there are.

        Raises `EngineError` when nothing can be judged at all.
        """
        known: dict[str, StandingDecision | str] = {f"decision/{one.name}": one for one in self.standing.all()}
        deployed = await asyncio.to_thread(self.deployments.decisions)
        known |= {f"deployment/{workload}": decision for workload, decision in deployed}
        names = sorted(known)
        chosen = [name for name in names if name > after][:limit]
        permits = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> Row:
            async with permits:
                found = known[name]
                if isinstance(found, str):
                    return await self._deployment(name.partition("/")[2], found, at)
                return await self._standing(found, at)

        rows = await asyncio.gather(*(one(name) for name in chosen))
        more = bool(chosen) and chosen[-1] != names[-1]
        return rows, chosen[-1] if more else None, len(names)

    # --- Decisions that stand ----------------------------------------------------------------------------------------

    async def _standing(self, one: StandingDecision, at: datetime | None) -> Row:
        subject, stage, environment = one.key
        today = await self._asked(one, None)
        then = today if at is None else await self._asked(one, at)
        return _row((subject, stage, environment), one.decision_id, _of(today), _of(then))

    async def _asked(self, one: StandingDecision, at: datetime | None) -> Decision:
        request = one.request.model_copy(update={"point": Point.AUDIT, "request_id": one.decision_id})
        return await self.decider.decide(request, replace(one.asking, dry_run=True, effective_at=at))

    # --- Deployments -------------------------------------------------------------------------------------------------

    async def _deployment(self, workload: str, decision: str, at: datetime | None) -> Row:
        record = await asyncio.to_thread(self.record, decision)
        key = (workload, "deployment", str(record.get("environment", "?")) if record is not None else "?")
        if record is None or "input_digest" not in record:
            return _unknown(key, decision, "its decision is not in this ledger")
        try:
            opened = await asyncio.to_thread(self.case, record["input_digest"])
        except LedgerError as error:
            return _unknown(key, decision, str(error))
        if opened.state is not CaseState.REPLAYABLE or opened.raw is None:
            return _unknown(key, decision, f"its case is {opened.state}: deploy it again, and it is judged")
        today = await self._judged(opened.raw, None)
        then = today if at is None else await self._judged(opened.raw, at)
        return _row(key, decision, today, then)

    async def _judged(self, raw: bytes, at: datetime | None) -> "_Seen":
        bundle = self.bundle()
        index = bundle.index
        document: Any = decode(raw)
        selection = index.selection(document["stage"], document["subject"]["kind"], document["operation"])
        if selection is None or document["environment"] not in index.environments:
            return _Seen(Outcome.ERROR, (), "the policy in force does not know such a question")
        document["point"] = str(Point.AUDIT)
        document["facts"] = project(document["facts"], selection)
        if at is not None:
            document["context"]["effective_at"] = to_text(at)
        document["context"]["cases"] = cases(document, selection, index)
        deadline = asyncio.get_running_loop().time() + _TIME
        try:
            result = await self.engine.evaluate(ENTRYPOINT_DECISION, canonical(document), deadline, bundle.revision)
            found = conclude(result, document, document["facts"], index, selection)
        except EngineError as error:
            return _Seen(Outcome.ERROR, (), str(error))
        return _concluded(found)


@dataclass(frozen=True, slots=True)
class _Seen:
    outcome: Outcome
    findings: tuple[Finding, ...]
    why: str = ""


def _of(decision: Decision) -> _Seen:
    if decision.reason not in _JUDGED:
        return _Seen(Outcome.ERROR, (), decision.message)
    return _Seen(decision.outcome, tuple(decision.findings))


def _concluded(found: Conclusion) -> _Seen:
    if found.problems:
        return _Seen(Outcome.ERROR, (), found.problems[0].message)
    return _Seen(found.outcome, tuple(found.findings))


_STATES: Final[Mapping[Outcome, str]] = {
    Outcome.ALLOW: "stands",
    Outcome.DENY: "falls",
    Outcome.REQUIRE_APPROVAL: "asks",
    Outcome.ERROR: "unknown",
}


def _row(key: tuple[str, str, str], decision: str, today: _Seen, then: _Seen) -> Row:
    blocking = [one for one in then.findings if one.effect in BLOCKING]
    since = "" if then.outcome is Outcome.ALLOW else "now" if today.outcome is then.outcome else "then"
    findings = tuple(
        {"rule": one.rule, "severity": str(one.severity), "item": list(one.item), "message": one.message}
        for one in blocking[:_SHOWN]
    )
    return Row(*key, decision, _STATES[then.outcome], since, then.why, findings)


def _unknown(key: tuple[str, str, str], decision: str, why: str) -> Row:
    return Row(*key, decision, "unknown", "now", why)
