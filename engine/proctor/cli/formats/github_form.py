"""Decisions as GitHub workflow commands: annotations on the lines of a change.

Escapes as the runner reads them: `%`, CR and LF in messages, and `:` and `,` in properties too
(actions/toolkit, packages/core/src/command.ts).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from proctor.cli.formats import reading
from proctor.cli.outputs import Judged, Origin
from proctor.cli.plain import plain

_LEVELS: Final = {"deny": "error", "ask": "error", "warn": "warning"}


def render(judged: Sequence[Judged], *, colour: bool = False) -> str:  # noqa: ARG001 (every form takes it)
    """Return one line for each finding and problem, and one for each decision that does not allow without them."""
    lines: list[str] = []
    for entry in judged:
        decision = entry.decision
        level = "notice" if decision.get("outcome") == "allow" else "error"
        name = reading.subject(decision)
        own = [_finding(finding, name, decision, entry.origin) for finding in decision.get("findings") or []]
        own += [
            command(level, f"{name}: {plain(problem.get('code', ''))}", reading.problem(problem), entry.origin)
            for problem in decision.get("problems") or []
        ]
        verdict = f"{decision.get('outcome')} {name}: {decision.get('message', '')} ({decision.get('id')})"
        lines += own or [command(level, f"Proctor: {decision.get('outcome')}", verdict, entry.origin)]
    return "\n".join(lines)


def _finding(finding: Mapping[str, Any], name: str, decision: Mapping[str, Any], origin: Origin | None) -> str:
    text = (
        f"{name}: {finding.get('message', '')}. {finding.get('remediation', '')}. "
        f"[{finding.get('status')}, {reading.effect(finding)}, {reading.item(finding)}, {decision.get('id')}]"
    )
    level = _LEVELS.get(str(finding.get("effect")), "notice")
    return command(level, str(finding.get("rule", "")), text, origin)


def command(level: str, title: str, message: str, origin: Origin | None) -> str:
    """Return one workflow command, on a line of a file where `origin` names one."""
    properties = {"title": title}
    if origin is not None and origin.file != "-":
        properties = {"file": origin.file, "line": str(origin.line), **properties}
    rendered = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{level} {rendered}::{_message(message)}"


def _message(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
