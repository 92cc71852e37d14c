"""What the real client sent, byte for byte: `tests/contract/recorded/openlineage/record.py` recorded it."""

import random
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from proctor.plugins import LineageEdge
from proctor.store.tables import lineage_edges
from proctor.vocabulary.datasets import canonical, parse
from tests.adapters.openlineage.conftest import Receiver

FOLDER: Final = Path(__file__).parents[2] / "contract" / "recorded" / "openlineage"
NAMES: Final = ("owned", "tagged", "tags-deleted", "named", "run-complete-alone", "job", "dropped")
PAYMENTS: Final = canonical("s3://lake", "payments").urn
TABLE: Final = canonical("hive://metastore:10000", "bank.payments").urn


async def replay(receiver: Receiver, *names: str, status: int = 201) -> None:
    for name in names:
        head, _, body = (FOLDER / f"{name}.http").read_bytes().partition(b"\n\n")
        first, *lines = head.decode().splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        method, path = first.split(" ")
        answer = await receiver.client.request(method, path, content=body, headers=headers)
        assert answer.status_code == status, (name, answer.text)


async def hear(receiver: Receiver, *names: str) -> None:
    await replay(receiver, *names)
    await receiver.worker.round()
    assert set(receiver.problems()) == {None}


def facts(receiver: Receiver, urn: str = PAYMENTS) -> dict[str, Any]:
    return {group: fact.values for group, fact in receiver.datasets.facts(urn).items()}


def test_all_that_was_recorded_is_replayed() -> None:
    assert {path.stem for path in FOLDER.glob("*.http")} == set(NAMES)


async def test_owners_arrive_under_the_canonical_name(receiver: Receiver) -> None:
    await hear(receiver, "owned")
    assert facts(receiver)["ownership"] == {"owners": ["team:payments"]}


async def test_a_dataset_with_a_column_about_people_is_about_people_whatever_else_the_tags_say(
    receiver: Receiver,
) -> None:
    await hear(receiver, "tagged")
    assert facts(receiver)["sensitivity"] == {"personal": True, "special": False, "data_class": "personal"}
    assert facts(receiver)["legal"] == {"basis": "contract"}


async def test_the_clients_way_to_delete_a_facet_takes_its_facts_back(receiver: Receiver) -> None:
    await hear(receiver, "owned", "tagged", "tags-deleted")
    assert set(facts(receiver)) == {"catalog", "ownership"}


async def test_a_table_is_known_by_the_name_of_its_folder_and_a_name_that_points_at_itself_is_none(
    receiver: Receiver,
) -> None:
    await hear(receiver, "tagged", "named")
    assert set(receiver.datasets.names(TABLE)) == {TABLE, PAYMENTS}
    assert facts(receiver, TABLE)["legal"] == {"basis": "contract"}


async def test_lineage_needs_no_start_and_explicit_lineage_is_all_there_is(receiver: Receiver) -> None:
    await hear(receiver, "run-complete-alone", "job")
    drawn = {
        (parse(row.source_urn).name, parse(row.target_urn).name, bool(row.run))
        for row in receiver.at.database.read(select(lineage_edges))
    }
    assert drawn == {
        ("payments", "sums", True), ("hinted", "sums", True), ("payments", "totals", True),
        ("payments", "nightly", False),
    }  # fmt: skip


async def test_a_dropped_dataset_is_unknown(receiver: Receiver) -> None:
    await hear(receiver, "owned", "tagged", "dropped")
    assert facts(receiver) == {}


@pytest.mark.parametrize("seed", range(5))
async def test_in_whatever_order_and_however_often_events_come_they_end_alike(receiver: Receiver, seed: int) -> None:
    names = [name for name in NAMES if name != "dropped"]
    random.Random(seed).shuffle(names)  # noqa: S311 (an order, not a secret)
    await replay(receiver, *names)
    await replay(receiver, *names, status=200)
    await receiver.worker.round()
    assert set(facts(receiver)) == {"catalog", "ownership"}
    edges: list[LineageEdge] = receiver.at.database.read(select(lineage_edges))  # type: ignore[assignment] # counted
    assert len(edges) == 4
