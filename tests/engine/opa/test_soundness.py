"""What a rule may not contain: each refusal with the smallest rule that earns it, and what says how to mend it."""

from pathlib import Path
from typing import Any

import pytest

from proctor.errors import PolicyError
from proctor.opa import soundness
from tests.engine.opa import rules


def body(*lines: str, imports: str = "", below: str = "") -> str:
    """Return a rule that is right, with these lines in it."""
    inside = "".join(f"\t{line}\n" for line in lines)
    return (
        f'{imports}\n\ncompliant contains ["models", i] if {{\n\tsome i, model in input.facts.models\n'
        f"\tmodel.registration.registered == true\n{inside}}}\n{below}"
    )


REFUSED: list[tuple[str, str, str]] = [
    # What fails open by itself.
    ("no sets", "_ok if input.environment == 1", "defines no `compliant contains"),
    ("a boolean", "compliant if input.facts.models[0].registration.registered == true", "`compliant` must be a set"),
    ("a value", 'compliant := {["models", 0]}', "`compliant` must be a set"),
    ("an object", "compliant[i] := true if some i, _ in input.facts.models", "`compliant` must be a set"),
    ("exempt is no set", body(below="exempt := true"), "`exempt` must be a set"),
    ("a default", body(below="default _ok := true"), "`default _ok`: a default proves what nobody proved"),
    ("a default function", body(below="default _ok(_) := true"), "`default _ok`"),
    ("another name", body(below="complaint contains 1 if input.environment == 2"), "`complaint`: a rule package"),
    ("with", body('_ok with input as {"x": 1}', below="_ok if input.environment"), "`with` outside a test"),
    ("every", body("every c in model.registration.columns { c == 1 }"), "`every` is true of an empty list"),
    ("not", body("not model.registration.registered == false"), "negates without `import future.keywords.not`"),
    (
        "not in a comprehension",
        body("count([1 | some x in input.facts.models; not x.registration.registered]) == 0"),
        "negates without",
    ),
    # Comparisons across types.
    *(
        (f"raw {op}", body(f"model.registration.registered {op} 1"), "raw comparison")
        for op in ("<", "<=", ">", ">=", "!=")
    ),
    (
        "raw in a comprehension",
        body("count([1 | some x in input.facts.models; x.registration.registered > 1]) == 0"),
        "raw comparison `gt`",
    ),
    ("raw in a helper", body("_ok(model)", below="_ok(m) if m.registration.registered >= 1"), "raw comparison `gte`"),
    # Built-ins whose type error would deny everything for everybody.
    *(
        (call, body(call), f"calls {call.split('(')[0]}")
        for call in (
            'startswith(model.registration.registered, "x")',
            'regex.match("x", model.registration.registered)',
            'sprintf("%s", [model.registration.registered]) == "x"',
            'object.get(model, "registration", true) == true',
            "to_number(model.registration.registered) == 1",
            "time.parse_rfc3339_ns(model.registration.registered) == 1",
            "time.now_ns() == 1",
            'http.send({"url": "http://x"}) == 1',
            'rand.intn("x", 2) == 1',
            "opa.runtime() == {}",
            "is_boolean(model.registration.registered)",
            "walk(model, [_, _])",
            'trace("x")',
            'print("x")',
        )
    ),
    ("arithmetic", body("model.registration.registered + 1 == 2"), "calls plus"),
    ("set arithmetic", body("{1} - {model.registration.registered} == {1}"), "calls minus"),
    ("a helper of another rule", body("data.governance.rules.deployment.other._ok(model)"), "calls data.governance"),
    # Data.
    ("another rule", body("data.governance.rules.deployment.other.compliant"), "rules read only input, lib and config"),
    ("the index", body("data.governance.index.rules == {}"), "rules read only input, lib and config"),
    ("own data", body("data.secrets.x == 1"), "rules read only input, lib and config"),
    ("data by a variable", body('some k in ["index"]', "data.governance[k].rules == {}"), "rules read only input"),
    ("an import", body(imports="import data.governance.index"), "imports data.governance.index: rules import only"),
    ("everything", body(imports="import data.governance"), "imports data.governance: rules import only"),
    ("test support", body(imports="import data.testing"), "imports data.testing: rules import only"),
    ("input", body(imports="import input.facts"), "imports input.facts: write it out"),
    ("v2", body(imports="import rego.v2"), "imports rego.v2"),
    # Names whose spelling the build could not check.
    ("config renamed", body(imports="import data.governance.config as c"), "imports data.governance.config as c"),
    ("lib as config", body(imports="import data.governance.config.values"), "imports data.governance.config.values"),
    (
        "values past the look-up",
        body("model.registration.registered in config.values.lists.nonsense", imports="import data.governance.config"),
        "reads data.governance.config.values.lists.nonsense: use config.list",
    ),
    (
        "values by their full name",
        body("model.registration.registered in data.governance.config.values.lists.nonsense"),
        "reads data.governance.config.values.lists.nonsense: use config.list",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_rule_that_could_fail_open_is_refused(text: str, problem: str, opa_binary: Path, tmp_path: Path) -> None:
    found = rules.refusals(opa_binary, tmp_path, text)
    assert any(problem in line for line in found), found


ALLOWED: dict[str, str] = {
    "as it stands": body(),
    "membership": body("model.registration.registered in {true, false}"),
    "not, with its import": body("not model.registration.registered == false", imports="import future.keywords.not"),
    "a library": body(
        "compare.at_least(model.registration.registered, 1)", imports="import data.governance.lib.compare"
    ),
    "a library by another name": body(
        "c.none(model.registration.registered)", imports="import data.governance.lib.compare as c"
    ),
    "all libraries": body("lib.compare.none(model.registration.registered)", imports="import data.governance.lib"),
    "a list": body(
        'model.registration.registered in config.list("image_registries")', imports="import data.governance.config"
    ),
    "a helper": body("_ok(model)", below="_ok(m) if m.registration.registered == true"),
    "count of a comprehension": body(
        "count([1 | some x in input.facts.models; x.registration.registered == true]) == 1"
    ),
    "two ways": body(below=body().strip()),
    "the risk tier": body('data.governance.lib.tiers.assessment.value == "low"'),
}


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
def test_what_a_rule_may_use_is_accepted(text: str, opa_binary: Path, tmp_path: Path) -> None:
    assert rules.refusals(opa_binary, tmp_path, text) == []


def test_each_line_names_the_file_and_the_error_where_to_read_on(opa_binary: Path, tmp_path: Path) -> None:
    one, other = rules.annotation("one_rule"), rules.annotation("other_rule")
    rules.write(tmp_path, rules.source("one_rule", body("time.now_ns() == 1")), "one_rule")
    rules.write(tmp_path, rules.source("other_rule", body("model.registration.registered > 1")), "other_rule")
    with pytest.raises(PolicyError, match=r"CONTRIBUTING\.md") as refused:
        soundness.check(opa_binary, tmp_path, [one, other])
    assert [line.split(": ")[0] for line in refused.value.problems] == [one.file, other.file]


def test_a_file_that_does_not_parse_is_refused_with_what_opa_says(opa_binary: Path, tmp_path: Path) -> None:
    found = rules.refusals(opa_binary, tmp_path, "compliant contains [ if {")
    assert any("rego_parse_error" in line for line in found)


def test_declarations_are_checked_with_the_rest(opa_binary: Path, tmp_path: Path) -> None:
    evidence: list[dict[str, Any]] = [{"at": "registration", "fields": {"registered": "string"}}]
    found = rules.refusals(opa_binary, tmp_path, body(), evidence=evidence)
    assert found == ["registration.registered: string, but the vocabulary has boolean"]


def test_names_of_the_configuration_are_found_where_they_are_written() -> None:
    text = """
# config.list("commented_out")
x := config.list("image_registries")
y := config.threshold( "waivers_active" )
z := config.list(name)
w := config.threshold("Upper")
"""
    assert soundness.configuration_names(text) == [
        ("list", "image_registries"),
        ("threshold", "waivers_active"),
        ("list", None),
        ("threshold", None),
    ]


def test_the_heads_of_a_module_are_found() -> None:
    assert soundness.rule_names(rules.source(body=body(below="exempt contains [] if true\n\n_ok := 1\n"))) >= {
        "compliant",
        "exempt",
        "_ok",
    }
