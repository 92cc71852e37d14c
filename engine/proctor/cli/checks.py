"""Checks of an author's files (tests, cases, mutants) as a table, JSON, JUnit XML, SARIF, GitHub commands, Markdown."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from proctor import __version__
from proctor.cli import outputs
from proctor.cli.formats.github_form import command
from proctor.cli.formats.markdown_form import escape
from proctor.cli.outputs import Destination, Format, Origin
from proctor.cli.plain import plain

if TYPE_CHECKING:
    from proctor.policy.checks import Check, Checked

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def write(checked: "Checked", destinations: Sequence[Destination]) -> None:
    """Write what was checked to every destination. Raises `UsageError` for a file that can't be written."""
    for destination in destinations:
        if destination.form is Format.TABLE:
            text = "\n".join(map(plain, checked.text.split("\n")))
        else:
            text = _FORMS[destination.form](checked)
        outputs.write_text(text, destination.file)


def _json(checked: "Checked") -> str:
    document: dict[str, Any] = {
        "ok": checked.ok,
        **checked.numbers,
        "checks": [check.document() for check in checked.checks],
    }
    return outputs.as_json(document)


def _junit(checked: "Checked") -> str:
    root = ET.Element("testsuites", name="proctor policy")
    for group, members in groupby(sorted(checked.checks, key=lambda check: check.group), lambda check: check.group):
        suite = ET.SubElement(root, "testsuite", name=plain(group))
        for check in members:
            case = ET.SubElement(suite, "testcase", classname=plain(check.group), name=plain(check.name), time="0")
            if check.file is not None:
                case.set("file", plain(check.file))
            if check.line is not None:
                case.set("line", str(check.line))
            if not check.ok:
                failure = ET.SubElement(case, "failure", message=plain(check.why), type=plain(check.kind))
                failure.text = "\n".join(plain(line) for line in (check.place, *check.lines, check.hint) if line)
        _count(suite)
    if not checked.ok and not checked.failed:
        # Nothing that failed, and not well either: a run without a test is red, whatever reads it.
        suite = ET.SubElement(root, "testsuite", name="proctor policy")
        case = ET.SubElement(suite, "testcase", classname="proctor", name="the whole run", time="0")
        ET.SubElement(case, "failure", message=plain(" ".join(checked.summary)))
        _count(suite)
    for total in ("tests", "failures"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))


def _sarif(checked: "Checked") -> str:
    kinds = sorted({check.kind for check in checked.failed})
    run = {
        "tool": {"driver": {"name": "Proctor", "version": __version__, "rules": [{"id": kind} for kind in kinds]}},
        "invocations": [{"executionSuccessful": checked.ok or bool(checked.failed)}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(check, kinds) for check in checked.failed],
        "properties": dict(checked.numbers),
    }
    return outputs.as_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(check: "Check", kinds: Sequence[str]) -> dict[str, Any]:
    from urllib.parse import quote

    name = plain(f"{check.group}: {check.name}")
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name, "kind": "function"}]}
    if check.file is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": quote(str(check.file))}}
        if check.line is not None:
            region = {"startLine": check.line} | ({"startColumn": check.column} if check.column else {})
            physical["region"] = region
        location["physicalLocation"] = physical
    return {
        "ruleId": check.kind,
        "ruleIndex": kinds.index(check.kind),
        "level": "error",
        "message": {"text": plain(". ".join(part for part in (f"{name}: {check.why}", check.hint) if part))},
        "locations": [location],
        "partialFingerprints": {"proctorCheck/v1": hashlib.sha256(f"{check.kind}\0{name}".encode()).hexdigest()},
    }


def _github(checked: "Checked") -> str:
    lines = [
        command(
            "error",
            f"{check.kind}: {check.group}",
            ". ".join(part for part in (f"{check.name}: {check.why}", check.hint) if part),
            Origin(str(check.file), check.line or 1) if check.file is not None else None,
        )
        for check in checked.failed
    ]
    level = "notice" if checked.ok else "error"
    return "\n".join([*lines, command(level, "proctor policy", "; ".join(checked.summary), None)])


def _markdown(checked: "Checked") -> str:
    rows = [
        f"| {escape(check.place or check.group)} | {escape(check.name)} | {escape(check.why)} |"
        for check in checked.failed
    ]
    head = ["| Where | What | Why |", "|---|---|---|"] if rows else []
    return "\n".join([*head, *rows, "", *(escape(line) for line in checked.summary)]).lstrip("\n")


_FORMS: Final[Mapping[Format, Callable[["Checked"], str]]] = {
    Format.JSON: _json,
    Format.JUNIT: _junit,
    Format.SARIF: _sarif,
    Format.GITHUB: _github,
    Format.MARKDOWN: _markdown,
}
