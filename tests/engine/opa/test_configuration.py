"""The configuration: wildcards end here, the most specific entry wins, and what is wrong is an error by name."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proctor.errors import PolicyError
from proctor.opa import configuration
from proctor.opa.annotations import RuleAnnotation
from proctor.settings import PolicySettings
from proctor.vocabulary.words import Action, Point, RiskTier
from tests.engine.opa import rules
from tests.engine.opa.settled import PROVIDED, settled

CRITICAL = rules.annotation("critical_rule", severity="critical")
MEDIUM = rules.annotation("medium_rule", severity="medium", approvable=True)
BOTH: Sequence[RuleAnnotation] = (CRITICAL, MEDIUM)


def load(**own: Any) -> configuration.Configuration:
    return configuration.load(PROVIDED, PolicySettings.model_validate(own))


def refused(**own: Any) -> list[str]:
    with pytest.raises(PolicyError) as error:
        load(**own)
    return error.value.problems


def expanded(*entries: dict[str, str], made: Sequence[RuleAnnotation] = BOTH, **warned: str) -> dict[str, Any]:
    return configuration.actions(settled(list(entries)), made, warned)


def action(document: dict[str, Any], rule: str, tier: str = "low", environment: str = "prod", point: str = "ci") -> str:
    found: str = document["tables"][document["by"][tier][environment][point]][f"deployment.{rule}"]
    return found


# --- Loading ---------------------------------------------------------------------------------------------------------


def test_the_provided_configuration_is_complete() -> None:
    found = load()
    assert found.environments == ["dev", "staging", "prod"]
    assert all(set(values) == set(RiskTier) for values in found.thresholds.values())
    values = configuration.values(found)
    assert values["lists"]["image_registries"]
    factors = values["tiers"]["factors"]
    assert {name for name, factor in factors.items() if factor["group"] == "risk"} == {
        "exposure", "autonomy", "data_class"
    }  # fmt: skip
    assert set(factors["drift"]["points"]) >= {"not-running", "unmonitored"}


def test_the_last_band_of_the_scoring_table_holds_the_worst_score() -> None:
    tiers = load().tiers
    worst = sum(max(factor.points.values()) for factor in tiers.factors.values())
    limits = [band.up_to for band in tiers.bands]
    assert limits == sorted(limits)
    assert limits[-1] >= worst
    assert [band.tier for band in tiers.bands] == list(RiskTier)


def test_points_of_ones_own_lie_over_the_provided_ones() -> None:
    factors = load(tiers={"exposure": {"public": 7, "partners-abroad": 4}}).tiers.factors
    assert factors["exposure"].points == {"internal": 0, "partner": 1, "public": 7, "partners-abroad": 4}
    assert factors["exposure"].group == "risk"
    with pytest.raises(PolicyError, match=r"tiers.exposed: no such factor; there is exposure"):
        load(tiers={"exposed": {"public": 7}})
    with pytest.raises(PolicyError, match=r"tiers.factors.exposure.points.public"):
        load(tiers={"exposure": {"public": -1}})


def test_a_number_holds_for_every_tier() -> None:
    assert set(load(thresholds={"waivers_active": 1}).thresholds["waivers_active"].values()) == {1}
    own = {"low": 9, "medium": 9, "high": 9, "critical": 0}
    assert load(thresholds={"waivers_active": own}).thresholds["waivers_active"] == own
    assert load(thresholds={"waivers_active": 1}).thresholds["waivers_oldest_days"]["low"] == 90


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown threshold": ({"thresholds": {"waivers": 1}}, "thresholds.waivers: no rule knows this name"),
    "a threshold without a tier": (
        {"thresholds": {"waivers_active": {"low": 1}}}, "thresholds.waivers_active: give a value for every risk tier",
    ),
    "a threshold of an unknown tier": ({"thresholds": {"waivers_active": {"extreme": 1}}}, "thresholds.waivers_active"),
    "a threshold that is no number": ({"thresholds": {"waivers_active": "many"}}, "thresholds.waivers_active"),
    "a threshold of nothing": ({"thresholds": {"waivers_active": None}}, "thresholds.waivers_active"),
    "a threshold that YAML took for a boolean": ({"thresholds": {"waivers_active": True}}, "thresholds.waivers_active"),
    "a threshold beyond all numbers": ({"thresholds": {"waivers_active": float("inf")}}, "thresholds.waivers_active"),
    "no number": ({"thresholds": {"waivers_active": float("nan")}}, "thresholds.waivers_active"),
    "an unknown list": ({"lists": {"registries": []}}, "lists.registries: no rule knows this name"),
    "an unknown action": ({"actions": [{"action": "off"}]}, "action"),
    "an action of another case": ({"actions": [{"action": "Warn"}]}, "action"),
    "an entry without an action": ({"actions": [{"rule": "*"}]}, "action"),
    "a misspelt selector": ({"actions": [{"enviroment": "dev", "action": "warn"}]}, "enviroment"),
    "an unknown severity": ({"actions": [{"severity": "mild", "action": "warn"}]}, "severity"),
    "an unknown tier": ({"actions": [{"tier": "Low", "action": "warn"}]}, "tier"),
    "an unknown point": ({"actions": [{"point": "kubernetes", "action": "warn"}]}, "point"),
    "a name that no environment can have": ({"environments": ["Prod"]}, "environments"),
    "a wildcard for an environment": ({"environments": ["*"]}, "environments"),
}  # fmt: skip


@pytest.mark.parametrize(("own", "problem"), WRONG.values(), ids=WRONG)
def test_what_an_organisation_gets_wrong_is_named(own: dict[str, Any], problem: str) -> None:
    problems = refused(**own)
    assert any(problem in line for line in problems), problems


def test_all_that_is_wrong_is_said_at_once() -> None:
    problems = refused(thresholds={"x": 1}, lists={"y": []}, actions=[{"action": "off"}])
    assert len(problems) >= 3


def test_a_list_replaces_the_provided_one() -> None:
    assert load(lists={"image_registries": ["ghcr.io/mine"]}).lists["image_registries"] == ["ghcr.io/mine"]
    assert load(lists={"image_registries": []}).lists["image_registries"] == []


def test_environments_are_added_once() -> None:
    assert load(environments=["prod", "edge"]).environments == ["dev", "staging", "prod", "edge"]


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "absent.yaml", None), (tmp_path / "broken.yaml", "a: [")):
        if text is not None:
            path.write_text(text)
        with pytest.raises(PolicyError, match=path.name):
            configuration.load(path, PolicySettings())


def test_an_unknown_key_of_the_file_is_refused(tmp_path: Path) -> None:
    document = yaml.safe_load(PROVIDED.read_text()) | {"treshold": {}}
    path = tmp_path / "provided.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(PolicyError, match="treshold"):
        configuration.load(path, PolicySettings())


# --- Actions ---------------------------------------------------------------------------------------------------------


def test_every_tier_environment_point_and_rule_has_an_action() -> None:
    found = expanded({"action": "deny"})
    assert set(found["by"]) == set(RiskTier)
    for environments in found["by"].values():
        assert set(environments) == {"dev", "staging", "prod"}
        for points in environments.values():
            assert set(points) == set(Point)
            assert all(set(found["tables"][table]) == {rule.code for rule in BOTH} for table in points.values())


def test_equal_tables_are_kept_once() -> None:
    assert len(expanded({"action": "deny"})["tables"]) == 1
    assert len(expanded({"action": "deny"}, {"environment": "dev", "action": "warn"})["tables"]) == 2


SELECTORS = {
    "rule": "deployment.medium_rule",
    "severity": "medium",
    "tier": "low",
    "environment": "prod",
    "point": "ci",
}


@given(st.sets(st.sampled_from(sorted(SELECTORS))), st.sets(st.sampled_from(sorted(SELECTORS))))
def test_the_most_specific_entry_wins_in_any_order(one: set[str], other: set[str]) -> None:
    entries = [
        {**{key: SELECTORS[key] for key in one}, "action": "warn"},
        {**{key: SELECTORS[key] for key in other}, "action": "dryrun"},
    ]
    for order in (entries, entries[::-1]):
        if len(one) == len(other):
            with pytest.raises(PolicyError, match="are equally specific"):
                expanded({"action": "deny"} if one and other else entries[0], *order, made=[MEDIUM])
        elif one and other:
            expected = "warn" if len(one) > len(other) else "dryrun"
            assert action(expanded({"action": "deny"}, *order, made=[MEDIUM]), "medium_rule") == expected


def test_an_entry_matches_by_all_its_selectors() -> None:
    found = expanded({"action": "deny"}, {**SELECTORS, "action": "warn"})
    assert action(found, "medium_rule") == "warn"
    assert action(found, "critical_rule") == "deny"
    assert action(found, "medium_rule", tier="high") == "deny"
    assert action(found, "medium_rule", environment="staging") == "deny"
    assert action(found, "medium_rule", point="notebook") == "deny"


def test_two_equal_entries_that_agree_are_no_tie() -> None:
    found = expanded(
        {"action": "deny"}, {"environment": "dev", "action": "warn"}, {"severity": "medium", "action": "warn"}
    )
    assert action(found, "medium_rule", environment="dev") == "warn"


def test_a_tie_names_the_case_and_the_actions() -> None:
    with pytest.raises(PolicyError) as error:
        expanded(
            {"action": "deny"}, {"environment": "dev", "action": "warn"}, {"severity": "medium", "action": "dryrun"}
        )
    assert "deployment.medium_rule at low/dev/ci: dryrun and warn are equally specific" in error.value.problems


def test_a_case_that_no_entry_matches_is_an_error() -> None:
    with pytest.raises(PolicyError) as error:
        expanded({"environment": "dev", "action": "warn"})
    assert "deployment.medium_rule at low/prod/ci: no action matches" in error.value.problems


def test_an_entry_for_what_does_not_exist_is_an_error() -> None:
    with pytest.raises(PolicyError) as error:
        expanded(
            {"action": "deny"},
            {"rule": "deployment.absent", "action": "warn"},
            {"environment": "production", "action": "warn"},
        )
    assert error.value.problems == [
        "environment 'production' is not configured",
        "rule 'deployment.absent' does not exist",
    ]


def test_a_critical_rule_is_no_dry_run_in_prod() -> None:
    with pytest.raises(PolicyError, match="a critical rule may not be a dry run in prod"):
        expanded({"action": "dryrun"})
    found = expanded(
        {"action": "deny"},
        {"environment": "dev", "action": "dryrun"},
        {"severity": "medium", "environment": "dev", "action": "dryrun"},
    )
    assert action(found, "critical_rule", environment="dev") == "dryrun"
    assert action(found, "critical_rule") == "deny"


def test_the_starter_profile_turns_a_denial_into_a_warning_and_nothing_else() -> None:
    why = {"deployment.medium_rule": "no provider"}
    every = configuration.actions(settled([{"action": "deny"}]), BOTH, why)
    assert (action(every, "medium_rule"), action(every, "critical_rule")) == ("warn", "deny")
    dry = configuration.actions(settled([{"action": "deny"}, {"severity": "medium", "action": "dryrun"}]), BOTH, why)
    assert action(dry, "medium_rule") == "dryrun"


# --- Chains ----------------------------------------------------------------------------------------------------------


def chains(*entries: dict[str, Any]) -> dict[str, Any]:
    return configuration.chains(settled(chains=list(entries)), BOTH)


def step(name: str, needs: int = 1) -> dict[str, Any]:
    return {"name": name, "needs": needs}


def test_only_an_approvable_rule_has_a_chain() -> None:
    found = chains({"steps": [step("owner")]})
    for tier, environment in product(RiskTier, ("dev", "staging", "prod")):
        assert found[tier][environment] == {"deployment.medium_rule": [step("owner")]}


def test_the_most_specific_chain_wins() -> None:
    found = chains(
        {"steps": [step("owner")]},
        {"tier": "high", "steps": [step("owner"), step("officer", 2)]},
        {"tier": "high", "environment": "prod", "steps": [step("board", 3)]},
    )
    assert found["low"]["prod"]["deployment.medium_rule"] == [step("owner")]
    assert found["high"]["dev"]["deployment.medium_rule"] == [step("owner"), step("officer", 2)]
    assert found["high"]["prod"]["deployment.medium_rule"] == [step("board", 3)]


def test_a_rule_without_a_chain_has_an_empty_one_which_nobody_completes() -> None:
    assert chains({"tier": "high", "steps": [step("owner")]})["low"]["prod"] == {"deployment.medium_rule": []}


def test_two_chains_that_differ_are_a_tie() -> None:
    with pytest.raises(PolicyError, match="two chains are equally specific"):
        chains({"tier": "high", "steps": [step("a")]}, {"environment": "prod", "steps": [step("b")]})


@pytest.mark.parametrize(
    "steps", [[], [step("owner", 0)], [step("owner", 11)], [step("Owner")], [{"name": "owner"}], [{"needs": 1}]]
)
def test_a_chain_has_steps_and_each_needs_somebody(steps: list[Any]) -> None:
    with pytest.raises(ValueError, match="chains"):
        settled(chains=[{"steps": steps}])


def test_the_closed_set_of_actions_has_no_off() -> None:
    assert set(Action) == {"deny", "warn", "dryrun"}
