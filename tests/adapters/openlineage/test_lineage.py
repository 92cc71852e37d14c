from typing import Any

import pytest

from proctor_adapters.openlineage.lineage import edges
from tests.adapters.openlineage.builders import JOB, NOW, dataset, dataset_event, run_event


def drawn(event: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    return {(edge.source[1], edge.target[1], edge.job, edge.run) for edge in edges(event, NOW)}


def ends(event: dict[str, Any]) -> set[tuple[str, str]]:
    return {(source, target) for source, target, _, _ in drawn(event)}


def of(*names: str) -> list[dict[str, Any]]:
    return [{"namespace": "s3://lake", "name": name, "type": "DATASET", "field": "x"} for name in names]


def columns(*names: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"fields": {"total": {"inputFields": of(*names)}}, "dataset": of(*also)}


def test_what_was_written_comes_from_what_was_read() -> None:
    event = run_event([dataset("a"), dataset("b")], [dataset("c"), dataset("d")])
    run = event["run"]["runId"]
    assert drawn(event) == {(s, t, "etl/load", run) for s in "ab" for t in "cd"}


@pytest.mark.parametrize("kind", ["START", "RUNNING", "COMPLETE", "FAIL", "OTHER"])
def test_no_event_needs_another_one_before_it(kind: str) -> None:
    assert ends(run_event([dataset("a")], [dataset("c")], eventType=kind)) == {("a", "c")}


def test_a_dataset_that_is_read_and_written_does_not_come_from_itself() -> None:
    assert ends(run_event([dataset("a"), dataset("/a/")], [dataset("a", "s3a://lake")])) == set()


def test_columns_can_name_more_than_the_inputs_do() -> None:
    event = run_event([dataset("a")], [dataset("c", columnLineage=columns("b", also=("filter",)))])
    assert ends(event) == {("a", "c"), ("b", "c"), ("filter", "c")}


def test_explicit_lineage_is_all_there_is_where_both_are_present() -> None:
    explicit = {"inputs": of("x"), "fields": {"total": {"inputs": of("y")}}}
    both = {"lineage": explicit, "columnLineage": columns("b")}
    assert ends(run_event([dataset("a")], [dataset("c", **both)])) == {("x", "c"), ("y", "c")}
    assert ends(run_event([dataset("a")], [dataset("c", lineage={"inputs": []}, columnLineage=columns("b"))])) == set()
    gone = {"lineage": explicit | {"_deleted": True}, "columnLineage": columns("b")}
    assert ends(run_event([], [dataset("c", **gone)])) == {("b", "c")}


def test_jobs_are_no_datasets() -> None:
    job = {"namespace": "etl", "name": "other", "type": "JOB"}
    assert ends(run_event([], [dataset("c", lineage={"inputs": [job, *of("x")]})])) == {("x", "c")}


def test_a_job_can_say_it_for_datasets_that_it_does_not_list() -> None:
    entries = [
        {"namespace": "s3://lake", "name": "c", "type": "DATASET", "inputs": of("x")},
        {"namespace": "etl", "name": "load", "type": "JOB", "inputs": of("y")},
    ]
    event = {"eventTime": NOW.isoformat(), "job": {**JOB, "facets": {"lineage": {"entries": entries}}}}
    assert drawn(event) == {("x", "c", "etl/load", "")}


def test_a_catalog_can_say_it_without_any_job() -> None:
    assert drawn(dataset_event(columnLineage=columns("raw"))) == {("raw", "payments", "static", "")}
    assert drawn(dataset_event()) == set()


def test_names_are_cut_to_what_every_database_takes() -> None:
    event = run_event([dataset("a")], [dataset("c")], job={"namespace": "e\x00", "name": "n" * 9999})
    (edge,) = edges(event, NOW)
    assert edge.job.startswith("e?/nnn")
    assert len(edge.job) == 500
