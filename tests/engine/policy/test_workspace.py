"""`proctor policy test` on packs, with a real OPA: what passes, what never may, and what a person reads."""

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from proctor.cli import exits, main
from proctor.errors import OpaError, PolicyError
from proctor.policy import evaluation, workspace
from proctor.policy.cases import Case
from proctor.policy.checks import Checked
from proctor.policy.patches import replace
from proctor.vocabulary.reasons import Reason
from tests.engine.policy import packs

Tested = Callable[..., Checked]


@pytest.fixture
def tested(tmp_path: Path, opa_binary: Path, small_policy: Path) -> Tested:
    """Return a function that writes a pack and tests it beside a small policy, or beside all of the provided one."""

    def _tested(
        rules: Mapping[str, str],
        *,
        binary: Path = opa_binary,
        verbose: bool = False,
        provided: bool = False,
        **parts: Any,
    ) -> Checked:
        pack = packs.write(tmp_path / "pack", rules, **parts)
        settings = packs.settings(tmp_path / "state", pack, None if provided else small_policy)
        return workspace.test(settings, binary, verbose=verbose, only=pack)

    return _tested


def test_a_right_rule_passes_and_leaves_nothing_behind(
    tested: Tested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    report = tested({"right": packs.source("right")}, verbose=True, provided=True)
    assert report.ok, report.text
    assert "passed  data.governance.rules.deployment.right_test.test_nothing_is_compliant_without_facts" in report.text
    assert "passed  deployment.right: models/1/registration.matches decides  (deployment, decisive, 5 inputs)" in (
        report.text
    )
    assert "1 rules, 1 tests, 0 failed, 0 missing" in report.text
    assert report.text.splitlines()[-1].startswith("OK in ")
    assert not [*(tmp_path / "tmp").iterdir()]


def test_only_what_was_asked_for_is_tested(tested: Tested) -> None:
    report = tested({"right": packs.source("right")}, verbose=True)
    assert "model_registered" not in report.text


def test_a_wrong_rule_fails_with_rule_case_and_difference(tested: Tested) -> None:
    body = packs.RIGHT.replace("\tmodel.registration.matches == 1\n", "") + packs.RIGHT.replace(
        "\tmodel.registration.registered == true\n", ""
    )
    report = tested({"either": packs.source("either", body)})
    assert not report.ok
    lines = report.text.splitlines()
    at = lines.index(
        "FAILED  deployment.either: models/0/registration.registered decides  (deployment, decisive, 1 input)"
    )
    assert lines[at + 1] == ('        no other value made it fail: expected [[["models", 0], "fail"]], found []')
    assert '        -          "registered": true' in lines[at:]
    assert '        +          "registered": false' in lines[at:]
    assert "4 failed" in lines[-2], lines[-2]
    assert lines[-1].startswith("FAILED in ")
    assert "passed" not in report.text


def test_failing_and_switched_off_tests_fail(tested: Tested) -> None:
    test = packs.TEST.format(name="right") + (
        "\ntest_never if count(rule.compliant) > 99 with input as {}\n\ntodo_test_later if rule.compliant == set()\n"
    )
    report = tested({"right": packs.source("right")}, tests={"right": test})
    assert not report.ok
    assert "right_test.rego:7: test_never: it is not true" in report.text
    assert "right_test.rego:9: todo_test_later: it is switched off, so it proves nothing" in report.text
    assert "3 tests, 2 failed" in report.text


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ({}, "right.rego: has no right_test.rego beside it"),
        (
            {"right": "package governance.rules.deployment.right_test\n\nprove_nothing if true\n"},
            "right_test.rego: runs no test",
        ),
    ],
)
def test_a_rule_without_a_test_fails(tested: Tested, tests: dict[str, str], why: str) -> None:
    other = {"other": packs.TEST.format(name="other")}
    rules = {name: packs.source(name) for name in ("right", "other")}
    report = tested(rules, tests={**other, **tests})
    assert not report.ok
    assert [line for line in report.text.splitlines() if line.startswith("MISSING") and why in line]
    assert "1 missing" in report.text


def test_a_pack_without_any_test_fails(tested: Tested) -> None:
    report = tested({"right": packs.source("right")}, tests={})
    assert not report.ok
    assert "1 rules, 0 tests" in report.text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            packs.source("right").replace("operations: [deploy]", "operations: [scale]"),
            "deployment.right: no sample for deployment/deployment",
        ),
        (
            packs.source(
                "right",
                packs.RIGHT + '\nexempt contains ["models", i] if {\n\tsome i, model in input.facts.models\n'
                '\tmodel.risk.exposure == "internal"\n}\n',
            ),
            "deployment.right: has an exempt set, and no sample exempt_right",
        ),
    ],
)
def test_a_rule_without_a_sample_fails(tested: Tested, text: str, why: str) -> None:
    report = tested({"right": text})
    assert not report.ok
    assert f"MISSING {why}" in report.text


def test_a_pack_brings_its_own_samples(tested: Tested) -> None:
    for_scaling = {**packs.SAMPLE, "operation": "scale"}
    text = packs.source("right").replace("operations: [deploy]", "operations: [scale]")
    report = tested({"right": text}, samples={"scaling": for_scaling}, verbose=True)
    assert report.ok, report.text
    assert "deployment.right: the sample passes  (pack/scaling, base, 1 input)" in report.text


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ([], "not an object"),
        ({"stage": "deployment"}, "lacks operation"),
        ({**packs.SAMPLE, "subject": {}}, "subject lacks kind or parts"),
        ({**packs.SAMPLE, "context": {}}, "context lacks now"),
        ({**packs.SAMPLE, "operation": "explode"}, "no rule applies"),
        ({**packs.SAMPLE, "facts": {"models": 5}}, "facts: "),
    ],
)
def test_a_sample_that_is_no_input_is_refused(tested: Tested, sample: Any, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        tested({"right": packs.source("right")}, samples={"wrong": sample})


def test_rego_that_does_not_parse_is_named_with_its_line(tested: Tested) -> None:
    with pytest.raises(PolicyError, match=r"right\.rego:\d+"):
        tested({"right": packs.source("right", "\ncompliant contains if {\n")})


def test_a_test_that_does_not_compile_is_named_as_its_author_knows_it(tested: Tested, tmp_path: Path) -> None:
    test = packs.TEST.format(name="right") + "\ntest_clock if time.now_ns() > 0\n"
    with pytest.raises(PolicyError, match=r"undefined function time\.now_ns") as caught:
        tested({"right": packs.source("right")}, tests={"right": test})
    assert str(tmp_path / "pack") in str(caught.value)
    assert "prc-" not in str(caught.value)


def test_a_test_may_not_add_to_the_rule_that_it_tests(tested: Tested) -> None:
    test = 'package governance.rules.deployment.right\n\ncompliant contains ["models", 0]\n\ntest_x if compliant\n'
    with pytest.raises(PolicyError, match="is a package of the policy"):
        tested({"right": packs.source("right")}, tests={"right": test})


def test_a_pack_may_not_replace_a_test_of_ours(tested: Tested, tmp_path: Path) -> None:
    file = tmp_path / "pack" / "governance" / "main" / "main_test.rego"
    file.parent.mkdir(parents=True)
    file.write_text("package governance.main_test\n\ntest_x if true\n")
    with pytest.raises(PolicyError, match="has the same place"):
        tested({"right": packs.source("right")})


# --- OPA itself ------------------------------------------------------------------------------------------------------


def test_a_missing_opa_is_said(tested: Tested, tmp_path: Path) -> None:
    with pytest.raises(OpaError, match="is no program"):
        tested({"right": packs.source("right")}, binary=tmp_path / "opa")


@pytest.mark.parametrize("command", ["capabilities", "inspect", "eval", "build"])
def test_an_opa_that_dies_at_build_is_said(tested: Tested, tmp_path: Path, opa_binary: Path, command: str) -> None:
    with pytest.raises((PolicyError, OpaError)):
        tested({"right": packs.source("right")}, binary=_mortal(tmp_path, opa_binary, command))


@pytest.mark.parametrize("command", ["test", "run"])
def test_an_opa_that_dies_at_work_is_said(tested: Tested, tmp_path: Path, opa_binary: Path, command: str) -> None:
    with pytest.raises(OpaError):
        tested({"right": packs.source("right")}, binary=_mortal(tmp_path, opa_binary, command))


def _mortal(folder: Path, opa: Path, command: str) -> Path:
    """Return an OPA that dies of a signal when it is given `command`."""
    script = folder / "mortal"
    script.write_text(f'#!/bin/sh\n[ "$1" = {command} ] && kill -KILL $$\nexec "{opa}" "$@"\n')
    script.chmod(0o755)
    return script


class _Scripted:
    """Answers every input with the same verdict, and some with an error."""

    def __init__(self, error: OpaError) -> None:
        self._error = error

    async def evaluate(self, document: bytes) -> Mapping[str, Any]:
        if json.loads(document)["facts"]["n"] == 1:
            raise self._error
        return {
            "outcome": "allow",
            "problems": [],
            "findings": [],
            "rules": {"r": {"places": 1, "compliant": 1, "exempt": 0}},
        }


_THREE = [Case(f"case {n}", "r", "base", "s", [[replace(["n"], n)]], "pass", []) for n in range(3)]


def _run(reason: Reason) -> list[evaluation.Judged]:
    evaluator = _Scripted(OpaError("asking", "it went wrong", reason=reason))
    return asyncio.run(evaluation.run(_THREE, lambda _: {"facts": {"n": 9}}, evaluator))


def test_an_evaluation_that_fails_hides_no_other() -> None:
    judged = _run(Reason.ENGINE_EVALUATION_FAILED)
    assert [result.case.name for result in judged] == ["case 0", "case 1", "case 2"]
    assert [result.surprise and result.surprise.why for result in judged] == [None, "no verdict: it went wrong", None]


@pytest.mark.parametrize("reason", [Reason.ENGINE_UNAVAILABLE, Reason.ENGINE_DROPPED, Reason.ENGINE_NOT_HTTP])
def test_without_opa_there_is_no_report(reason: Reason) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        _run(reason)
    (error,) = caught.value.exceptions
    assert isinstance(error, OpaError)
    assert "case 1" in str(error)


# --- The command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def proctor(
    tmp_path: Path, opa_binary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command of an author in an empty folder."""
    for name in [name for name in os.environ if name.startswith("PROCTOR_")]:
        if name != "PROCTOR_REGAL_BIN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PROCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PROCTOR_OPA_BIN", str(opa_binary))
    monkeypatch.chdir(tmp_path)

    def _proctor(*arguments: str) -> tuple[int, str, str]:
        code = main.run(["policy", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return _proctor


def test_a_new_rule_of_a_pack_passes_as_it_is(
    proctor: Callable[..., tuple[int, str, str]], regal_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_REGAL_BIN", str(regal_binary))
    assert proctor("new", "deployment", "image_scanned", "--pack", "bank")[0] == exits.ALLOW
    code, out, _ = proctor("test", "--pack", "bank")
    assert (code, out.splitlines()[-1][:2]) == (exits.ALLOW, "OK"), out
    code, out, _ = proctor("lint", "--pack", "bank")
    assert code == exits.ALLOW, out
    assert "0 findings (build, types, form, regal)" in out


def test_what_fails_and_what_can_not_be_run_have_exit_codes_of_their_own(
    proctor: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs.write(tmp_path / "bank", {"right": packs.source("right")}, tests={})
    code, out, _ = proctor("test", "--pack", "bank")
    assert code == exits.DENY
    assert "bank/governance/rules/deployment/right/right.rego: has no right_test.rego" in out
    (tmp_path / "bank" / ".manifest").unlink()
    code, out, error = proctor("test", "--pack", "bank")
    assert (code, out) == (exits.DENY, "")
    assert "reading the pack" in error
