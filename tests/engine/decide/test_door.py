"""The door: every required field is required, every type is checked, nothing of any shape gets past by accident."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.decide.door import read
from proctor.vocabulary.request import DecisionRequest
from tests.live import documents
from tests.live.documents import paths

VALID: dict[str, Any] = {
    "schema": "proctor/request/v1",
    "stage": "deployment",
    "operation": "deploy",
    "point": "ci",
    "environment": "prod",
    "subject": {"kind": "deployment", "name": "ml/Deployment/x"},
    "facts": {
        "models": [
            {
                "id": "models:/f/7",
                "reference": {
                    "uris": ["models:/f/7"], "schemes": ["models"], "mutable": False, "paths": ["$"], "roles": ["base"]
                },
            }
        ],
        "images": [],
        "workload": {
            "kind": "Deployment", "namespace": "ml", "name": "x",
            "unlimited_containers": [], "writable_model_mounts": [], "unclassified": [],
        },
    },
}  # fmt: skip


def changed(path: tuple[Any, ...], value: Any = ...) -> bytes:
    return json.dumps(documents.changed(VALID, (path, value))).encode()


def test_the_valid_request_is_valid() -> None:
    assert isinstance(read(json.dumps(VALID).encode()), DecisionRequest)


OPTIONAL = {("facts", "models", 0, "reference"), ("facts", "workload")}


@pytest.mark.parametrize(
    "path", [path for path in paths(VALID) if path not in OPTIONAL and not isinstance(path[-1], int)]
)
def test_each_required_field_is_missed_by_its_path(path: tuple[Any, ...]) -> None:
    found = read(changed(path))
    assert isinstance(found, list)
    pointer = "".join(f"/{part}" for part in path)
    assert [problem.path for problem in found] == [pointer]
    assert found[0].code == "missing"


@pytest.mark.parametrize("path", list(paths(VALID)))
@pytest.mark.parametrize("value", [None, 5, True, "", [], {}, "true", 1.5, ["x", 5], {"a": {}}])
def test_a_value_of_another_type_is_refused(path: tuple[Any, ...], value: Any) -> None:
    holder: Any = VALID
    for part in path:
        holder = holder[part]
    if type(value) is type(holder) or (value is None and path in OPTIONAL):
        return
    found = read(changed(path, value))
    assert isinstance(found, list), (path, value)
    assert all(problem.message for problem in found)


def test_nothing_at_all_names_everything_that_is_missing() -> None:
    found = read(b"{}")
    assert isinstance(found, list)
    assert {problem.path for problem in found} == {
        "/schema", "/stage", "/operation", "/point", "/environment", "/subject", "/facts",
    }  # fmt: skip


@pytest.mark.parametrize(
    "field", ["waivers", "approvals", "tier", "risk_tier", "now", "context", "actor", "case", "outcome", "__proto__"]
)
def test_a_request_cannot_vouch_for_itself(field: str) -> None:
    found = read(changed((field,), "anything"))
    assert isinstance(found, list)
    assert found[0].code == "unknown_field"


@pytest.mark.parametrize("field", ["tier", "source", "about", "digest", "fetched_at"])
def test_a_stated_group_carries_no_evidence_of_its_own_strength(field: str) -> None:
    found = read(changed(("facts", "workload", "evidence"), {field: "verified"}))
    assert isinstance(found, list)
    assert found[0].path == f"/facts/workload/evidence/{field}"


@pytest.mark.parametrize(
    "moment", ["1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", 5]
)
def test_times_outside_the_century_or_without_zone_are_refused(moment: Any) -> None:
    assert isinstance(read(changed(("facts", "workload", "evidence"), {"observed_at": moment})), list)


def test_a_list_that_is_too_long_is_refused_before_anything_in_it_is_looked_at() -> None:
    for name, inside in (("models", "{},"), ("images", "[[5]],"), ("x", '"x",')):
        raw = f'{{"facts": {{"{name}": [{inside * 300_000}5]}}}}'.encode()
        (problem,) = read(raw)
        assert (problem.code, problem.path) == ("too_long", f"/facts/{name}")
        assert problem.message == "has 300001 items, more than the limit of 2000"


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_give_problems_and_no_exception(raw: bytes) -> None:
    assert isinstance(read(raw), list)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*VALID, "x", ""]), json_values, max_size=8))
@settings(max_examples=300, deadline=None)
def test_random_documents_are_never_a_request(document: dict[str, Any]) -> None:
    found = read(json.dumps(document).encode())
    assert isinstance(found, list)
    assert all(problem.message for problem in found)
