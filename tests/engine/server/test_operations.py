import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from proctor.errors import ClockError, OpaError
from proctor.server.assembly import _background
from proctor.server.operations import create_operations
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Role
from tests.engine.identity.stores import START
from tests.engine.server.harness import Harness, harness


@pytest.fixture
async def api(state_dir: Path) -> AsyncIterator[Harness]:
    async with harness(state_dir) as found:
        yield found


async def _get(api: Harness, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(create_operations(api.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://operations") as client:
        return await client.get(path)


async def test_ready_when_everything_is(api: Harness) -> None:
    response = await _get(api, "/health/ready")
    assert (response.status_code, response.json()) == (200, {"ready": True, "reasons": []})


async def _opa_down(api: Harness) -> None:
    api.opa.down = OpaError("asking", "it is dead")


async def _opa_not_ready(api: Harness) -> None:
    api.opa.ready = False


async def _foreign_revision(api: Harness) -> None:
    api.opa.revision = "r0"


async def _ledger_closed(api: Harness) -> None:
    await api.parts.ledger.close()


async def _clock_jumped(api: Harness) -> None:
    def check() -> None:
        raise ClockError("reading the wall clock", "it jumped")

    api.hands.check = check  # type: ignore[method-assign]


async def _task_died(api: Harness) -> None:
    async def work() -> None:
        raise RuntimeError("a defect")

    async with AsyncExitStack() as stack:
        _background(work(), "rejudge", api.parts, stack)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def _not_asked(api: Harness) -> None:
    api.parts.permissions.digest = None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_opa_down, "opa: "),
        (_opa_not_ready, "opa: "),
        (_foreign_revision, "opa: revision r0"),
        (_ledger_closed, "ledger: "),
        (_clock_jumped, "clock: "),
        (_task_died, "task: rejudge died"),
        (_not_asked, "authorisation: "),
    ],
)
async def test_not_ready_says_why_and_alive_stays(api: Harness, spoil: Any, reason: str) -> None:
    await spoil(api)
    response = await _get(api, "/health/ready")
    assert response.status_code == 503
    (found,) = response.json()["reasons"]
    assert found.startswith(reason)
    assert (await _get(api, "/health/live")).status_code == 200


async def test_metrics_count_decisions_failures_and_authentication(api: Harness) -> None:
    await api.person("ada", Role.REQUESTER)
    await api.call("GET", "/v1/policy")
    for outcome, reason in (("deny", "non_compliant"), ("error", "engine_unavailable")):
        decision = Decision(
            id="dec_" + "0" * 26, outcome=outcome, reason=reason, message="m", received_at=START, decided_at=START,
            point="ci",
        )  # fmt: skip
        api.parts.metrics.observe(decision, 0.002)
    text = (await _get(api, "/metrics")).text
    for line in (
        'proctor_decisions_total{dry_run="false",outcome="deny",point="ci",reason="non_compliant"} 1.0',
        'proctor_opa_failures_total{reason="engine_unavailable"} 1.0',
        'proctor_authentication_failures_total{code="unauthenticated"} 1.0',
        "proctor_unrecorded_decisions_total 2.0",
        f"proctor_ledger_entries {float(api.parts.ledger.head().size)}",
        "proctor_ledger_healthy 1.0",
        'proctor_outbox_messages{state="waiting"} 0.0',
        'proctor_outbox_messages{state="dead"} 0.0',
        'proctor_decision_seconds_count{point="ci"} 2.0',
    ):
        assert line in text.splitlines(), text


async def test_nothing_of_the_api_is_on_this_listener(api: Harness) -> None:
    for path in ("/v1/policy", "/v1/keys", "/docs", "/"):
        assert (await _get(api, path)).status_code == 404


async def test_a_task_that_is_stopped_did_not_die(api: Harness) -> None:
    async with AsyncExitStack() as stack:
        _background(asyncio.sleep(60), "rejudge", api.parts, stack)
        await asyncio.sleep(0)
    assert api.parts.died == []
