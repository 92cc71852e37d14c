import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.alerts.violations import ViolationRegister
from proctor.audit import rejudge
from proctor.audit.rejudge import KIND, Rejudge
from proctor.decide.ids import decision_id
from proctor.errors import LedgerError
from proctor.inventory.standing import StandingDecisions
from proctor.plugins import Asking, Ended
from proctor.vocabulary.decision import Decision, Finding
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import EvidenceTier, Outcome, Point
from tests.engine.identity.stores import Stores, stores

URN = "urn:ol:s3%3A%2F%2Flake:payments"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


def request(name: str = "fraud/7 as champion", urn: str = URN) -> DecisionRequest:
    return DecisionRequest.model_validate(
        {
            "schema": "proctor/request/v1", "stage": "registration", "operation": "promote", "point": "mlflow-registry",
            "environment": "prod", "purpose": "fraud", "subject": {"kind": "model_version", "name": name},
            "facts": {"models": [{"id": "models:/fraud/7"}], "datasets": [{"id": urn}]},
        }
    )  # fmt: skip


ASKING = Asking(
    caller=Caller(
        Actor("person:0123456789abcdef", PrincipalKind.PERSON, "mlflow"),
        frozenset({Role.GATE}),
        frozenset({"mlflow-registry"}),
        frozenset({"prod"}),
        frozenset({"models/*/signature"}),
    ),
    budget=2.0,
    source="mlflow",
    tiers={"models/*/card": EvidenceTier.DECLARED},
)
FINDING = Finding(
    rule="data.dataset_owned", title="Owned", severity="critical", at=["datasets", 0], item=[URN],  # type: ignore[arg-type]
    status="fail", effect="deny", message="no owner", remediation="name one",  # type: ignore[arg-type]
)  # fmt: skip


def decision(outcome: Outcome = Outcome.ALLOW, **more: Any) -> Decision:
    reasons = {
        Outcome.ALLOW: Reason.COMPLIANT,
        Outcome.DENY: Reason.NON_COMPLIANT,
        Outcome.ERROR: Reason.ENGINE_TIMEOUT,
    }
    findings = [FINDING] if outcome is Outcome.DENY else []
    return Decision(
        id=decision_id(), outcome=outcome, reason=reasons[outcome], message="", received_at=NOW, decided_at=NOW,
        findings=findings, **more,
    )  # fmt: skip


class Decider:
    def __init__(self) -> None:
        self.outcome = Outcome.ALLOW
        self.asked: list[tuple[DecisionRequest, Asking]] = []
        self.open = asyncio.Event()
        """Answers leave while it is set."""
        self.open.set()
        self._asked = asyncio.Condition()

    async def reached(self, count: int) -> None:
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.asked) >= count)

    async def decide(self, request: Any, asking: Asking) -> Decision:
        async with self._asked:
            self.asked.append((request, asking))
            self._asked.notify_all()
        outcome = self.outcome
        await self.open.wait()
        return decision(outcome)


async def world(at: Stores) -> tuple[Decider, StandingDecisions, ViolationRegister, Rejudge]:
    decider = Decider()
    standing = StandingDecisions.load(at.database, at.ledger, at.hands.now)
    violations = ViolationRegister(at.database, at.ledger, at.hands.now, [])
    judge = Rejudge(decider, standing, violations)
    standing.on_remember = judge.remembered
    standing.on_end = judge.ended
    return decider, standing, violations, judge


@contextlib.asynccontextmanager
async def running(judge: Rejudge) -> AsyncIterator[None]:
    task = asyncio.create_task(judge.run())
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled(), "it ended by itself"


async def settled(violations: ViolationRegister, count: int) -> None:
    while len(await violations.open_ones(10)) != count:  # noqa: ASYNC110 (a row in a table wakes nobody)
        await asyncio.sleep(0.005)


async def test_what_is_no_longer_allowed_is_a_violation_until_it_is_allowed_again(at: Stores) -> None:
    decider, standing, violations, judge = await world(at)
    first = decision()
    await standing.remember(request(), ASKING, first)
    decider.outcome = Outcome.DENY
    await judge.judge(standing.all())
    await judge.judge(standing.all())
    (only,) = await violations.open_ones(10)
    assert (only.kind, only.subject) == (KIND, "fraud/7 as champion")
    assert only.detail["allowed_by"] == first.id
    assert only.detail["findings"] == [{"rule": "data.dataset_owned", "item": [URN], "message": "no owner"}]
    decider.outcome = Outcome.ERROR
    await judge.judge(standing.all())
    assert len(await violations.open_ones(10)) == 1, "no answer is neither good nor bad"
    decider.outcome = Outcome.ALLOW
    await judge.judge(standing.all())
    assert await violations.open_ones(10) == []


async def test_no_answer_opens_nothing(at: Stores) -> None:
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider.outcome = Outcome.ERROR
    await judge.judge(standing.all())
    assert await violations.open_ones(10) == []


async def test_the_same_question_is_asked_after_a_restart_too(at: Stores) -> None:
    _, standing, _, _ = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider, reloaded, _, judge = await world(at)
    await judge.judge(reloaded.all())
    ((asked, asking),) = decider.asked
    assert standing.all()[0].asking == asking, "before a restart as after it"
    assert asking.caller.may_ask(Point.AUDIT, "prod")
    assert asked.point == Point.AUDIT
    assert asked.model_copy(update={"point": request().point, "request_id": None}) == request()
    assert (asking.source, asking.tiers, asking.tier) == ("mlflow", ASKING.tiers, None)
    assert asking.caller.actor == ASKING.caller.actor
    assert asking.caller.asserts == ASKING.caller.asserts


async def test_only_what_was_allowed_and_recorded_stands(at: Stores) -> None:
    _, standing, _, _ = await world(at)
    await standing.remember(request(), ASKING, decision(Outcome.DENY))
    await standing.remember(request(), ASKING, decision(dry_run=True))
    assert standing.all() == []
    await standing.remember(request(), ASKING, decision())
    later = decision()
    await standing.remember(request(), ASKING, later)
    assert [one.decision_id for one in standing.all()] == [later.id]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejudge, "DEBOUNCE", 0.01)


async def test_a_change_wakes_those_that_rest_on_it_and_no_others(at: Stores, fast: None) -> None:
    decider, standing, _, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    await standing.remember(request("other", "urn:ol:s3%3A%2F%2Flake:rates"), ASKING, decision())
    async with running(judge):
        await decider.reached(2)  # everything, at the start
        judge.changed(frozenset({URN}))
        judge.changed(frozenset({"urn:ol:x:y"}))
        await decider.reached(3)
        await asyncio.sleep(0.05)
        assert [asked.subject.name for asked, _ in decider.asked[2:]] == ["fraud/7 as champion"]


async def test_what_got_no_answer_is_asked_again_soon_and_alone(
    at: Stores, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejudge, "RETRY", 0.1)
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider.outcome = Outcome.ERROR
    async with running(judge):
        await decider.reached(1)
        await standing.remember(request("other"), ASKING, decision())
        judge.changed(frozenset({"urn:ol:x:y"}))
        await decider.reached(2)
        assert await violations.open_ones(10) == []
        decider.outcome = Outcome.DENY
        await settled(violations, 1)
        count = len(decider.asked)
        await asyncio.sleep(0.3)
        assert len(decider.asked) == count, "what has its answer is not asked again"
    assert {asked.subject.name for asked, _ in decider.asked} == {"fraud/7 as champion"}


async def test_the_pauses_grow(at: Stores, fast: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejudge, "RETRY", 0.02)
    decider, standing, _, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider.outcome = Outcome.ERROR
    async with running(judge):
        await asyncio.sleep(0.7)
    assert 3 <= len(decider.asked) <= 7, "after 0.02, 0.04, 0.08, 0.16 and 0.32 seconds"


async def test_everything_is_judged_again_from_time_to_time(
    at: Stores, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejudge, "EVERY", 0.05)
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    async with running(judge):
        await decider.reached(1)
        decider.outcome = Outcome.DENY  # a waiver has ended: no event says so
        await settled(violations, 1)


async def test_what_changes_while_a_decision_is_made_is_not_missed(at: Stores, fast: None) -> None:
    """The decision was made on the facts of before, and remembered when nobody looked for it any more."""
    decider, standing, violations, judge = await world(at)
    async with running(judge):
        await asyncio.sleep(0)
        judge.changed(frozenset({URN}))
        await asyncio.sleep(0.05)
        assert decider.asked == []
        decider.outcome = Outcome.DENY
        await standing.remember(request(), ASKING, decision())
        await settled(violations, 1)


async def test_a_new_decision_on_what_was_refused_is_judged_at_once(at: Stores, fast: None) -> None:
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider.outcome = Outcome.DENY
    async with running(judge):
        await settled(violations, 1)
        decider.outcome = Outcome.ALLOW
        await standing.remember(request(), ASKING, decision())
        await settled(violations, 0)


async def test_an_answer_about_what_no_longer_holds_counts_for_nothing(at: Stores, fast: None) -> None:
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider.outcome = Outcome.DENY
    decider.open.clear()
    async with running(judge):
        await decider.reached(1)
        decider.outcome = Outcome.ALLOW
        await standing.remember(request(), ASKING, decision())
        decider.open.set()
        await asyncio.sleep(0.1)
        assert await violations.recent(10) == []


async def test_a_violation_that_was_not_recorded_is_opened_later(
    at: Stores, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejudge, "RETRY", 0.05)
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    decider.outcome = Outcome.DENY
    append, refused = at.ledger.append, asyncio.Event()

    async def full(*_: Any, **__: Any) -> None:
        refused.set()
        raise LedgerError("appending to the ledger", "the disk is full")

    monkeypatch.setattr(at.ledger, "append", full)
    async with running(judge):
        await refused.wait()
        monkeypatch.setattr(at.ledger, "append", append)
        await settled(violations, 1)


async def test_what_concerns_everything_wakes_everything(at: Stores, fast: None) -> None:
    decider, standing, violations, judge = await world(at)
    await standing.remember(request(), ASKING, decision())
    await standing.remember(request("other"), ASKING, decision())
    async with running(judge):
        await decider.reached(2)
        decider.outcome = Outcome.DENY
        judge.everything_changed()
        await settled(violations, 2)


async def test_what_was_taken_out_of_use_is_no_violation_any_more(at: Stores) -> None:
    decider, standing, violations, judge = await world(at)
    await standing.remember(request("a"), ASKING, decision())
    decider.outcome = Outcome.DENY
    async with running(judge):
        await settled(violations, 1)
        later = at.hands.now() + timedelta(seconds=1)
        await standing.end(Ended("a", "registration", "prod", "models:/fraud/7", "person:x", later, "deleted"))
        await settled(violations, 0)
