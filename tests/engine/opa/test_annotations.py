"""The annotation of a rule, read through a real `opa inspect`: what is taken, and what is refused by name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proctor.errors import PolicyError
from proctor.opa import annotations
from proctor.opa.annotations import Custom, Need
from tests.engine.opa import rules


def read(opa_binary: Path, folder: Path, *texts: str) -> list[annotations.RuleAnnotation]:
    for number, text in enumerate(texts):
        rules.write(folder, text, f"rule_{number}")
    return annotations.rules_of(annotations.inspect(opa_binary, folder))


def refused(opa_binary: Path, folder: Path, *texts: str) -> list[str]:
    with pytest.raises(PolicyError) as error:
        read(opa_binary, folder, *texts)
    assert error.value.tried == "reading the annotations of the rules"
    return error.value.problems


def test_an_annotation_is_read_as_it_stands(opa_binary: Path, tmp_path: Path) -> None:
    (found,) = read(opa_binary, tmp_path, rules.source("rule_0"))
    assert found.code == "deployment.rule_0"
    assert Path(found.file).name == "rule_0.rego"
    assert found.title == "Some rule"
    assert found.custom.severity == "medium"
    assert found.custom.levels == ["models"]
    assert found.custom.evidence[0].max_age_s == 7 * 86400
    assert found.custom.applies_to[0].operations == ["deploy"]


def test_what_is_left_out_is_the_strict_choice(opa_binary: Path, tmp_path: Path) -> None:
    (found,) = read(opa_binary, tmp_path, rules.source("rule_0", may_be_empty=...))
    custom, need = found.custom, found.custom.evidence[0]
    assert (custom.may_be_empty, custom.approvable, custom.waivable, custom.effective_on) == (False, False, False, None)
    assert (need.min_tier, need.unless_exempt, need.present_only, need.about) == ("observed", False, False, "item")
    assert Need(at="x", fields={"y": "string"}).max_age_s == 0


def test_rules_come_in_the_order_of_their_codes(opa_binary: Path, tmp_path: Path) -> None:
    found = read(opa_binary, tmp_path, rules.source("zebra"), rules.source("ant"), rules.source("mole"))
    assert [rule.code for rule in found] == ["deployment.ant", "deployment.mole", "deployment.zebra"]


def test_other_packages_are_no_rules(opa_binary: Path, tmp_path: Path) -> None:
    assert read(opa_binary, tmp_path, "package governance.lib.x\n\ny := 1\n", "package authz\n\ny := 1\n") == []


_HEAD, _TAIL = rules.source("rule_0").split("package")
MISPLACED = {
    "none": "package governance.rules.deployment.rule_0\n\ncompliant contains 1 if true\n",
    "above a rule": f"package{_TAIL}\n{_HEAD}exempt contains 1 if true\n",
    "of another scope": rules.source("rule_0").replace("# METADATA\n", "# METADATA\n# scope: subpackages\n"),
}  # fmt: skip


@pytest.mark.parametrize("text", MISPLACED.values(), ids=MISPLACED)
def test_a_rule_without_its_annotation_is_refused(text: str, opa_binary: Path, tmp_path: Path) -> None:
    (problem,) = refused(opa_binary, tmp_path, text)
    assert "rule_0.rego: no METADATA block directly above `package`; start from `proctor policy new`" in problem


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"sevrity": "high"}, "sevrity: "),
    "always": ({"always": True}, "always"),
    "severity": ({"severity": "High"}, "severity"),
    "no severity": ({"severity": ...}, "severity"),
    "applies nowhere": ({"applies_to": []}, "applies_to"),
    "no operation": ({"applies_to": [{"stage": "deployment", "kind": "deployment", "operations": []}]}, "operations"),
    "stage": ({"applies_to": [{"stage": "deploy", "kind": "deployment", "operations": ["deploy"]}]}, "stage"),
    "kind": ({"applies_to": [{"stage": "deployment", "kind": "pod", "operations": ["deploy"]}]}, "kind"),
    "operation": ({"applies_to": [{"stage": "deployment", "kind": "deployment", "operations": ["x"]}]}, "operations"),
    "three levels": ({"for_each": "a/*/b/*/c/*", "item_id": ["x", "y", "z"]}, "for_each"),
    "no wildcard": ({"for_each": "models"}, "for_each"),
    "bare wildcard": ({"for_each": "*"}, "for_each"),
    "half a level": ({"for_each": "models/*/columns", "item_id": ["x", "y"]}, "for_each"),
    "an index": ({"for_each": "models/0"}, "for_each"),
    "no identity": ({"item_id": []}, "item_id needs one field for each level of for_each (1)"),
    "too many identities": ({"item_id": ["id", "name"]}, "item_id needs one field"),
    "identity of the whole": ({"for_each": "", "item_id": ["id"]}, "for each level of for_each (0)"),
    "no evidence": ({"evidence": []}, "evidence"),
    "evidence left out": ({"evidence": ...}, "evidence"),
    "a need of nothing": ({"evidence": [{"about": "item"}]}, "a need names its group"),
    "a need without fields": ({"evidence": [{"at": "registration"}]}, "a need names its group"),
    "fields without a group": ({"evidence": [{"fields": {"x": "string"}}]}, "a need names its group"),
    "a request with a group": ({"evidence": [{"request": "purpose", "type": "string", "at": "x"}]}, "a request need"),
    "a request without type": ({"evidence": [{"request": "purpose"}]}, "a request need has only"),
    "field type": ({"evidence": [{"at": "risk", "fields": {"x": "text"}}]}, "fields.x"),
    "about": ({"evidence": [{"at": "risk", "about": "model", "fields": {"x": "string"}}]}, "about"),
    "tier": ({"evidence": [{"at": "risk", "min_tier": "strong", "fields": {"x": "string"}}]}, "min_tier"),
    "misspelt age": ({"evidence": [{"at": "risk", "maxage": "P1D", "fields": {"x": "string"}}]}, "maxage"),
    "age in words": ({"evidence": [{"at": "risk", "max_age": "7 days", "fields": {"x": "string"}}]}, "is no duration"),
    "age of zero": ({"evidence": [{"at": "risk", "max_age": "P0D", "fields": {"x": "string"}}]}, "a zero age"),
    "age as a number": ({"evidence": [{"at": "risk", "max_age": 7, "fields": {"x": "string"}}]}, "max_age"),
    "of": ({"evidence": [{"at": "risk", "of": "models", "fields": {"x": "string"}}]}, "is no scope"),
    "booleans as text": ({"may_be_empty": "true"}, "may_be_empty"),
    "booleans as numbers": ({"approvable": 1}, "approvable"),
    "waivable": ({"waivable": True}, "waivable"),
    "waivable for ever": ({"waivable": {"max_days": 367}}, "max_days"),
    "waivable for nothing": ({"waivable": {"max_days": 0}}, "max_days"),
    "no control": ({"controls": []}, "controls"),
    "control": ({"controls": ["G-DEP-1"]}, "controls"),
    "no clause": ({"clauses": []}, "clauses"),
    "a clause that YAML took for a number": ({"clauses": [9.2]}, "clauses"),
    "clause": ({"clauses": ["Article 9"]}, "clauses"),
    "message": ({"message": "bad"}, "message"),
    "no message": ({"message": ...}, "message"),
    "no remediation": ({"remediation": ...}, "remediation"),
    "owner": ({"owner": "Model Risk"}, "owner"),
    "a date alone": ({"effective_on": "2026-01-01"}, "write it as a quoted UTC time"),
    "a local time": ({"effective_on": "2026-01-01T00:00:00+01:00"}, "write it as a quoted UTC time"),
    "a day that does not exist": ({"effective_on": "2026-02-30T00:00:00Z"}, "effective_on"),
    "another century": ({"effective_on": "9999-01-01T00:00:00Z"}, "write it as a quoted UTC time"),
}  # fmt: skip


@pytest.mark.parametrize(("custom", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_key_is_refused_by_name(custom: dict[str, Any], problem: str, opa_binary: Path, tmp_path: Path) -> None:
    problems = refused(opa_binary, tmp_path, rules.source("rule_0", **custom))
    assert all("rule_0.rego: " in line for line in problems)
    assert any(problem in line for line in problems), problems


def test_all_that_is_wrong_is_said_at_once(opa_binary: Path, tmp_path: Path) -> None:
    problems = refused(
        opa_binary, tmp_path, rules.source("rule_0", severity="x", owner="X"), rules.source("rule_1", message="x")
    )
    assert len(problems) == 3
    assert sum("rule_0.rego" in line for line in problems) == 2


# YAML knows dates: an unquoted one reaches us as a whole time in UTC.
def test_an_unquoted_date_is_midnight_utc(opa_binary: Path, tmp_path: Path) -> None:
    text = rules.source("rule_0", effective_on="MARK").replace("MARK", "2026-01-01")
    (found,) = read(opa_binary, tmp_path, text)
    assert found.custom.effective_on == "2026-01-01T00:00:00Z"


def test_a_key_twice_is_refused_by_opa(opa_binary: Path, tmp_path: Path) -> None:
    text = rules.source("rule_0").replace("#   severity: medium", "#   severity: medium\n#   severity: low")
    rules.write(tmp_path, text, "rule_0")
    with pytest.raises(PolicyError, match="severity") as error:
        annotations.inspect(opa_binary, tmp_path)
    assert "rule_0.rego" in str(error.value)


@pytest.mark.parametrize(
    "package",
    [
        "governance.rules.deployment.a.b",
        "governance.rules.deployment",
        "governance.rules.deployment.A",
    ],
)
def test_a_rule_stands_in_a_stage_and_has_one_name(package: str, opa_binary: Path, tmp_path: Path) -> None:
    problems = refused(opa_binary, tmp_path, rules.source(package=package))
    assert any("code" in line for line in problems), problems


def test_titles_and_descriptions_are_for_people(opa_binary: Path, tmp_path: Path) -> None:
    short = rules.source("rule_0", title="x").replace("A rule that exists for a test of the build.", "Short.")
    problems = refused(opa_binary, tmp_path, short)
    assert {"title", "description"} <= {line.split(": ")[1] for line in problems}


def test_what_does_not_parse_is_refused_with_its_file(opa_binary: Path, tmp_path: Path) -> None:
    rules.write(tmp_path, "package x\n\nnonsense {", "rule_0")
    with pytest.raises(PolicyError, match=r"rule_0\.rego"):
        annotations.inspect(opa_binary, tmp_path)


# --- Durations and scopes --------------------------------------------------------------------------------------------


@given(st.integers(0, 99999), st.integers(0, 99999), st.integers(0, 99999), st.integers(0, 99999))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    whole = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    text = f"P{days}DT{hours}H{minutes}M{seconds}S"
    if whole:
        assert annotations.parse_duration(text) == whole
        assert Need(at="x", fields={"y": "string"}, max_age=text).max_age_s == whole.total_seconds()
    else:
        with pytest.raises(ValueError, match="zero age"):
            annotations.parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "P1W",
        "P1M",
        "P1Y",
        "PT1D",
        "-P1D",
        "P-1D",
        "P1.5D",
        "p1d",
        "P1D ",
        "P1DT",
        "P100000D",
    ],
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        annotations.parse_duration(text)


def test_a_scope_names_its_lists() -> None:
    assert annotations.levels("") == []
    assert annotations.levels("models/*") == ["models"]
    assert annotations.levels("datasets/*/columns/*") == ["datasets", "columns"]


@pytest.mark.parametrize(
    "scope", ["models", "*", "*/*", "models/0", "models/*/columns", "a/*/b/*/c/*", "models/*/*/*", "/*", "models/x"]
)
def test_other_scopes_are_refused(scope: str) -> None:
    with pytest.raises(ValueError, match=r"is no scope|pattern"):
        Custom.model_validate(rules.CUSTOM | {"for_each": scope, "item_id": ["id"]})


def test_types_are_not_coerced() -> None:
    with pytest.raises(ValidationError):
        Need.model_validate({"at": 5, "fields": {"x": "string"}})
    with pytest.raises(ValidationError):
        Need.model_validate({"at": "x", "fields": {"x": "string"}, "unless_exempt": "yes"})
