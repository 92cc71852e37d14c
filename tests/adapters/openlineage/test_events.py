import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor_adapters.openlineage.events import SKEW, NoEventError, check, decode, encode, moment
from tests.adapters.openlineage.builders import JOB, NOW, RUN, dataset_event, run_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        run_event(),
        dataset_event(),
        {"eventTime": NOW.isoformat(), "job": JOB},
        {key: value for key, value in run_event().items() if key != "eventType"},
        run_event(eventType="START"),
    ],
)
def test_run_dataset_and_job_events_are_events(event: dict[str, Any]) -> None:
    assert check(event, NOW) is event


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("text", "JSON object"),
        (None, "JSON object"),
        ([run_event()], "batch"),
        ({"eventTime": NOW.isoformat()}, "neither"),
        (run_event(eventType="FINISHED"), "eventType"),
        (run_event(eventType=["START"]), "eventType"),
        (run_event(run={}), r"run\.runId"),
        (run_event(run="r"), r"run\.runId"),
        (run_event(job=None), r"job\.namespace"),
        (run_event(job={"namespace": "x"}), r"job\.name"),
        ({"eventTime": NOW.isoformat(), "dataset": {"namespace": "s3://lake"}}, r"dataset\.name"),
        ({"eventTime": NOW.isoformat(), "dataset": []}, r"dataset\.namespace"),
        ({"eventTime": NOW.isoformat(), "run": RUN}, r"job\.namespace"),
        (run_event(eventTime="yesterday"), "eventTime"),
        (run_event(eventTime=1764072000), "eventTime"),
        (run_event(eventTime="2026-11-25T12:00:00"), "time zone"),
        (run_event(eventTime="1999-12-31T23:59:59Z"), "2000"),
        (run_event(eventTime="0001-01-01T00:00:00+10:00"), "eventTime"),
    ],
)
def test_what_is_no_event_is_refused_and_one_line_says_why(event: Any, why: str) -> None:
    with pytest.raises(NoEventError, match=why) as refused:
        check(event, NOW)
    assert "\n" not in str(refused.value)


def test_an_event_from_the_future_would_outlast_all_that_come_and_is_refused() -> None:
    check(run_event(eventTime=(NOW + SKEW).isoformat()), NOW)
    with pytest.raises(NoEventError, match="future"):
        check(run_event(eventTime=(NOW + SKEW + timedelta(seconds=1)).isoformat()), NOW)


@pytest.mark.parametrize("text", ["2026-11-25T13:00:00.123456789+01:00", "2026-11-25T12:00:00.123456Z"])
def test_times_are_read_as_java_and_python_write_them(text: str) -> None:
    assert moment({"eventTime": text}) == NOW.replace(microsecond=123456)


def test_facets_of_others_may_hold_what_strict_json_does_not() -> None:
    raw = json.dumps(run_event(run={**RUN, "facets": {"x": {"snapshotId": 2**63 - 1, "mean": float("nan")}}}))
    event = decode(raw.encode())
    assert event["run"]["facets"]["x"] == {"snapshotId": 2**63 - 1, "mean": None}


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000, b"[" * 65 + b"]" * 65, b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "cut", "latin", "twice", "deep", "deep-and-closed", "long-number"],
)  # fmt: skip
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NoEventError):
        decode(raw)


def test_a_text_that_no_database_takes_is_refused() -> None:
    with pytest.raises(NoEventError, match="surrogate"):
        encode(decode(b'{"a": "\\ud800"}'))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_an_event_is_the_same_event_however_its_keys_are_ordered(event: dict[str, Any]) -> None:
    raw, name = encode(decode(json.dumps(event).encode()))
    turned = dict(reversed(event.items()))
    assert encode(decode(json.dumps(turned, indent=2).encode())) == (raw, name)
    assert encode(decode(raw)) == (raw, name)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_event_or_are_refused(raw: bytes) -> None:
    with contextlib.suppress(NoEventError):
        assert check(decode(raw), NOW)
