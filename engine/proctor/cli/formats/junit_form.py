"""Decisions as JUnit XML: a suite for each decision, a case for each rule that passed and for each finding.

What blocks is a failure, what could not be judged by the engine an error, and what people waived or approved is
skipped: shown, and not a pass. The shape is the one that Jenkins, GitLab and Azure read (windyroad/JUnit-Schema).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from proctor.cli.formats import reading
from proctor.cli.outputs import Judged
from proctor.cli.plain import plain


def render(judged: Sequence[Judged], *, colour: bool = False) -> str:  # noqa: ARG001 (every form takes it)
    """Return the XML document."""
    root = ET.Element("testsuites", name="proctor")
    for entry in judged:
        root.append(_suite(entry))
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _suite(entry: Judged) -> ET.Element:
    decision = entry.decision
    suite = ET.Element("testsuite", name=reading.subject(decision), id=plain(decision.get("id", "")))
    suite.set("timestamp", plain(decision.get("decided_at", "")).removesuffix("Z"))
    if entry.origin is not None:
        suite.set("file", plain(entry.origin.file))
    findings = decision.get("findings") or []
    failing = {finding.get("rule") for finding in findings}
    for finding in findings:
        _case(suite, decision, plain(finding.get("rule", "")), reading.item(finding), finding)
    unprovided = set(decision.get("unprovided") or ())
    for rule in sorted(unprovided):
        case = _case(suite, decision, plain(rule), "every place", None)
        _mark(case, "skipped", "warn: nobody supplies the facts that it rests on", None)
    for rule in sorted(set(decision.get("rules") or {}) - failing - unprovided):
        _case(suite, decision, plain(rule), "every place", None)
    for problem in decision.get("problems") or []:
        case = _case(suite, decision, plain(problem.get("code", "")), plain(problem.get("path") or "request"), None)
        kind = "error" if decision.get("outcome") == "error" else "failure"
        _mark(case, kind, reading.problem(problem), plain(decision.get("reason", "")))
    if decision.get("outcome") != "allow" and not any(len(case) for case in suite):
        # Whatever the shape of the answer, a decision that does not allow is red.
        case = _case(suite, decision, "decision", "the whole request", None)
        _mark(case, "error", plain(decision.get("message", "")), plain(decision.get("reason", "")))
    suite.set("tests", str(len(suite)))
    for tag, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(total, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(
    suite: ET.Element, decision: Mapping[str, Any], rule: str, item: str, finding: Mapping[str, Any] | None
) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=rule, name=f"{reading.subject(decision)}: {item}", time="0")
    if finding is not None:
        message = plain(finding.get("message", ""))
        detail = (
            f"status {plain(finding.get('status'))}, effect {reading.effect(finding)}, decision "
            f"{plain(decision.get('id'))}. To do: {plain(finding.get('remediation', ''))}"
        )
        if finding.get("effect") in {"waived", "approved", "warn", "dryrun", "none"}:
            _mark(case, "skipped", f"{reading.effect(finding)}: {message}", None).text = detail
        else:
            _mark(case, "failure", message, plain(finding.get("status", ""))).text = detail
    return case


def _mark(case: ET.Element, tag: str, message: str, kind: str | None) -> ET.Element:
    mark = ET.SubElement(case, tag, message=message)
    if kind is not None:
        mark.set("type", kind)
    return mark
