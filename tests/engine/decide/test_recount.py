"""The verdict is counted again as a stranger would: every lie about counts, effects or outcome is an error."""

import copy
from typing import Any

import pytest

from proctor.decide.recount import recount
from proctor.errors import OpaError
from proctor.opa.index import Index
from proctor.vocabulary.decision import Verdict
from proctor.vocabulary.reasons import Reason
from tests.engine.decide.policies import make_index, rule

HARD = rule("deployment.hard")
WAIVABLE = rule("deployment.waivable", waivable={"max_days": 5})
ASKING = rule("deployment.asking", approvable=True)
LATER = rule("deployment.later", effective_on="2030-01-01T00:00:00Z")
EMPTY_OK = rule("deployment.empty_ok", may_be_empty=True)

DOCUMENT: dict[str, Any] = {
    "environment": "prod",
    "point": "ci",
    "context": {"now": "2026-01-01T00:00:00.000000Z", "effective_at": "2026-01-01T00:00:00.000000Z"},
    "waivers": [{"id": "w1", "rule": "deployment.waivable", "item": ["m0"]}],
    "approvals": [],
}


def finding(code: str, effect: str, status: str = "fail", **more: Any) -> dict[str, Any]:
    return {
        "rule": code,
        "at": ["models", 0],
        "item": ["m0"],
        "status": status,
        "effect": effect,
        "why": [],
        "by": None,
        **more,
    }


def verdict(outcome: str, findings: list[dict[str, Any]], rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "tier": {"value": "low", "unknown": []},
        "findings": findings,
        "rules": {c: dict(zip(("places", "compliant", "exempt"), n, strict=True)) for c, n in rules.items()},
        "problems": [],
        "policy": {"revision": "rev1"},
    }


def check(raw: dict[str, Any], index: Index, models: int | None = None, facts: list[Any] | None = None) -> None:
    """Check against an input with as many models; by default, with as many as the verdict's first rule looked at."""
    if models is None:
        models = next((counts["places"] for counts in raw["rules"].values()), 1)
    selection = index.selection("deployment", "deployment", "deploy")
    assert selection is not None
    sent = {"models": facts or [{"id": f"m{number}"} for number in range(models)]}
    recount(Verdict.model_validate(raw), DOCUMENT | {"facts": sent}, index, selection)


def refused(
    raw: dict[str, Any],
    index: Index,
    reason: Reason = Reason.VERDICT_MISMATCH,
    models: int | None = None,
    facts: list[Any] | None = None,
) -> str:
    with pytest.raises(OpaError) as caught:
        check(raw, index, models, facts)
    assert caught.value.reason is reason
    return str(caught.value)


RIGHT = [
    (verdict("allow", [], {"deployment.hard": (1, 1, 0)}), [HARD]),
    (verdict("allow", [], {"deployment.hard": (2, 1, 1)}), [HARD]),
    (verdict("allow", [], {"deployment.empty_ok": (0, 0, 0)}), [EMPTY_OK]),
    (verdict("deny", [finding("deployment.hard", "deny")], {"deployment.hard": (1, 0, 0)}), [HARD]),
    (
        verdict("allow", [finding("deployment.waivable", "waived", by="w1")], {"deployment.waivable": (1, 0, 0)}),
        [WAIVABLE],
    ),
    (verdict("require_approval", [finding("deployment.asking", "ask")], {"deployment.asking": (1, 0, 0)}), [ASKING]),
    (verdict("allow", [finding("deployment.later", "warn")], {"deployment.later": (1, 0, 0)}), [LATER]),
]


@pytest.mark.parametrize(("raw", "rules"), RIGHT)
def test_a_right_verdict_passes(raw: dict[str, Any], rules: list[Any]) -> None:
    check(raw, make_index(*rules))


@pytest.mark.parametrize(("raw", "rules"), RIGHT)
@pytest.mark.parametrize("outcome", ["allow", "deny", "require_approval", "error"])
def test_no_other_outcome_follows_from_the_same_findings(raw: dict[str, Any], rules: list[Any], outcome: str) -> None:
    if outcome != raw["outcome"]:
        refused(raw | {"outcome": outcome}, make_index(*rules))


def test_a_foreign_revision_has_its_own_reason() -> None:
    raw = verdict("allow", [], {"deployment.hard": (1, 1, 0)}) | {"policy": {"revision": "rev2"}}
    refused(raw, make_index(HARD), Reason.ENGINE_FOREIGN_REVISION)


def test_a_selected_rule_that_was_not_judged_is_missed() -> None:
    refused(verdict("allow", [], {"deployment.hard": (1, 1, 0)}), make_index(HARD, WAIVABLE))


def test_a_rule_that_was_not_selected_is_noticed() -> None:
    refused(verdict("allow", [], {"deployment.hard": (1, 1, 0), "deployment.x": (1, 1, 0)}), make_index(HARD))


@pytest.mark.parametrize("counts", [(1, 0, 0), (2, 1, 0), (0, 0, 0), (1, 2, 0), (3, 1, 1)])
def test_places_must_add_up(counts: tuple[int, int, int]) -> None:
    refused(verdict("allow", [], {"deployment.hard": counts}), make_index(HARD))


@pytest.mark.parametrize(
    "lie",
    [
        finding("deployment.hard", "waived", by="w1"),
        finding("deployment.hard", "approved", by="w1"),
        finding("deployment.hard", "warn"),
        finding("deployment.hard", "dryrun"),
        finding("deployment.hard", "none"),
        finding("deployment.hard", "ask"),
        finding("deployment.hard", "waived", status="not_evaluable", by="w1"),
    ],
)
def test_a_hard_rule_only_denies(lie: dict[str, Any]) -> None:
    outcome = "require_approval" if lie["effect"] == "ask" else "allow"
    refused(verdict(outcome, [lie], {"deployment.hard": (1, 0, 0)}), make_index(HARD))


@pytest.mark.parametrize(
    "lie",
    [
        finding("deployment.waivable", "waived", by="w2"),
        finding("deployment.waivable", "waived", by=None),
        finding("deployment.waivable", "waived", by="w1", item=["other"]),
        finding("deployment.waivable", "waived", by="w1", status="not_evaluable"),
    ],
)
def test_a_waiver_must_have_been_sent_for_this_very_finding(lie: dict[str, Any]) -> None:
    refused(verdict("allow", [lie], {"deployment.waivable": (1, 0, 0)}), make_index(WAIVABLE))


def test_missing_evidence_is_never_asked_about() -> None:
    lie = finding("deployment.asking", "ask", status="not_evaluable")
    refused(verdict("require_approval", [lie], {"deployment.asking": (1, 0, 0)}), make_index(ASKING))


def test_an_approval_must_have_been_sent() -> None:
    lie = finding("deployment.asking", "approved", by="a1")
    refused(verdict("allow", [lie], {"deployment.asking": (1, 0, 0)}), make_index(ASKING))


@pytest.mark.parametrize("models", [0, 1, 3, 1000])
def test_every_item_that_was_sent_was_looked_at_and_no_other(models: int) -> None:
    raw = verdict("allow", [], {"deployment.hard": (2, 2, 0)})
    check(raw, make_index(HARD), models=2)
    assert f"looked at 2 places, {models} were sent" in refused(raw, make_index(HARD), models=models)


def test_a_rule_that_may_look_at_nothing_looks_at_what_there_is() -> None:
    refused(verdict("allow", [], {"deployment.empty_ok": (0, 0, 0)}), make_index(EMPTY_OK), models=1)


def test_items_of_items_are_looked_at_one_by_one() -> None:
    nested = rule("deployment.hard", for_each="models/*/columns/*", item_id=["id", "name"])
    facts = {"models": [{"columns": [{}, {}]}, {"columns": [{}]}, {"columns": None}, {}]}
    index = make_index(nested)
    selection = index.selection("deployment", "deployment", "deploy")
    assert selection is not None
    for looked_at in range(6):
        found = Verdict.model_validate(verdict("allow", [], {"deployment.hard": (looked_at, looked_at, 0)}))
        if looked_at == 3:
            recount(found, DOCUMENT | {"facts": facts}, index, selection)
            continue
        with pytest.raises(OpaError):
            recount(found, DOCUMENT | {"facts": facts}, index, selection)


def test_an_unusable_list_is_one_place_whatever_it_holds() -> None:
    unusable = finding("deployment.hard", "deny", status="not_evaluable", at=["models"], item=[])
    check(verdict("deny", [unusable], {"deployment.hard": (1, 0, 0)}), make_index(HARD), models=7)
    refused(verdict("deny", [unusable], {"deployment.hard": (2, 1, 0)}), make_index(HARD), models=2)


@pytest.mark.parametrize("place", [["images"], ["models", "x"], ["models", 0, "columns"], ["x"]])
def test_only_a_list_that_the_rule_walks_can_be_unusable(place: list[Any]) -> None:
    lie = finding("deployment.hard", "deny", status="not_evaluable", at=place, item=[])
    refused(verdict("deny", [lie], {"deployment.hard": (1, 0, 0)}), make_index(HARD), models=2)


@pytest.mark.parametrize("place", [["models", 1], ["models", -1], ["images", 0], [], ["models", 0, "columns", 0]])
def test_a_finding_is_at_a_place_that_was_sent(place: list[Any]) -> None:
    lie = finding("deployment.hard", "deny", at=place)
    refused(verdict("deny", [lie], {"deployment.hard": (1, 0, 0)}), make_index(HARD), models=1)


@pytest.mark.parametrize("item", [[], ["m1"], ["m0", "m0"], [""]])
def test_a_finding_names_the_item_that_stands_at_its_place(item: list[str]) -> None:
    lie = finding("deployment.hard", "deny", item=item)
    assert "where ['m0'] stands" in refused(verdict("deny", [lie], {"deployment.hard": (1, 0, 0)}), make_index(HARD))


@pytest.mark.parametrize("name", [None, "", 5, ...])
def test_a_place_without_identity_has_no_name(name: Any) -> None:
    model = {} if name is ... else {"id": name}
    for item in ([], ["m0"]):
        raw = verdict("deny", [finding("deployment.hard", "deny", item=item)], {"deployment.hard": (1, 0, 0)})
        if not item:
            check(raw, make_index(HARD), facts=[model])
        else:
            refused(raw, make_index(HARD), facts=[model])


@pytest.mark.parametrize("others", [0, 1, 2])
def test_an_exception_needs_an_identity_that_only_one_place_carries(others: int) -> None:
    models = [{"id": "m0"}, *[{"id": "m0"}] * others]
    waived = finding("deployment.waivable", "waived", by="w1")
    raw = verdict("allow", [waived], {"deployment.waivable": (1 + others, others, 0)})
    if others:
        assert "names several items" in refused(raw, make_index(WAIVABLE), facts=models)
    else:
        check(raw, make_index(WAIVABLE), facts=models)


@pytest.mark.parametrize("tier", ["low", "medium", "high", "critical"])
def test_an_unknown_factor_takes_the_worst_tier(tier: str) -> None:
    """A milder tier has milder actions."""
    raw = RIGHT[0][0] | {"tier": {"value": tier, "unknown": ["models/0: exposure"]}}
    if tier == "critical":
        check(raw, make_index(HARD))
    else:
        assert f"yet the tier is {tier}" in refused(raw, make_index(HARD))


def test_one_place_has_one_finding() -> None:
    twice = [finding("deployment.hard", "deny"), finding("deployment.hard", "deny")]
    refused(verdict("deny", twice, {"deployment.hard": (2, 0, 0)}), make_index(HARD))


def test_problems_are_errors() -> None:
    raw = verdict("allow", [], {}) | {"problems": [{"code": "bad_clock", "detail": "x"}]}
    refused(raw, make_index(HARD))
    check(raw | {"outcome": "error"}, make_index(HARD))


def test_the_configured_action_decides_the_effect() -> None:
    index = make_index(HARD, actions=[{"action": "deny"}, {"environment": "prod", "action": "warn"}])
    check(verdict("allow", [finding("deployment.hard", "warn")], {"deployment.hard": (1, 0, 0)}), index)
    refused(verdict("deny", [finding("deployment.hard", "deny")], {"deployment.hard": (1, 0, 0)}), index)


def test_extra_or_missing_parts_are_no_verdict() -> None:
    raw = copy.deepcopy(RIGHT[0][0])
    for change in ({"extra": 1}, {"outcome": "allowed"}, {"findings": {}}, {"tier": None}):
        with pytest.raises(ValueError, match="validation error"):
            Verdict.model_validate(raw | change)
