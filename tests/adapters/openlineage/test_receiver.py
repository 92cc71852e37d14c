"""Routes, inbox and worker together."""

import asyncio
import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from proctor.errors import LedgerError, SettingsError, StateError
from proctor.plugins import Services
from proctor.store.inbox import Inbox
from proctor.store.tables import inbox as inbox_table
from proctor_adapters.openlineage import routes as module
from proctor_adapters.openlineage import worker as worker_module
from proctor_adapters.openlineage.worker import Worker
from tests.adapters.openlineage.builders import ALL, dataset, dataset_event, run_event, tags
from tests.adapters.openlineage.conftest import Receiver


def licensed(text: str, minutes: float = 0, name: str = "payments") -> dict[str, Any]:
    return dataset_event(dataset(name, tags=tags(licence=text)), minutes)


async def test_an_event_is_on_disk_when_it_is_answered_and_a_fact_when_it_was_worked_through(
    receiver: Receiver,
) -> None:
    assert (await receiver.post(licensed("MIT"))).status_code == 201
    assert receiver.licence() is None
    again = Worker(Inbox(receiver.at.database, receiver.at.hands.now), receiver.datasets)
    assert await again.round() == 1, "another process finds it"
    assert receiver.licence() == "MIT"
    assert receiver.problems() == [None]


@pytest.mark.parametrize("path", ["/lineage", "/api/v1/lineage"])
async def test_the_same_event_again_is_no_other_one(receiver: Receiver, path: str) -> None:
    event = licensed("MIT")
    turned = dict(reversed(event.items()))
    assert [(await receiver.post(body, path)).status_code for body in (event, turned, event)] == [201, 200, 200]
    await receiver.worker.round()
    size = receiver.at.ledger.head().size
    assert (await receiver.post(event)).status_code == 200
    assert await receiver.worker.round() == 0
    assert receiver.at.ledger.head().size == size


async def test_the_newest_word_counts_in_whatever_order_words_come(receiver: Receiver) -> None:
    for text, minutes in (("second", -5), ("third", -1), ("first", -60)):
        await receiver.post(licensed(text, minutes))
    await receiver.worker.round()
    assert receiver.licence() == "third"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
async def test_bodies_may_be_packed(receiver: Receiver, encoding: str) -> None:
    packed = gzip.compress(json.dumps(licensed("MIT")).encode())
    assert (await receiver.post(packed, **{"Content-Encoding": encoding})).status_code == 201


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 400),
        (b"", {}, 400),
        (b"[]", {}, 400),
        (b"\xff", {}, 400),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}"), {"Content-Encoding": "br"}, 400),
        (gzip.compress(json.dumps(licensed("MIT")).encode())[:-5], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(json.dumps(licensed("MIT")).encode()) + b"x", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b" " * (module.MAX_EVENT + 1)), {"Content-Encoding": "gzip"}, 413),
        (b" " * (module.MAX_BODY + 1), {}, 413),
    ],
    ids=["no-event", "empty", "array", "latin", "no-gzip", "brotli", "cut", "more", "bomb", "large"],
)
async def test_what_is_no_event_is_refused_in_one_line_and_not_kept(
    receiver: Receiver, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await receiver.post(body, **headers)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert receiver.problems() == []


async def test_a_large_event_is_taken_as_well(receiver: Receiver) -> None:
    columns = [{"name": f"column_{number:06}", "type": "VARCHAR"} for number in range(50_000)]
    event = dataset_event(dataset(tags=tags(licence="MIT"), schema={"fields": columns}))
    assert len(json.dumps(event)) > 2 * 1024 * 1024
    assert (await receiver.post(event)).status_code == 201
    await receiver.worker.round()
    assert receiver.licence() == "MIT"


async def test_of_a_batch_each_event_counts_for_itself(receiver: Receiver) -> None:
    answer = await receiver.post(
        [licensed("MIT"), {"x": 1}, run_event([dataset()], [dataset("out")])], "/lineage/batch"
    )
    assert answer.status_code == 200
    document = answer.json()
    assert document["status"] == "partial_success"
    assert document["summary"] == {"received": 3, "successful": 2, "failed": 1, "retriable": 0, "non_retriable": 1}
    assert [(one["index"], one["retriable"]) for one in document["failed_events"]] == [(1, False)]
    assert (await receiver.post([], "/api/v1/lineage/batch")).json()["status"] == "success"
    too_many = [{}] * (module.MAX_BATCH + 1)
    assert [(await receiver.post(body, "/lineage/batch")).status_code for body in ({}, too_many)] == [400, 400]


async def test_what_was_not_taken_is_to_be_sent_again_and_the_answer_says_when(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> bool:
        raise StateError("writing to the database", "the disk is full")

    monkeypatch.setattr(receiver.inbox, "put", refuse)
    for body, path in ((licensed("MIT"), "/lineage"), ([licensed("MIT")], "/lineage/batch")):
        answer = await receiver.post(body, path)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


async def test_an_event_that_is_not_understood_is_kept_with_its_problem_and_holds_up_nobody(receiver: Receiver) -> None:
    sender = {"principal": "service:catalog", "asserts": sorted(ALL)}
    for name, body in (("poison", b"\x00"), ("array", b"[]")):
        await receiver.inbox.put("openlineage", name, body, sender)
    await receiver.post(dataset_event(dataset("a\x00b")))
    await receiver.post(licensed("MIT"))
    await receiver.worker.round()
    assert receiver.licence() == "MIT"
    not_json, no_event, nameless, fine = receiver.problems()
    assert "JSON" in str(not_json)
    assert no_event is not None
    assert "name nothing" in str(nameless)
    assert fine is None
    (row, *_) = receiver.at.database.read(select(inbox_table).order_by(inbox_table.c.id))
    assert bytes(row.body) == b"\x00", "it is kept as it came"
    assert await receiver.worker.round() == 0


async def test_nothing_is_lost_while_the_ledger_takes_nothing(receiver: Receiver) -> None:
    await receiver.post(licensed("MIT"))
    await receiver.post(licensed("GPL", -5, "other"))
    receiver.datasets.error = LedgerError("recording", "the disk is full")
    for _ in range(10):
        with pytest.raises(LedgerError):
            await receiver.worker.round()
    receiver.datasets.error = None
    assert await receiver.worker.round() == 2
    assert (receiver.licence(), receiver.licence("other")) == ("MIT", "GPL")
    assert receiver.problems() == [None, None]


async def test_one_event_that_can_not_be_recorded_holds_up_no_other_and_is_given_up(receiver: Receiver) -> None:
    receiver.datasets.error, receiver.datasets.only = LedgerError("recording", "a value too long"), "payments"
    await receiver.post(licensed("MIT"))
    for number in range(5):
        await receiver.post(licensed("GPL", name=f"other-{number}"))
        with suppress(LedgerError):
            await receiver.worker.round()
        assert receiver.licence(f"other-{number}") == "GPL"
    assert "a value too long" in str(receiver.problems()[0])
    assert await receiver.worker.round() == 0


async def test_a_defect_of_ours_costs_one_event(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    translate = worker_module.translate

    def broken(event: Any, *more: Any) -> Any:
        if event["dataset"]["name"] == "payments":
            raise KeyError("name")
        return translate(event, *more)

    monkeypatch.setattr(worker_module, "translate", broken)
    await receiver.post(licensed("MIT"))
    await receiver.post(licensed("GPL", name="other"))
    assert await receiver.worker.round() == 2
    assert receiver.licence("other") == "GPL"
    assert "defect" in str(receiver.problems()[0])


async def test_the_worker_looks_when_something_comes_and_ends_when_it_is_told_to(receiver: Receiver) -> None:
    running = asyncio.create_task(receiver.worker.run())
    try:
        for text, minutes in (("MIT", -2), ("GPL", -1)):
            await receiver.post(licensed(text, minutes))
            async with asyncio.timeout(10):
                while receiver.licence() != text:  # noqa: ASYNC110 (the register has no event to wait for)
                    await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def test_there_is_nothing_to_configure(receiver_services: Services) -> None:
    with pytest.raises(SettingsError, match="unknown: namespaces"):
        Worker.of(receiver_services)


@pytest.fixture
def receiver_services() -> Services:
    return Services(decider=None, people=None, configuration={"namespaces": {}})  # type: ignore[arg-type] # not asked
