"""`proctor policy mutate` on a pack, with a real OPA: what survives weak tests, and that strong ones kill all."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from proctor.cli import checks, exits, main, outputs
from proctor.errors import UsageError
from proctor.policy import focus, workspace
from proctor.policy.checks import Check, Checked
from proctor.settings import Settings
from tests.engine.policy import packs

_ENOUGH: Final = """
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.registration.registered == true
	compare.at_least(model.registration.matches, 0)
	model.risk.exposure in {"internal", "partner", "public"}
}
"""
"""The sample has one match, and the cases try 2, 0, -1 and a lot: none of them must pass at the limit."""
_WEAK: Final = """package governance.rules.deployment.{name}_test

import data.testing

_with(pointer, value) := testing.with_value(data.samples.deployment, sprintf("/facts/models/1/%s", [pointer]), value)

test_the_sample if testing.says("deployment.{name}", data.samples.deployment) == "pass"
"""
_STRONG: Final = (
    _WEAK
    + """
test_none_is_enough if testing.says("deployment.{name}", _with("registration/matches", 0)) == "pass"

test_each_exposure[exposure] if {{
	some exposure in ["internal", "partner", "public"]
	testing.says("deployment.{name}", _with("risk/exposure", exposure)) == "pass"
}}
"""
)
_LAST: Final = """
compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.registration.registered == true
	model.registration.matches == 7
	model.risk.exposure == "vip"
}
"""
"""A clause for an item that no sample has: that it may look at another item, the build alone sees."""
_NEVER: Final = "\ntest_never if count(rule.compliant) > 9 with input as {{}}\n"
_ANYTHING: Final = packs.RIGHT.replace("matches == 1", "matches in {1, 2, 0, -1, 1000000000}")
_RULES: Final = {
    "weak": (_ENOUGH, _WEAK),
    "strong": (_ENOUGH, _STRONG),
    "unseen": (packs.RIGHT + _LAST, packs.TEST),
    "untrue": (packs.RIGHT, packs.TEST + _NEVER),
    "loose": (_ANYTHING, packs.TEST),
}


pytestmark = pytest.mark.timeout(240)
"""The pack is mutated once, in the first test that asks for it."""


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pack with rules whose tests are weak, strong, or fail."""
    return packs.write(
        tmp_path_factory.mktemp("mutation") / "bank",
        {name: packs.source(name, body) for name, (body, _) in _RULES.items()},
        tests={name: test.format(name=name) for name, (_, test) in _RULES.items()},
    )


@pytest.fixture(scope="module")
def mutated(pack: Path, opa_binary: Path) -> Checked:
    """Return what came of all mutants of the pack."""
    settings = packs.settings(pack.parent / "state", pack)
    return workspace.mutate(settings, opa_binary, lambda _: None, at_least=50, only=pack)


def _of(mutated: Checked, name: str) -> list[Check]:
    return [check for check in mutated.checks if check.group == f"deployment.{name}"]


def _line(text: str, what: str) -> int:
    (found,) = (number for number, line in enumerate(text.splitlines(), 1) if what in line)
    return found


def test_weak_tests_let_exactly_these_survive(mutated: Checked, pack: Path) -> None:
    file = pack / "governance" / "rules" / "deployment" / "weak" / "weak.rego"
    text = file.read_text()
    limit, exposure = _line(text, "at_least(model"), _line(text, "exposure in")
    asked = "compare.at_least(model.registration.matches, 0)"
    used = {model["risk"]["exposure"] for model in packs.SAMPLE["facts"]["models"]}
    others = [name for name in ("internal", "partner", "public") if name not in used]
    column = text.splitlines()[exposure - 1].index
    survivors = [check for check in _of(mutated, "weak") if not check.ok]
    assert [(check.line, check.column, check.name) for check in survivors] == [
        (limit, 2, f"{asked} -> not compare.at_most(model.registration.matches, 0)"),
        (limit, 47, "0 -> 1"),
        *((exposure, column(f'"{name}"') + 1, f'"{name}" -> "mutant"') for name in others),
    ]
    assert {check.file for check in survivors} == {file}
    assert "test at the limit" in survivors[0].hint


def test_strong_tests_let_none_survive(mutated: Checked) -> None:
    strong, weak = _of(mutated, "strong"), _of(mutated, "weak")
    assert [check.name for check in strong] == [check.name for check in weak]
    assert len(strong) > 15
    assert all(check.ok for check in strong)


def test_the_score_is_the_share_of_those_that_were_killed(mutated: Checked) -> None:
    numbers = mutated.numbers
    failed = [check for check in mutated.failed if check.name != "all mutants"]
    assert numbers["survived"] == len(failed)
    assert numbers["killed"] + numbers["survived"] + numbers["refused"] == len(mutated.checks) - 2
    assert numbers["score"] == round(100 * numbers["killed"] / (numbers["killed"] + numbers["survived"]), 2)
    assert f"score {numbers['score']:.1f} %, at least 50 % wanted" in mutated.summary


def test_mutants_that_do_not_compile_or_are_refused_are_counted_apart(mutated: Checked) -> None:
    # Without its walk the index of a clause is unsafe: one mutant for each of six clauses.
    assert mutated.numbers["uncompilable"] == 6
    refused = mutated.numbers["refused"]
    assert 0 < refused < len(_of(mutated, "unseen"))
    assert f"not counted: {refused} that only the build refuses, 6 that do not compile" in mutated.summary


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("untrue", "its own tests fail before anything is changed: see 'proctor policy test'"),
        ("loose", "its decisive cases fail before anything is changed: see 'proctor policy test'"),
    ],
)
def test_where_the_rule_itself_fails_nothing_is_said_of_its_mutants(mutated: Checked, name: str, why: str) -> None:
    assert [(check.name, check.why) for check in _of(mutated, name)] == [("all mutants", why)]
    assert not mutated.ok, "whatever the score"


def test_a_function_of_lib_is_mutated_behind_its_own_tests(tmp_path: Path, opa_binary: Path) -> None:
    source = tmp_path / "rego"
    shutil.copytree(packs.ROOT / "rego", source)
    library = source / "governance" / "lib" / "people"
    test = library / "people_test.rego"
    kept = test.read_text().split("\ntest_")[0] + '\ntest_one if people.principal("person:alice")\n'
    test.write_text(kept)
    settings = Settings(state_dir=tmp_path / "state", policy_dir=source)
    found = workspace.mutate(settings, opa_binary, lambda _: None, at_least=0, only=library)
    assert {check.group for check in found.checks} == {"lib.people"}
    survivors = {check.name for check in found.failed}
    text = (library / "people.rego").read_text()
    assert found.numbers["killed"] > 0
    assert len(survivors) > found.numbers["killed"], "one test notices little"
    assert all(text.splitlines()[check.line - 1] for check in found.failed if check.line)


# --- What a path means -----------------------------------------------------------------------------------------------


def test_a_path_is_a_rule_a_stage_or_a_pack(pack: Path, tmp_path: Path) -> None:
    settings = packs.settings(tmp_path, pack)
    rule = pack / "governance" / "rules" / "deployment" / "strong"
    none = settings.model_copy(update={"policy": settings.policy.model_copy(update={"packs": []})})
    for path, folder in ((pack, pack), (rule.parent, rule.parent), (rule, rule), (rule / "strong.rego", rule)):
        assert focus.settle(none, path) == (settings, folder)
        assert focus.settle(settings, path) == (settings, folder)
    provided = packs.ROOT / "rego"
    assert focus.settle(settings, provided) == (settings, None)
    assert focus.settle(settings, None) == (settings, None)
    stage = provided / "governance" / "rules" / "data"
    assert focus.settle(settings, stage) == (settings, stage)
    with pytest.raises(UsageError, match="neither below"):
        focus.settle(settings, tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        focus.settle(settings, tmp_path / "nothing")


# --- What people and programs read -----------------------------------------------------------------------------------


def test_survivors_are_told_in_every_form(
    mutated: Checked, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms = ("json", "junit", "sarif", "github", "markdown")
    checks.write(mutated, outputs.parse(["table", *(f"{form}={tmp_path / form}" for form in forms)]))
    rule = pack / "governance" / "rules" / "deployment" / "weak" / "weak.rego"
    line = _line(rule.read_text(), "at_least(model")
    table = capsys.readouterr().out.splitlines()
    assert f"FAILED  {rule}:{line}:47: 0 -> 1" in table
    assert table[-1].startswith("FAILED in ")
    document: dict[str, Any] = json.loads((tmp_path / "json").read_bytes())
    failed = [check for check in document["checks"] if not check["ok"]]
    assert (line, "0 -> 1") in [(check.get("line"), check["name"]) for check in failed]
    results = json.loads((tmp_path / "sarif").read_bytes())["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert {"artifactLocation": {"uri": str(rule)}, "region": {"startLine": line, "startColumn": 47}} in places
    root = ET.parse(tmp_path / "junit").getroot()  # noqa: S314 (our own)
    assert root.get("failures") == str(len(failed)) == str(len(results))
    github = (tmp_path / "github").read_text()
    assert f"::error file={rule},line={line},title=mutant/constant%3A deployment.weak::" in github
    assert f"weak.rego:{line}:47" in (tmp_path / "markdown").read_text().replace("\\", "")


def test_the_command_fails_below_the_score_that_is_asked_for(
    tmp_path: Path, opa_binary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("PROCTOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PROCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PROCTOR_OPA_BIN", str(opa_binary))
    monkeypatch.chdir(tmp_path)
    proctor: Callable[..., int] = lambda *arguments: main.run(["policy", "mutate", *arguments])  # noqa: E731
    packs.write(tmp_path / "bank", {"weak": packs.source("weak", _ENOUGH)}, tests={"weak": _WEAK.format(name="weak")})
    assert proctor("bank/governance/rules/deployment/weak") == exits.DENY
    captured = capsys.readouterr()
    assert "bank/governance/rules/deployment/weak/weak.rego:" in captured.out
    assert "1/1 deployment.weak" in captured.err
    (tmp_path / "bank" / "samples").mkdir()
    assert proctor("bank/samples", "--at-least", "0") == exits.DENY
    assert "no rule and no library below" in capsys.readouterr().err
    assert proctor("elsewhere") == exits.USAGE
    assert "no such folder" in capsys.readouterr().err
