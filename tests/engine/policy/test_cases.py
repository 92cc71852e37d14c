"""What cases are made from a policy, and when they count as met. What OPA makes of them is in test_workspace.py."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.policy import cases, layout, testing
from proctor.policy.cases import Case, Roles
from proctor.policy.judging import judge
from proctor.policy.patches import apply, difference, remove, replace, value_at
from proctor.settings import Settings
from proctor.vocabulary.canonical import canonical
from tests.engine.policy import packs

REGISTERED = "deployment.model_registered"


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory, opa_binary: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the index and the samples of the provided policy."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("state"))
    with layout.laid_out(settings, opa_binary) as work:
        return work.laid_out.document, testing.projected(work)


def _made(provided: tuple[dict[str, Any], dict[str, Any]], code: str = REGISTERED, **roles: Any) -> list[Case]:
    made, problems = cases.generate(*provided, {code: Roles(**roles)})
    assert problems == []
    return made


def _without(samples: Mapping[str, Any], name: str, *patch: dict[str, Any]) -> dict[str, Any]:
    return {name: apply(samples[name], list(patch))}


def test_every_declared_field_decides_at_every_item(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, samples = provided
    for code in index["select"]["deployment"]["deployment"]["deploy"]["codes"]:
        decisive = {case.name for case in _made(provided, code) if case.kind == "decisive"}
        for need in (index["needs"][use["need"]] for use in index["rules"][code]["needs"]):
            levels = index["scopes"][need["scope"]]
            items = len(samples["deployment"]["facts"][levels[0]]) if levels else 1
            for field in need["fields"]:
                where = [f"{levels[0]}/{i}/" if levels else "" for i in range(items)]
                assert decisive >= {f"{code}: {place}{need['at']}.{field} decides" for place in where}


def test_every_patch_changes_its_sample_and_leaves_it_alone(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, samples = provided
    before = copy.deepcopy(samples)
    for case in _made(provided):
        for patch in case.patches:
            changed = apply(samples[case.sample], patch)
            assert (canonical(changed) == canonical(samples[case.sample])) == (not patch), case.name
    assert samples == before


def test_no_two_cases_have_one_name(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, _ = provided
    for code in index["rules"]:
        names = [(case.name, case.sample) for case in _made(provided, code)]
        assert len(set(names)) == len(names)


def test_a_rule_is_tried_in_every_stage_that_it_applies_to(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert {case.sample for case in _made(provided, "deployment.risk_tier_known")} == {
        "deployment",
        "registration",
        "runtime",
    }


def test_what_only_has_to_be_present_does_not_decide(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    field = ("models/*", "registration", "matches")
    every = {case.name for case in _made(provided)}
    fewer = {case.name for case in _made(provided, present_only=frozenset({field}))}
    assert every - fewer == {f"{REGISTERED}: models/{i}/registration.matches decides" for i in (0, 1)}


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (remove(["models", 1]), "at least 2 items in models/*"),
        (remove(["models"]), "no list models/*"),
        (replace(["models"], "x"), "no list models/*"),
        (replace(["models"], {}), "no list models/*"),
        (remove(["models", 1, "registration"]), "no models/*/registration.registered"),
        (remove(["models", 0, "registration", "matches"]), "no models/*/registration.matches"),
        (remove(["models", 0, "registration", "evidence"]), "no models/*/registration.evidence"),
    ],
)
def test_a_sample_that_is_too_poor_is_named_with_what_it_lacks(
    provided: tuple[dict[str, Any], dict[str, Any]], patch: dict[str, Any], why: str
) -> None:
    index, samples = provided
    made, problems = cases.generate(index, _without(samples, "deployment", patch), {REGISTERED: Roles()})
    assert made == []
    assert len(problems) == 1
    assert problems[0].startswith(f"{REGISTERED}: no sample for deployment/deployment")
    assert why in problems[0]


def test_a_rule_without_a_sample_is_named(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, samples = provided
    for others in ({}, {"runtime": samples["runtime"]}, {"exempt_model_registered": samples["deployment"]}):
        made, problems = cases.generate(index, others, {REGISTERED: Roles()})
        assert made == []
        assert problems == [f"{REGISTERED}: no sample for deployment/deployment that it applies to (none at all)"]


def test_the_first_sample_that_suits_is_taken(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, samples = provided
    poor = _without(samples, "deployment", remove(["models"]))["deployment"]
    made, problems = cases.generate(
        index, {"bank/poor": poor, "bank/rich": samples["deployment"], **samples}, {REGISTERED: Roles()}
    )
    assert problems == []
    assert {case.sample for case in made} == {"bank/rich"}


def test_an_exemption_needs_a_sample_of_its_own(provided: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, samples = provided
    made, problems = cases.generate(index, samples, {REGISTERED: Roles(exempts=True)})
    assert problems == [f"{REGISTERED}: has an exempt set, and no sample exempt_model_registered"]
    assert not [case for case in made if case.kind == "exempt"]


# --- Judging ---------------------------------------------------------------------------------------------------------


def _case(expect: Any, at: Any = (), **fields: Any) -> Case:
    return Case("a case", "r", "decisive", "s", fields.pop("patches", [[]]), expect, [list(p) for p in at], **fields)


def _verdict(*findings: tuple[list[str | int], str], places: int = 2, exempt: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "outcome": "deny" if findings else "allow",
        "problems": [],
        "findings": [{"rule": "r", "at": at, "status": status} for at, status in findings],
        "rules": {"r": {"places": places, "compliant": places - len(findings) - exempt, "exempt": exempt}},
        **fields,
    }


FIRST: list[str | int] = ["models", 0]
SECOND: list[str | int] = ["models", 1]


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (_case("pass"), _verdict()),
        (_case("exempt"), _verdict(exempt=2)),
        (_case("fail", [FIRST]), _verdict((FIRST, "fail"))),
        (_case("fail", [SECOND, FIRST]), _verdict((FIRST, "fail"), (SECOND, "fail"))),
        (_case("not_evaluable", [SECOND]), _verdict((SECOND, "not_evaluable"))),
        (_case("not_exempt", [SECOND]), _verdict((SECOND, "fail"))),
        (_case("not_exempt", [SECOND]), _verdict((SECOND, "not_evaluable"))),
        (_case("refused"), _verdict((FIRST, "not_evaluable"))),
        (_case("refused"), _verdict(problems=[{"code": "unknown_environment"}], outcome="error")),
    ],
)
def test_what_was_expected_is_no_surprise(case: Case, verdict: dict[str, Any]) -> None:
    assert judge(case, [verdict]) is None


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (_case("pass"), _verdict((FIRST, "fail"))),
        (_case("pass"), _verdict(exempt=1)),
        (_case("pass"), _verdict(problems=[{"code": "bad_clock"}])),
        (_case("pass"), _verdict(rules={})),
        (_case("exempt"), _verdict()),
        (_case("exempt"), _verdict(exempt=1)),
        (_case("fail", [FIRST]), _verdict()),
        (_case("fail", [FIRST]), _verdict((SECOND, "fail"))),
        (_case("fail", [FIRST]), _verdict((FIRST, "fail"), (SECOND, "fail"))),
        (_case("fail", [FIRST]), _verdict((FIRST, "not_evaluable"))),
        (_case("fail", [FIRST]), _verdict((FIRST, "fail"), problems=[{"code": "rule_broken"}])),
        (_case("not_evaluable", [FIRST]), _verdict((FIRST, "fail"))),
        (_case("not_exempt", [FIRST]), _verdict(exempt=2)),
        (_case("not_exempt", [FIRST]), _verdict((FIRST, "fail"), (SECOND, "fail"))),
        (_case("refused"), _verdict()),
        (_case("refused"), _verdict(outcome="deny")),  # another rule denied
        (_case("refused"), _verdict((FIRST, "fail"), outcome="allow")),  # it only warns
    ],
)
def test_anything_else_is_a_surprise(case: Case, verdict: dict[str, Any]) -> None:
    assert judge(case, [verdict]) is not None


def test_every_patch_must_show_it_or_one_of_them() -> None:
    right, wrong = _verdict((FIRST, "fail")), _verdict()
    patches = [[replace(["a"], 1)], [replace(["a"], 2)]]
    every = _case("fail", [FIRST], patches=patches)
    assert judge(every, [right, right]) is None
    surprise = judge(every, [right, wrong])
    assert surprise is not None
    assert surprise.patch == patches[1]
    some = _case("fail", [FIRST], patches=patches, quantifier="some")
    assert judge(some, [wrong, right]) is None
    assert judge(some, [wrong, wrong]) is not None


def test_what_was_not_evaluated_proves_nothing() -> None:
    for case, verdicts in ((_case("pass"), []), (_case("pass", patches=[]), []), (_case("pass"), [_verdict()] * 2)):
        with pytest.raises(ValueError, match="verdicts for"):
            judge(case, verdicts)


# --- Patches ---------------------------------------------------------------------------------------------------------

_names = st.text(st.sampled_from("ab/~"), min_size=1, max_size=4)
_documents = st.recursive(
    st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=8
)


@given(_names, _documents, _documents)
def test_a_patch_changes_exactly_its_path(name: str, before: Any, after: Any) -> None:
    document = {"facts": {name: before, "other": 1}}
    changed = apply(document, [replace([name], after)])
    assert value_at(changed, ["facts", name]) == after
    assert changed["facts"] == {**document["facts"], name: after}
    assert apply(document, [remove([name])]) == {"facts": {k: v for k, v in document["facts"].items() if k != name}}


def test_a_difference_shows_what_changed_and_is_bounded() -> None:
    lines = difference(packs.SAMPLE, [replace(["models", 0, "registration", "matches"], 2)], "deployment")
    assert [line for line in lines if line.startswith(("+", "-"))][2:] == [
        '-          "matches": 1,',
        '+          "matches": 2,',
    ]
    lines = difference(packs.SAMPLE, [remove(["models"])], "deployment")
    assert len(lines) == 41
    assert "more lines" in lines[-1]
