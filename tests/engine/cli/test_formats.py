import json
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.cli.formats import github_form, json_form, junit_form, markdown_form, sarif_form, table_form
from proctor.cli.outputs import Judged, Origin
from proctor.cli.plain import MAX_LENGTH, plain
from tests.engine.cli.decisions import HOSTILE, ID, decision, finding, hostile

FORMS = [github_form, json_form, junit_form, markdown_form, sarif_form, table_form]


def _xml(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 (our own document)


ORIGIN = Origin("deploy/a b,c:d.yaml", 7)


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    assert plain(text).isprintable()


def test_plain_text_keeps_what_prints_and_cuts_what_is_endless() -> None:
    assert plain("übung [bold] 漢字") == "übung [bold] 漢字"
    assert len(plain("x" * (MAX_LENGTH * 3))) < MAX_LENGTH + 40


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.rsplit(".", 1)[1])
def test_every_form_survives_hostile_text(form: object) -> None:
    text = form.render([Judged(hostile(), ORIGIN), Judged({}, None)], colour=False)  # type: ignore[attr-defined]
    assert all(line.isprintable() for line in text.splitlines())
    text.encode("utf-8")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.rsplit(".", 1)[1])
def test_every_form_names_rule_and_decision(form: object) -> None:
    text = form.render([Judged(decision())])  # type: ignore[attr-defined]
    for needed in ("deployment.image_pinned", ID, "Name it by its digest", "fail", "deny"):
        assert needed in text.replace("\\", "")


def test_table_is_readable_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = finding(item=["registry.example.com/" + "a" * 150], message="word " * 60)
    text = table_form.render([Judged(decision(findings=[long, finding()])), Judged(decision("allow"))])
    assert max(map(len, text.splitlines())) <= 80
    assert "2 decisions: 1 deny, 1 allow" in text
    assert "\x1b" not in text


def test_table_has_colour_only_where_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in table_form.render([Judged(decision())], colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31" not in table_form.render([Judged(decision())], colour=True)


def test_table_shows_every_problem_on_its_own_line() -> None:
    problems = [{"code": "missing", "path": f"/{name}", "message": "is required"} for name in ("stage", "subject")]
    text = table_form.render([Judged(decision(findings=[], problems=problems, reason="invalid_request"))])
    assert "  /stage: is required\n  /subject: is required" in text


def test_github_annotation_stands_on_its_line_and_can_not_be_broken_out_of() -> None:
    (line,) = github_form.render([Judged(decision(), ORIGIN)]).splitlines()
    assert line.startswith("::error file=deploy/a b%2Cc%3Ad.yaml,line=7,title=deployment.image_pinned::")
    for line in github_form.render([Judged(hostile(), ORIGIN)]).splitlines():
        assert re.fullmatch(r"::(error|warning|notice) file=[^:,]+,line=7,title=[^:,]*::.*", line)
        assert "%0A" not in line.replace("%250A", "")


@pytest.mark.parametrize(
    ("effect", "level"), [("deny", "error"), ("ask", "error"), ("warn", "warning"), ("waived", "notice")]
)
def test_github_level_follows_the_effect(effect: str, level: str) -> None:
    text = github_form.render([Judged(decision("allow", findings=[finding(effect=effect)]))])
    assert text.startswith(f"::{level} ")


def test_github_says_something_for_every_decision() -> None:
    assert github_form.render([Judged(decision("allow"))]).startswith("::notice ")
    assert github_form.render([Judged(decision("error"))]).startswith("::error ")


def test_markdown_can_not_be_broken_out_of() -> None:
    text = markdown_form.render([Judged(hostile())])
    assert "<script" not in text
    assert "https://" not in text
    assert "@all" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 7 for row in rows)
    assert not re.search(r"(?<!\\)[`\[\]]", text)


def test_junit_counts_and_never_shows_a_denial_as_green() -> None:
    waived = finding(effect="waived", by="wvr_1", rule="deployment.resource_limits_set", item=[])
    root = _xml(junit_form.render([Judged(decision(findings=[finding(), waived])), Judged(decision("error"))]))
    assert root.attrib == {"name": "proctor", "tests": "6", "failures": "1", "errors": "1", "skipped": "1"}
    skipped = root.find(".//skipped")
    assert skipped is not None
    assert "waived by wvr_1" in skipped.attrib["message"]
    assert [case.attrib["classname"] for case in root.iter("testcase") if len(case) == 0] == [
        "deployment.model_registered",
        "deployment.image_pinned",
        "deployment.model_registered",
    ]


def test_junit_of_hostile_text_is_xml_that_says_the_same() -> None:
    root = _xml(junit_form.render([Judged(hostile(), ORIGIN)]))
    assert any(case.attrib["classname"] == plain(HOSTILE) for case in root.iter("testcase"))


def test_sarif_has_rules_results_and_places() -> None:
    log = json.loads(sarif_form.render([Judged(decision(), ORIGIN)]))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "deployment.image_pinned"
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "deploy/a%20b%2Cc%3Ad.yaml"}, "region": {"startLine": 7}}
    assert run["invocations"][0]["executionSuccessful"] is True
    assert result["properties"]["decision"] == ID
    assert "suppressions" not in result


def test_sarif_waived_is_a_suppression() -> None:
    waived = finding(effect="waived", by="wvr_1")
    (run,) = json.loads(sarif_form.render([Judged(decision("allow", findings=[waived]))]))["runs"]
    (result,) = run["results"]
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "waived by wvr_1"}]


@pytest.mark.parametrize("outcome", ["error", "something new"])
def test_sarif_of_an_engine_error_is_no_empty_pass(outcome: str) -> None:
    (run,) = json.loads(sarif_form.render([Judged(decision(outcome))]))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_sarif_fingerprint_stays_when_the_line_moves() -> None:
    def fingerprint(line: int) -> object:
        (run,) = json.loads(sarif_form.render([Judged(decision(), Origin("a.yaml", line))]))["runs"]
        return run["results"][0]["partialFingerprints"]

    assert fingerprint(1) == fingerprint(9)


def test_json_is_the_decision_or_a_list_of_them() -> None:
    assert json.loads(json_form.render([Judged(decision())])) == decision()
    assert json.loads(json_form.render([Judged(decision()), Judged(decision("allow"))])) == [
        decision(),
        decision("allow"),
    ]
    assert json_form.render([Judged(hostile())]).isascii()
