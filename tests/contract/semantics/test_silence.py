"""Rules that fall silent, lose their places or name none: what nobody proved is a finding, and a finding denies."""

import json

import pytest

from tests.contract.semantics import rules
from tests.contract.semantics.worlds import DEPLOYMENT, World, gaps, statuses
from tests.live import subjects
from tests.live.documents import changed

SILENT = (
    "collection_misspelt", "field_misspelt", "local_undefined", "filter_on_missing_field",
    "negative_of_missing_field", "threshold_misspelt",
)  # fmt: skip
PLACELESS = (
    "text_as_place", "index_as_place", "index_as_text", "whole_request_as_place", "deeper_place",
    "place_with_a_message",
)  # fmt: skip
SHAPELESS = ("boolean", "list", "object")


def _asked(rule: rules.Rule) -> dict[str, object]:
    """Return an allowed input, asked under the stage and operation that select this one rule."""
    return changed(DEPLOYMENT, (("stage",), rule.stage), (("operation",), rule.operation))  # type: ignore[no-any-return]


def test_row_01_the_rules_of_this_file_would_be_met_if_they_were_written_right(packed: World) -> None:
    verdict = packed.verdict(_asked(rules.SOUND["fresh"]) | {"environment": "dev"})
    assert statuses(verdict, "deployment.fresh") == ["not_evaluable warn"] * 2, "the reading is older than a day"
    assert packed.verdict(_asked(rules.SOUND["later"])).outcome == "allow"


@pytest.mark.parametrize("name", SILENT)
def test_row_01_a_rule_that_falls_silent_fails_at_every_place(name: str, careless: World) -> None:
    """A rule in which anything is undefined proves nothing. In a set of violations, it would have found nothing."""
    verdict = careless.verdict(_asked(rules.CARELESS[name]))
    assert verdict.outcome == "deny"
    assert statuses(verdict, f"deployment.{name}") == ["fail deny", "fail deny"]


@pytest.mark.parametrize("name", PLACELESS)
def test_row_03_what_is_no_place_of_the_rule_proves_no_place(name: str, careless: World) -> None:
    """An aggregator that takes what it understands loses the rest; here, what it loses was not proven."""
    verdict = careless.verdict(_asked(rules.CARELESS[name]))
    assert verdict.outcome == "deny"
    assert statuses(verdict, f"deployment.{name}") == ["fail deny", "fail deny"]


@pytest.mark.parametrize("name", SHAPELESS)
def test_row_03_a_rule_without_its_set_stops_the_decision(name: str, careless: World) -> None:
    verdict = careless.verdict(_asked(rules.CARELESS[name]))
    assert verdict.outcome == "error"
    assert [(one.code, one.detail) for one in verdict.problems] == [("rule_broken", f"deployment.{name}")]


def test_row_30_what_a_rule_does_not_declare_does_not_reach_it(careless: World) -> None:
    """The fact exists and says what the rule wants; nobody has checked its evidence, so the input does not hold it."""
    name = "undeclared_group"
    rule = rules.CARELESS[name]
    request = json.loads(subjects.deployment("fraud", purpose="x"))
    decision = careless.decide(json.dumps(request | {"stage": rule.stage, "operation": rule.operation}).encode())
    assert decision.outcome == "deny"
    assert statuses(decision, f"deployment.{name}") == ["fail deny"]


def test_row_36_a_rule_whose_builtin_fails_denies_and_does_not_vanish(careless: World) -> None:
    """Only where the build let such a rule through; it refuses every built-in that can fail (mistakes.py)."""
    rule = rules.CARELESS["type_error"]
    request = json.loads(subjects.deployment("fraud"))
    decision = careless.decide(json.dumps(request | {"stage": rule.stage, "operation": rule.operation}).encode())
    assert (decision.outcome, decision.reason) == ("error", "engine_evaluation_failed")


# --- Exemptions ------------------------------------------------------------------------------------------------------

_LIFTED = rules.SOUND["lifted"]
_UNREGISTERED = (("facts", "models", 0, "registration", "registered"), False)
_MUTABLE = ("facts", "models", 0, "reference", "mutable")


def test_row_10_an_exemption_holds_where_its_fact_is_proven(packed: World) -> None:
    verdict = packed.verdict(changed(_asked(_LIFTED), _UNREGISTERED))
    assert (verdict.outcome, verdict.rules["deployment.lifted"].exempt) == ("allow", 1)


@pytest.mark.parametrize("value", [..., None, 0, "", "false", "no", [], {}, True, "False", 1])
def test_row_10_nothing_but_the_proven_value_exempts(value: object, packed: World) -> None:
    """`"false"`, 0, null, a missing field: a rule that is switched off by a condition is off for all of these."""
    verdict = packed.verdict(changed(_asked(_LIFTED), _UNREGISTERED, (_MUTABLE, value)))
    assert verdict.outcome == "deny"
    assert len(statuses(verdict, "deployment.lifted")) == 1


@pytest.mark.parametrize("registered", [True, False])
def test_row_10_doubt_about_one_item_neither_passes_nor_exempts_another(registered: bool, packed: World) -> None:
    """What is in doubt is judged in another way than what is not; every item is judged on its own in both."""
    doubtful = (("facts", "models", 1, "reference"), ...)
    proven = (("facts", "models", 0, "registration", "registered"), registered)
    verdict = packed.verdict(changed(_asked(_LIFTED), doubtful, proven, (_MUTABLE, True)))
    assert verdict.outcome == "deny"
    found = {tuple(finding.at): str(finding.status) for finding in verdict.findings}
    assert found == {("models", 1): "not_evaluable", **({} if registered else {("models", 0): "fail"})}


@pytest.mark.parametrize("gap", ["weak", "other_subject", "unattributed"])
def test_row_29_a_weak_fact_lifts_nothing(gap: str, packed: World) -> None:
    """What excuses a place is evidence like any other: declared, or about something else, it excuses nothing."""
    spoilt = {
        "weak": (("facts", "models", 0, "reference", "evidence", "tier"), "declared"),
        "other_subject": (("facts", "models", 0, "reference", "evidence", "about"), "sha256:" + "9" * 64),
        "unattributed": (("facts", "models", 0, "reference", "evidence"), ...),
    }[gap]
    verdict = packed.verdict(changed(_asked(_LIFTED), _UNREGISTERED, spoilt))
    assert verdict.outcome == "deny"
    assert gaps(verdict, "deployment.lifted") == {gap}


def test_row_29_an_exemption_lifts_the_evidence_that_says_so_and_no_other(packed: World) -> None:
    without = changed(_asked(_LIFTED), (("facts", "models", 0, "registration"), ...))
    assert packed.verdict(without).outcome == "allow"
    both = changed(without, (("facts", "models", 0, "reference"), ...))
    assert packed.verdict(both).outcome == "deny"


# --- Explanations ----------------------------------------------------------------------------------------------------

EMPTY_QUESTIONS: list[tuple[str, object, set[str]]] = [
    ("nothing", {}, {"bad_schema", "bad_clock", "bad_actor", "bad_subject", "bad_facts", "bad_waivers"}),
    ("unknown stage", changed(DEPLOYMENT, (("stage",), "birth")), {"unknown_stage"}),
    ("unknown operation", changed(DEPLOYMENT, (("operation",), "publish")), {"unknown_operation"}),
    ("unknown kind", changed(DEPLOYMENT, (("subject", "kind"), "pet")), {"unknown_operation"}),
    ("unknown environment", changed(DEPLOYMENT, (("environment",), "mars")), {"unknown_environment"}),
    ("unknown point", changed(DEPLOYMENT, (("point",), "pub")), {"unknown_point"}),
    ("no clock", changed(DEPLOYMENT, (("context", "now"), ...)), {"bad_clock"}),
    ("no input", None, {"bad_schema"}),
]


@pytest.mark.parametrize(
    ("document", "codes"), [one[1:] for one in EMPTY_QUESTIONS], ids=[q[0] for q in EMPTY_QUESTIONS]
)
def test_row_26_whatever_can_not_be_judged_says_why(document: object, codes: set[str], provided: World) -> None:
    """An outcome without a line that explains it is a denial that nobody can mend."""
    verdict = provided.verdict(document)
    assert verdict.outcome == "error"
    assert codes <= {problem.code for problem in verdict.problems}
