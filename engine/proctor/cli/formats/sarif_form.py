"""Decisions as SARIF 2.1.0 (OASIS, errata 01), which code scanning shows on the lines of a change.

A waived or approved finding is a suppressed result: present, with who stands behind it, and not an alert. A decision
that the engine could not make is a failed invocation, so that no reader takes an empty result list for a pass.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from proctor import __version__
from proctor.cli.formats import reading
from proctor.cli.outputs import Judged, Origin, as_json
from proctor.cli.plain import plain

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {"deny": "error", "ask": "error", "waived": "error", "approved": "error", "warn": "warning"}
_SECURITY_SEVERITY: Final = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""What GitHub sorts by: the middle of its band for each of our severities."""


def render(judged: Sequence[Judged], *, colour: bool = False) -> str:  # noqa: ARG001 (every form takes it)
    """Return the log with one run."""
    rules: dict[str, dict[str, Any]] = {}
    results: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for entry in judged:
        decision = entry.decision
        for finding in decision.get("findings") or []:
            rules.setdefault(plain(finding.get("rule", "?")), _rule(finding))
            results.append(_result(finding, entry))
        for problem in decision.get("problems") or []:
            code = f"problem.{plain(problem.get('code', '?'))}"
            rules.setdefault(code, {"id": code, "shortDescription": {"text": "The request can't be judged"}})
            results.append(_located(code, "error", reading.problem(problem), plain(problem.get("path", "")), entry))
        if decision.get("outcome") not in ("allow", "deny", "require_approval"):
            failures.append(_notification(decision))
    positions = {code: position for position, code in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = positions[result["ruleId"]]
    run = {
        "tool": {"driver": {"name": "Proctor", "version": __version__, "rules": list(rules.values())}},
        "invocations": [{"executionSuccessful": not failures, "toolExecutionNotifications": failures}],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"decisions": [_summary(entry.decision) for entry in judged]},
    }
    return as_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(finding: Mapping[str, Any]) -> dict[str, Any]:
    severity = plain(finding.get("severity", ""))
    return {
        "id": plain(finding.get("rule", "?")),
        "name": plain(finding.get("rule", "?")).rsplit(".", 1)[-1],
        "shortDescription": {"text": plain(finding.get("title", ""))},
        "help": {"text": plain(finding.get("remediation", ""))},
        "properties": {
            "tags": [plain(tag) for tag in (*finding.get("controls", ()), *finding.get("clauses", ()))],
            "security-severity": _SECURITY_SEVERITY.get(severity, "5.5"),
        },
    }


def _result(finding: Mapping[str, Any], entry: Judged) -> dict[str, Any]:
    effect = plain(finding.get("effect", "?"))
    text = f"{plain(finding.get('message', ''))}. {plain(finding.get('remediation', ''))}"
    level = _LEVELS.get(effect, "note" if effect in {"dryrun", "none"} else "error")
    result = _located(plain(finding.get("rule", "?")), level, text, reading.item(finding), entry)
    result["properties"] |= {"status": plain(finding.get("status", "?")), "effect": effect}
    if effect in reading.LIFTED:
        suppression = {"kind": "external", "status": "accepted", "justification": reading.effect(finding)}
        result["suppressions"] = [suppression]
    return result


def _located(rule: str, level: str, text: str, item: str, entry: Judged) -> dict[str, Any]:
    name = reading.subject(entry.decision)
    location: dict[str, Any] = {
        "logicalLocations": [{"name": item, "fullyQualifiedName": f"{name}#{item}", "kind": "resource"}]
    }
    if entry.origin is not None:
        location["physicalLocation"] = _physical(entry.origin)
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": f"{name}: {text}"},
        "locations": [location],
        # The same finding on the same subject keeps its identity from run to run, whatever line it stands on.
        "partialFingerprints": {"proctorFinding/v1": hashlib.sha256(f"{rule}\0{name}\0{item}".encode()).hexdigest()},
        "properties": {"decision": plain(entry.decision.get("id", "?")), "item": item},
    }


def _physical(origin: Origin) -> dict[str, Any]:
    from urllib.parse import quote

    uri = "stdin" if origin.file == "-" else quote(origin.file.encode(errors="surrogateescape"))
    return {"artifactLocation": {"uri": uri}, "region": {"startLine": origin.line}}


def _notification(decision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"{reading.subject(decision)}: {plain(decision.get('message', ''))}"},
        "descriptor": {"id": plain(decision.get("reason", "?"))},
    }


def _summary(decision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": plain(decision.get("id", "?")),
        "outcome": plain(decision.get("outcome", "?")),
        "reason": plain(decision.get("reason", "?")),
        "subject": reading.subject(decision),
    }
