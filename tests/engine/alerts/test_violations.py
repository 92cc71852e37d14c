import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proctor.alerts.violations import ViolationRegister, _update
from proctor.errors import LedgerError, NotFoundError
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import Outbox
from proctor.settings import SinkSettings
from tests.engine.identity.stores import Stores, stores

SINK = SinkSettings(name="pager", url="https://pager.example.com/", events=["proctor.violation.*"])


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


def register(at: Stores) -> ViolationRegister:
    return ViolationRegister(at.database, at.ledger, at.hands.now, [SINK])


async def alerts(at: Stores) -> list[str]:
    claimed = await Outbox(at.database, Clock()).claim(100)
    return [json.loads(one.message.body)["type"] for one in claimed]


async def test_one_is_opened_once_updated_when_it_changes_and_resolved(at: Stores) -> None:
    violations = register(at)
    await violations.open("drift", "k", "fraud/7", {"rule": "a"})
    at.hands.advance(60)
    await violations.open("drift", "k", "fraud/7", {"rule": "a"})
    (only,) = await violations.open_ones(10)
    assert only.updated_at == only.opened_at
    await violations.open("drift", "k", "fraud/7", {"rule": "b"})
    (only,) = await violations.open_ones(10)
    assert only.updated_at > only.opened_at
    await violations.resolve("drift", "k", "mended")
    await violations.resolve("drift", "k", "mended")
    assert await violations.open_ones(10) == []
    entries = at.ledger.recent("violation", 10)
    assert [entry.record["change"] for entry in entries] == ["resolved", "updated", "opened"]
    assert await alerts(at) == [f"proctor.violation.{change}.v1" for change in ("opened", "updated", "resolved")]


async def test_what_is_open_is_open_after_a_restart_and_still_only_once(at: Stores) -> None:
    await register(at).open("drift", "k", "fraud/7", {"rule": "a"})
    again = register(at)
    (only,) = await again.open_ones(10)
    await again.open("drift", "k", "fraud/7", {"rule": "a"})
    assert [one.id for one in await again.recent(10)] == [only.id]
    assert (await again.get(only.id)).detail == {"rule": "a"}
    with pytest.raises(NotFoundError):
        await again.get("vio_0000000000000000")


async def test_the_same_again_after_it_was_resolved_is_another_one(at: Stores) -> None:
    violations = register(at)
    await violations.open("drift", "k", "fraud/7", {})
    await violations.resolve("drift", "k", "mended")
    await violations.open("drift", "k", "fraud/7", {})
    assert len(await violations.recent(10)) == 2
    assert len(await violations.open_ones(10)) == 1


async def test_two_servers_open_one_and_either_resolves_it(at: Stores) -> None:
    one, other = register(at), register(at)
    await one.open("drift", "k", "fraud/7", {"rule": "a"})
    await other.open("drift", "k", "fraud/7", {"rule": "a"})
    assert await other.open_keys("drift") == frozenset({"k"})
    assert await other.open_keys("bypass") == frozenset()
    await other.resolve("drift", "k", "mended")
    assert await one.open_keys("drift") == frozenset()
    await one.open("drift", "k", "fraud/7", {"rule": "a"})
    assert await alerts(at) == [f"proctor.violation.{change}.v1" for change in ("opened", "resolved", "opened")]


async def test_two_servers_at_the_same_time_open_no_second_one(at: Stores) -> None:
    both = [register(at).open("drift", "k", "fraud/7", {"rule": "a"}) for _ in range(2)]
    failures = [found for found in await asyncio.gather(*both, return_exceptions=True) if found is not None]
    assert all(isinstance(failure, LedgerError) for failure in failures)
    assert len(await register(at).recent(10)) == 1
    assert len(at.ledger.recent("violation", 10)) == 1
    assert len(await alerts(at)) == 1


async def test_what_another_server_resolved_stays_resolved(at: Stores) -> None:
    one, other = register(at), register(at)
    await one.open("drift", "k", "fraud/7", {"rule": "a"})
    known = await one._known("drift", "k")
    await other.resolve("drift", "k", "mended")
    assert known is not None
    await one._write("updated", known, _update(known))
    assert (await one.get(known.id)).resolution == "mended"


async def test_the_newest_come_first_and_no_more_than_were_asked_for(at: Stores) -> None:
    violations = register(at)
    for number in range(4):
        await violations.open("drift", str(number), "fraud/7", {})
        at.hands.advance(1)
    await violations.resolve("drift", "3", "mended")
    assert [one.key for one in await violations.open_ones(2)] == ["2", "1"]
    assert [one.key for one in await violations.recent(2)] == ["3", "2"]
