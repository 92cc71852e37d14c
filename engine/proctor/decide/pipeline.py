"""`Decisions`: request in, decision out, in one place and one order.

Door, permission, clock, identity of the subject, evidence, input, OPA, recount, record. Whatever fails on the way
becomes a decision that does not allow, with a reason code of its own; nothing is raised to the caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import structlog
from pydantic import TypeAdapter

from proctor import __version__
from proctor.decide import door, ids, render
from proctor.decide.conclude import conclude, unknown_environment, unknown_operation
from proctor.decide.document import input_document
from proctor.errors import EngineError, LedgerError
from proctor.evidence.gather import Providers, references
from proctor.evidence.identify import DigestOf, Identified, identify
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import ENTRYPOINT_DECISION, PolicyEngine
from proctor.opa.index import Selection
from proctor.plugins import Asking, Question
from proctor.store.moments import to_text
from proctor.vocabulary.canonical import NotCanonical, canonical, digest_bytes
from proctor.vocabulary.decision import (
    DecidedSubject,
    Decision,
    FactReference,
    Finding,
    PolicyIdentity,
    Problem,
)
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import Outcome

log = structlog.get_logger(__name__)

_AT_WORK: Final = 64
"""Decisions that are worked on at the same time; the others wait for their turn, first come first served.

A decision costs this process about a millisecond before OPA is asked. Without a bound, a burst of a thousand callers
spends everybody's deadline on the first half of everybody's work, and nearly all of it is thrown away: measured, 37
of 488 callers got an answer in time. More than fill OPA (`opa.in_flight`) need not be under way; the rest of the 64 is
room for decisions whose evidence takes its time.
"""

_FACT_REFERENCES: Final = TypeAdapter(list[FactReference])


class Watch(Protocol):
    """The clock, and its watch over jumps."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...

    def check(self) -> None:
        """Raise `ClockError` when the wall clock has jumped against the boot clock."""
        ...


class Exceptions(Protocol):
    """Where waivers come from."""

    def matching(self, subject_digest: str, environment: str, now: datetime) -> Sequence[Mapping[str, Any]]:
        """Return the waivers that may bear on the subject; Rego decides whether they cover anything."""
        ...


class Recorder(Protocol):
    """Where decisions are made durable."""

    async def record(self, decision: Decision, case: bytes | None) -> None:
        """Return once the decision is on disk; raise `LedgerError` when it will not be."""
        ...


@dataclass(slots=True)
class _Draft:
    """What is known of a decision so far; a failure at any step keeps what the steps before it found out."""

    id: str
    received_at: datetime
    asking: Asking
    bundle: BuiltBundle
    """The policy that was in force when the work on it began: it is judged, counted and recorded under this one."""
    request: DecisionRequest | None = None
    fields: dict[str, Any] | None = None
    case: bytes | None = None


class Decisions:
    """Implements `plugins.Decider`."""

    def __init__(  # noqa: PLR0913 (keyword-only collaborators, each replaceable in a test)
        self,
        *,
        engine: PolicyEngine,
        bundle: BuiltBundle,
        providers: Providers,
        waivers: Exceptions,
        recorder: Recorder,
        clock: Watch,
        digest_of: DigestOf,
        opa_version: str,
        budget: float,
        evaluation_timeout: float,
        max_waiting: int,
        observe: Callable[[Decision, float], None] | None = None,
        current: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Take `current` as what raises `EngineError` when nobody can say whether what is in memory still holds."""
        self._engine = engine
        self._bundle = bundle
        self._providers = providers
        self._waivers = waivers
        self._recorder = recorder
        self._clock = clock
        self._digest_of = digest_of
        self._versions = {"proctor": __version__, "opa": opa_version}
        self._budget = budget
        self._evaluation_timeout = evaluation_timeout
        self._max_waiting = max_waiting
        self._waiting = 0
        self._turns = asyncio.Semaphore(_AT_WORK)
        self._observe = observe
        self._current = current

    @property
    def waiting(self) -> int:
        """Return how many decisions are under way."""
        return self._waiting

    def adopt(self, bundle: BuiltBundle) -> None:
        """Pin another bundle; call it in the same step as the engine's switch."""
        self._bundle = bundle

    async def decide(self, request: DecisionRequest | bytes, asking: Asking) -> Decision:
        """Return the decision on one request, within `asking.budget` seconds, whatever goes wrong."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + min(asking.budget, self._budget)
        draft = _Draft(ids.decision_id(), self._clock.now(), asking, self._bundle)
        self._waiting += 1
        try:
            decision = await self._in_turn(request, draft, deadline)
        except EngineError as error:
            decision = self._failed(draft, error.reason, str(error))
        except Exception:
            # The last resort is a refusal, never an answer: a defect of ours must not let anything through, and the
            # caller gets the id under which the log has the details.
            log.exception("decide.internal_error", decision=draft.id)
            decision = self._failed(draft, Reason.INTERNAL_ERROR, "a defect in Proctor; the log has the details")
        finally:
            self._waiting -= 1
        decision = await self._record(decision, draft, deadline)
        if self._observe is not None:
            self._observe(decision, loop.time() - started)
        return decision

    async def _in_turn(self, request: DecisionRequest | bytes, draft: _Draft, deadline: float) -> Decision:
        """Wait for a turn, which costs next to nothing, and decide.

        A turn that comes when half of the time is gone comes too late: work on it would mostly be thrown away, and
        so delay the next one until it is too late for that one as well.
        """
        if self._waiting > self._max_waiting:
            raise EngineError("deciding", f"{self._waiting} decisions are under way", "Try again", Reason.OVERLOADED)
        if self._turns.locked():
            now = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(now + (deadline - now) / 2):
                    await self._turns.acquire()
            except TimeoutError as error:
                found = "other decisions took the time that there was"
                raise EngineError("deciding", found, "Try again", Reason.OVERLOADED) from error
        else:
            await self._turns.acquire()
        try:
            return await self._decide(request, draft, deadline)
        finally:
            self._turns.release()

    async def _decide(self, request: DecisionRequest | bytes, draft: _Draft, deadline: float) -> Decision:
        draft.bundle = self._bundle  # another one may have come into force while it waited for its turn
        read = door.read(request) if isinstance(request, bytes) else (door.missing_lists(request) or request)
        if isinstance(read, list):
            return self._invalid(draft, read)
        draft.request = read
        if not draft.asking.caller.may_ask(read.point, str(read.environment)):
            found = f"this credential may not ask at {read.point} for {read.environment}"
            problem = Problem(code="not_permitted", path="/point", message=found)
            return self._finish(draft, Outcome.DENY, Reason.NOT_PERMITTED, problems=[problem])
        index = draft.bundle.index
        if read.environment not in index.environments:
            return self._invalid(draft, [unknown_environment(index)])
        self._clock.check()
        if self._current is not None:
            await self._current()
        identified = identify(read, self._digest_of)
        if isinstance(identified, list):
            return self._invalid(draft, identified)
        selection = index.selection(read.stage, read.subject.kind, read.operation)
        if selection is None:
            problem = unknown_operation(read.stage, read.subject.kind, read.operation)
            return self._finish(draft, Outcome.ERROR, Reason.POLICY_PROBLEM, problems=[problem])
        return await self._judge(draft, read, identified, selection, deadline)

    async def _judge(
        self, draft: _Draft, request: DecisionRequest, identified: Identified, selection: Selection, deadline: float
    ) -> Decision:
        bundle = draft.bundle
        actor = draft.asking.caller.actor
        now = self._clock.now()
        question = Question(
            stage=request.stage, operation=request.operation, environment=request.environment, purpose=request.purpose,
            actor=actor, subject_digest=identified.digest, now=now,
            items={name: identified.facts[name] for name in identified.parts},
            stated={name: group for name, group in identified.facts.items() if name not in identified.parts},
        )  # fmt: skip
        facts, failures = await self._providers.gather(identified.facts, question, draft.asking, deadline)
        waivers = self._waivers.matching(identified.digest, request.environment, now)
        moment = to_text(now)
        document = input_document(
            request,
            actor,
            identified,
            facts,
            selection,
            bundle.index,
            waivers=waivers,
            moment=moment,
            request_id=draft.id,
            effective_at=_effective_at(draft.asking),
        )
        try:
            raw = canonical(document)
        except NotCanonical as error:
            return self._invalid(draft, [Problem(code="not_canonical", path=error.path, message=error.why)])
        draft.case = raw
        draft.fields = {
            "input_digest": digest_bytes(raw),
            "subject": DecidedSubject(
                kind=request.subject.kind, id=document["subject"]["id"], name=request.subject.name,
                digest=identified.digest, parts=identified.parts,
            ),
            "facts": _FACT_REFERENCES.validate_python(references(document["facts"])),
            "warnings": failures,
        }  # fmt: skip
        loop = asyncio.get_running_loop()
        if loop.time() >= deadline:
            raise EngineError("gathering evidence", "the caller's time ran out", reason=Reason.DEADLINE_EXCEEDED)
        result = await self._engine.evaluate(
            ENTRYPOINT_DECISION, raw, min(deadline, loop.time() + self._evaluation_timeout), bundle.revision
        )
        concluded = conclude(result, document, facts, bundle.index, selection)
        draft.fields["tier"] = concluded.tier
        if not concluded.problems:
            draft.fields["unprovided"] = concluded.unprovided
            draft.fields["rules"] = concluded.rules
            draft.fields["rule_digests"] = concluded.rule_digests
        return self._finish(
            draft, concluded.outcome, concluded.reason, findings=concluded.findings, problems=concluded.problems
        )

    def _invalid(self, draft: _Draft, problems: list[Problem]) -> Decision:
        return self._finish(draft, Outcome.DENY, Reason.INVALID_REQUEST, problems=problems)

    def _failed(self, draft: _Draft, reason: Reason, message: str) -> Decision:
        return self._finish(draft, Outcome.ERROR, reason, problems=[Problem(code=str(reason), message=message)])

    def _finish(
        self,
        draft: _Draft,
        outcome: Outcome,
        reason: Reason,
        *,
        findings: Sequence[Finding] = (),
        problems: Sequence[Problem] = (),
    ) -> Decision:
        request, asking = draft.request, draft.asking
        known: dict[str, Any] = dict(draft.fields or {})
        if request is not None:
            known |= {
                "stage": request.stage, "operation": request.operation, "point": request.point,
                "environment": request.environment, "purpose": request.purpose, "request_id": request.request_id,
            }  # fmt: skip
        return Decision(
            id=draft.id,
            outcome=outcome,
            reason=reason,
            message=render.sentence(outcome, findings, problems, draft.bundle.revision),
            actor=asking.caller.actor.id,
            findings=list(findings),
            problems=list(problems),
            policy=PolicyIdentity(revision=draft.bundle.revision, digest=draft.bundle.digest),
            engine=self._versions,
            body_digest=asking.body_digest,
            received_at=draft.received_at,
            decided_at=self._clock.now(),
            dry_run=asking.dry_run,
            **known,
        )

    async def _record(self, decision: Decision, draft: _Draft, deadline: float) -> Decision:
        """Make the decision durable. An allow that is not on disk becomes an error; a denial leaves all the same."""
        if draft.asking.dry_run:
            return decision
        try:
            async with asyncio.timeout_at(deadline if decision.allowed else deadline + 1.0):
                await self._recorder.record(decision, draft.case)
        except (LedgerError, TimeoutError) as error:
            log.exception("decide.not_recorded", decision=decision.id, outcome=decision.outcome)
            if not decision.allowed:
                return decision
            found = str(error) or "the ledger did not answer in time"
            return self._failed(draft, Reason.LEDGER_UNAVAILABLE, found)
        return decision.model_copy(update={"recorded": True})


def _effective_at(asking: Asking) -> str | None:
    """Return the date that rules are taken at, if it is another than now. Nothing that counts may look ahead."""
    if asking.effective_at is None:
        return None
    if not asking.dry_run:
        raise EngineError("deciding", "a decision that counts would take rules at another date", "Ask for a dry run")
    return to_text(asking.effective_at)
