"""Projection: only declared fields reach OPA; the case digest covers what people judged and nothing else."""

import copy
from typing import Any

import pytest

from proctor.evidence.project import cases, project
from tests.engine.decide.policies import make_index, rule

EVIDENCE = {"about": "m", "observed_at": "2026-01-01T00:00:00Z"}
FACTS: dict[str, Any] = {
    "models": [
        {
            "id": "m",
            "registration": {"registered": True, "matches": 1, "evidence": EVIDENCE},
            "reference": {"mutable": False, "evidence": EVIDENCE},
            "risk": {
                "exposure": "public",
                "autonomy": "advisory",
                "data_class": "public",
                "extra": 1,
                "evidence": EVIDENCE,
            },
        }
    ],
    "workload": {"kind": "Pod", "evidence": EVIDENCE},
}
INDEX = make_index(rule("deployment.asking", approvable=True))


def selection() -> Any:
    found = INDEX.selection("deployment", "deployment", "deploy")
    assert found is not None
    return found


def test_undeclared_groups_and_fields_do_not_reach_opa() -> None:
    found = project(FACTS, selection())
    assert found == {
        "models": [
            {
                "id": "m",
                "registration": {"registered": True, "evidence": EVIDENCE},
                "risk": {"exposure": "public", "autonomy": "advisory", "data_class": "public", "evidence": EVIDENCE},
            }
        ]
    }


def case(**changes: Any) -> str:
    facts = copy.deepcopy(FACTS)
    for group, values in changes.pop("groups", {}).items():
        facts["models"][0][group].update(values)
    document = {
        "stage": "deployment", "operation": "deploy", "environment": "prod", "purpose": None,
        "subject": {"digest": "sha256:" + "a" * 64}, "facts": project(facts, selection()),
    } | changes  # fmt: skip
    return cases(document, selection(), INDEX)["deployment.asking"]


def test_the_case_is_stable_over_a_second_fetch_and_over_other_rules_facts() -> None:
    later = {"registration": {"evidence": {"about": "m", "observed_at": "2026-06-01T00:00:00Z"}}}
    assert case(groups=later) == case()
    assert case(groups={"risk": {"exposure": "internal"}}) == case()


@pytest.mark.parametrize(
    "change",
    [
        {"environment": "dev"},
        {"operation": "scale"},
        {"purpose": "x"},
        {"subject": {"digest": "sha256:" + "b" * 64}},
        {"groups": {"registration": {"registered": False}}},
    ],
)
def test_the_case_changes_with_everything_that_people_judged(change: dict[str, Any]) -> None:
    assert case(**change) != case()


def test_only_approvable_rules_have_a_case() -> None:
    assert list(
        cases(
            {
                "stage": "deployment",
                "operation": "deploy",
                "environment": "prod",
                "subject": {"digest": "x"},
                "facts": {},
            },
            selection(),
            INDEX,
        )
    ) == ["deployment.asking"]
