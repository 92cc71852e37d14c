"""Which mutants are made of which Rego, and where they stand."""

from pathlib import Path

import pytest

from proctor.errors import PolicyError
from proctor.policy import mutants, operators
from proctor.policy.mutants import Known, Mutant

_KNOWN = Known(
    {"list": {"colours": ["red"], "shades": ["red"], "tints": ["pink"]}, "threshold": {"only": {"low": 1}}},
    {
        "compare": frozenset({"at_least", "at_most", "all_in", "all_under", "none"}),
        "people": frozenset({"distinct", "separate", "principal"}),
    },
)
_HEAD = "package a.b\n\nimport data.governance.config\nimport data.governance.lib.compare\n\n"


def _made(tmp_path: Path, binary: Path, body: str, head: str = _HEAD) -> list[Mutant]:
    file = tmp_path / "module.rego"
    file.write_text(head + body, encoding="utf-8")
    return operators.of_module(head + body, mutants.parse(binary, file), _KNOWN)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "input.x == true",
            {
                "drop 1:26 input.x == true -> (dropped)",
                "negate 1:26 input.x == true -> not input.x == true",
                "comparison 1:34 == -> !=",
                "constant 1:37 true -> false",
            },
        ),
        ("not input.x", {"drop 1:26 not input.x -> (dropped)", "negate 1:26 not input.x -> input.x"}),
        (
            "input.n in [3]",
            {
                "drop 1:26 input.n in [3] -> (dropped)",
                "negate 1:26 input.n in [3] -> not input.n in [3]",
                "constant 1:38 3 -> 4",
                "constant 1:38 3 -> 2",
            },
        ),
        (
            'input["ä"] == "ö"',
            {
                'drop 1:26 input["ä"] == "ö" -> (dropped)',
                'negate 1:26 input["ä"] == "ö" -> not input["ä"] == "ö"',
                'constant 1:32 "ä" -> "mutant"',
                "comparison 1:37 == -> !=",
                'constant 1:40 "ö" -> "mutant"',
            },
        ),
        (
            "compare.at_least(input.x, -1.5)",
            {
                "drop 1:26 compare.at_least(input.x, -1.5) -> (dropped)",
                "negate 1:26 compare.at_least(input.x, -1.5) -> not compare.at_least(input.x, -1.5)",
                "comparison 1:26 compare.at_least -> compare.at_most",
                "comparison 1:26 compare.at_least(input.x, -1.5) -> not compare.at_most(input.x, -1.5)",
                "constant 1:52 -1.5 -> -0.5",
                "constant 1:52 -1.5 -> -2.5",
            },
        ),
        (
            "compare.all_in(input.x, input.y)",
            {
                "drop 1:26 compare.all_in(input.x, input.y) -> (dropped)",
                "negate 1:26 compare.all_in(input.x, input.y) -> not compare.all_in(input.x, input.y)",
                "comparison 1:26 compare.all_in -> compare.all_under",
                "comparison 1:26 compare.all_in(input.x, input.y) -> one of input.x is enough",
            },
        ),
        (
            # "shades" holds the same, so nothing could tell it from "colours".
            'input.x in config.list("colours")',
            {
                'drop 1:26 input.x in config.list("colours") -> (dropped)',
                'negate 1:26 input.x in config.list("colours") -> not input.x in config.list("colours")',
                'constant 1:49 "colours" -> "tints"',
            },
        ),
    ],
)
def test_each_operator_names_what_it_changes(
    tmp_path: Path, opa_binary: Path, expression: str, expected: set[str]
) -> None:
    made = _made(tmp_path, opa_binary, f"compliant contains [] if {expression}\n")
    found = {f"{m.operator} {m.line - 5}:{m.column} {m.before} -> {m.after}" for m in made}
    assert found == expected | {"clause 1:1 the clause `compliant contains []` -> (none)"}


def test_items_are_taken_apart(tmp_path: Path, opa_binary: Path) -> None:
    body = 'compliant contains ["models", i] if {\n\tsome i, model in input.facts.models\n\tmodel.x\n\tmodel.y\n}\n'
    made = {(m.operator, m.line - 5, m.column): m for m in _made(tmp_path, opa_binary, body)}
    assert made["join", 1, 31].after == "0"
    assert made["join", 2, 2].after == "some i, _ in input.facts.models; some model in input.facts.models"
    assert made["universal", 3, 2].before == "model.x; model.y"
    assert "\ttrue\n\ttrue\n" in made["universal", 3, 2].text
    assert "\tfalse; some i, model in" in made["clause", 1, 1].text


def test_comprehensions_and_functions_are_entered(tmp_path: Path, opa_binary: Path) -> None:
    body = "_count(x) := 7 if {\n\tfound := [y | some y in x; y.z == 3]\n\tcount(found) == 1\n}\n\n_named := `a`\n"
    made = {f"{m.line - 5}:{m.column} {m.before} -> {m.after}" for m in _made(tmp_path, opa_binary, body)}
    assert {
        "1:14 7 -> 8",
        "2:29 y.z == 3 -> (dropped)",
        "2:29 y.z == 3 -> not y.z == 3",
        "2:36 3 -> 2",
        "3:18 1 -> 0",
        '6:11 `a` -> "mutant"',
    } <= made
    assert not [line for line in made if "found :=" in line]


def test_one_that_negates_gets_the_import_that_the_build_wants(tmp_path: Path, opa_binary: Path) -> None:
    made = _made(tmp_path, opa_binary, "compliant contains [] if input.x\n")
    (negated,) = [mutant for mutant in made if mutant.operator == "negate"]
    assert "package a.b\n\nimport future.keywords.not\n" in negated.text
    with_it = _HEAD.replace("import", "import future.keywords.not\nimport", 1)
    made = _made(tmp_path, opa_binary, "compliant contains [] if input.x\n", with_it)
    assert all(mutant.text.count("future.keywords.not") == 1 for mutant in made)


def test_each_mutant_comes_once_and_in_the_order_of_the_file(tmp_path: Path, opa_binary: Path) -> None:
    body = "compliant contains [] if {\n\tinput.x == 1\n\tinput.y == 1\n}\n"
    made = _made(tmp_path, opa_binary, body)
    assert len({mutant.text for mutant in made}) == len(made)
    assert [(mutant.line, mutant.column) for mutant in made] == sorted((m.line, m.column) for m in made)
    assert [mutant.name for mutant in made] == [f"m{number}" for number in range(1, len(made) + 1)]
    assert made == _made(tmp_path, opa_binary, body)


def test_what_does_not_parse_is_named(tmp_path: Path, opa_binary: Path) -> None:
    with pytest.raises(PolicyError, match=r"module\.rego:6"):
        _made(tmp_path, opa_binary, "compliant contains if {\n")


def test_a_tree_of_another_text_is_refused(tmp_path: Path, opa_binary: Path) -> None:
    file = tmp_path / "module.rego"
    file.write_text("package a\n\n_x if input.x == 1\n")
    with pytest.raises(PolicyError, match="does not fit the text"):
        operators.of_module("package a\n\n_x if input.yy == 1\n", mutants.parse(opa_binary, file), _KNOWN)
