"""What differs between two policies, told from their bundles: no OPA is needed to compare."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.opa.archive import Archive
from proctor.policy.comparing import Change, _Space, compare
from proctor.vocabulary.canonical import canonical
from tests.engine.decide import policies

CODE = "deployment.a"
VALUES: dict[str, Any] = {"thresholds": {"gap": {"low": 1, "high": 2}}, "lists": {"registries": ["a", "b"]}}


def archive(
    document: dict[str, Any], *, values: dict[str, Any] = VALUES, rego: dict[str, bytes] | None = None
) -> Archive:
    sources = {rule["file"]: b"package x" for rule in document["rules"].values()} | {"governance/lib/a.rego": b"lib\n"}
    return Archive(sources | (rego or {}), {"governance": {"index": document, "config": {"values": values}}})


def index(*rules: Any, actions: list[dict[str, str]] | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(canonical(dict(policies.make_index(*rules, actions=actions).document)))
    return document


def rule(code: str = CODE, **custom: Any) -> Any:
    return policies.rule(code, **custom)


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    return compare(archive(before), archive(after))


def test_equal_policies_differ_in_nothing() -> None:
    assert changes(index(rule()), index(rule())) == []


def test_a_rule_comes_and_goes() -> None:
    both, one = index(rule(), rule("deployment.b")), index(rule())
    assert changes(one, both) == [Change("rule", "deployment.b", "", "critical: A rule")]
    assert changes(both, one) == [Change("rule", "deployment.b", "critical: A rule", "")]


@pytest.mark.parametrize(
    ("custom", "wanted"),
    [
        ({"severity": "low"}, Change("severity", CODE, "critical", "low")),
        ({"waivable": {"max_days": 9}}, Change("waivable", CODE, "false", '{"max_days": 9}')),
        ({"clauses": ["gdpr/7.1"]}, Change("clauses", CODE, "owasp-ml/ML06", "gdpr/7.1")),
        ({"effective_on": "2027-12-02T00:00:00Z"}, Change("effective_on", CODE, "", "2027-12-02T00:00:00Z")),
        ({"message": "it is unknown"}, Change("message", CODE, "model {id} is not registered", "it is unknown")),
        ({"may_be_empty": True}, Change("may_be_empty", CODE, "false", "true")),
    ],
    ids=lambda value: value.kind if isinstance(value, Change) else "",
)  # fmt: skip
def test_what_an_annotation_says_otherwise_is_told(custom: dict[str, Any], wanted: Change) -> None:
    base = {"waivable": False}
    assert wanted in changes(index(rule(**base)), index(rule(**(base | custom))))


def test_what_a_rule_needs_to_know_is_told_by_place() -> None:
    asks = [{"at": "registration", "fields": {"registered": "boolean"}, "max_age": "P1D"}]
    (found,) = changes(index(rule()), index(rule(evidence=asks)))
    assert (found.kind, found.of) == ("evidence", f"{CODE} models/*/registration")
    assert "86400 s" in found.after
    assert "86400 s" not in found.before


def test_one_action_for_all_is_one_line() -> None:
    before = index(rule(), actions=[{"action": "deny"}])
    after = index(rule(), actions=[{"action": "warn"}])
    assert changes(before, after) == [Change("action", f"{CODE} at */*/*", "deny", "warn")]


def test_actions_are_told_by_the_cases_that_change() -> None:
    before = index(rule(), rule("deployment.b"), actions=[{"action": "deny"}])
    some = [{"action": "deny"}, {"action": "warn", "environment": "dev", "point": "ci"}]
    after = index(rule(), rule("deployment.b"), actions=some)
    assert changes(before, after) == [Change("action", "every rule at */dev/ci", "deny", "warn")]


def test_thresholds_lists_and_libraries_are_told() -> None:
    values = copy.deepcopy(VALUES)
    values["thresholds"]["gap"]["high"] = 3
    values["thresholds"]["new"] = {"low": 1}
    values["lists"]["registries"] = ["b", "c"]
    document = index(rule())
    found = compare(archive(document), archive(document, values=values, rego={"governance/lib/a.rego": b"lib\nmore\n"}))
    assert found == [
        Change("list", "registries", "a", "c"),
        Change("threshold", "gap", '{"high": 2, "low": 1}', '{"high": 3, "low": 1}'),
        Change("threshold", "new", "", '{"low": 1}'),
        Change("library", "governance/lib/a.rego", "1 lines", "2 lines"),
    ]


def test_a_source_that_changed_is_told_even_where_it_means_the_same() -> None:
    document = index(rule())
    found = compare(archive(document), archive(document, rego={f"{CODE}.rego": b"package y"}))
    assert [(change.kind, change.of) for change in found] == [("source", CODE)]


def test_the_table_of_risk_tiers_is_told() -> None:
    document, other = index(rule()), index(rule())
    other["tiers"]["run"]["needs"][0]["min_rank"] = 2
    (found,) = changes(document, other)
    assert (found.kind, found.of) == ("tiers", "run.needs")
    assert found.before.replace('"min_rank": 1', '"min_rank": 2', 1) == found.after


CASES = [(tier, environment, point) for tier in "abc" for environment in "xyz" for point in "pqr"]


@given(st.sets(st.sampled_from(CASES), min_size=1))
def test_selectors_stand_for_exactly_the_cases(cases: set[tuple[str, str, str]]) -> None:
    """However short they are written, nothing is left out and nothing is added."""
    covered: list[tuple[str, str, str]] = []
    alphabets = ("abc", "xyz", "pqr")
    for selector in _Space(CASES).selectors(set(cases)):
        parts = [
            list(alphabet) if part == "*" else part.split("|")
            for part, alphabet in zip(selector.split("/"), alphabets, strict=True)
        ]
        covered += [(one, two, three) for one in parts[0] for two in parts[1] for three in parts[2]]
    assert sorted(covered) == sorted(cases)
