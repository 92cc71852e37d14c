"""Decisions take turns: a crowd neither starves those at work nor is worked on when it is too late to answer."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proctor.decide import pipeline
from proctor.decide.pipeline import Decisions
from proctor.evidence.gather import Providers
from proctor.opa.bundle import BuiltBundle
from proctor.opa.index import Index
from proctor.plugins import Asking
from proctor.server.local import local_operator
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import Outcome


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def check(self) -> None:
        return


class Held(Decisions):
    """Decides when the test lets it."""

    def __init__(self, max_waiting: int = 1000) -> None:
        unused: Any = None
        index = Index({"revision": "r1", "rules": {}, "environments": []})
        super().__init__(
            engine=unused, bundle=BuiltBundle(Path(), "sha256:" + "0" * 64, "r1", index, Path()),
            providers=Providers([]), waivers=unused, recorder=unused, clock=Clock(), digest_of=unused,
            opa_version="1", budget=30, evaluation_timeout=1, max_waiting=max_waiting,
        )  # fmt: skip
        self.begun: list[bytes] = []
        self.let_go = asyncio.Event()

    async def _decide(self, request: Any, draft: Any, deadline: float) -> Decision:
        self.begun.append(request)
        await self.let_go.wait()
        return self._finish(draft, Outcome.DENY, Reason.NON_COMPLIANT)

    def ask(self, request: bytes, budget: float = 30) -> "asyncio.Task[Decision]":
        asking = Asking(caller=local_operator(), budget=budget, source="test", dry_run=True)
        return asyncio.create_task(self.decide(request, asking))


async def test_those_beyond_the_bound_wait_and_are_served_in_the_order_in_which_they_came() -> None:
    held = Held()
    tasks = [held.ask(b"%d" % number) for number in range(pipeline._AT_WORK + 20)]
    await asyncio.sleep(0.01)
    assert len(held.begun) == pipeline._AT_WORK
    held.let_go.set()
    decisions = await asyncio.gather(*tasks)
    assert {decision.reason for decision in decisions} == {Reason.NON_COMPLIANT}
    assert held.begun == [b"%d" % number for number in range(pipeline._AT_WORK + 20)]


async def test_a_turn_that_does_not_come_in_half_the_time_is_overloaded_and_costs_no_work() -> None:
    held = Held()
    busy = [held.ask(b"busy") for _ in range(pipeline._AT_WORK)]
    began = asyncio.get_running_loop().time()
    late = await held.ask(b"late", budget=0.4)
    took = asyncio.get_running_loop().time() - began
    assert (late.outcome, late.reason) == (Outcome.ERROR, Reason.OVERLOADED)
    assert 0.2 <= took < 0.4
    held.let_go.set()
    await asyncio.gather(*busy)
    assert b"late" not in held.begun
    assert (await held.ask(b"next")).reason is Reason.NON_COMPLIANT
    assert held.waiting == 0


async def test_a_caller_who_goes_away_gives_the_turn_back() -> None:
    held = Held()
    tasks = [held.ask(b"gone") for _ in range(pipeline._AT_WORK + 10)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    again = [held.ask(b"again") for _ in range(pipeline._AT_WORK)]
    await asyncio.sleep(0.01)
    assert held.begun.count(b"again") == pipeline._AT_WORK
    held.let_go.set()
    await asyncio.gather(*again)


async def test_more_than_may_wait_are_turned_away_at_once() -> None:
    held = Held(max_waiting=pipeline._AT_WORK + 5)
    tasks = [held.ask(b"%d" % number) for number in range(pipeline._AT_WORK + 9)]
    done, _ = await asyncio.wait(tasks, timeout=0.2)
    assert [task.result().reason for task in done] == [Reason.OVERLOADED] * 4
    held.let_go.set()
    await asyncio.gather(*tasks)
