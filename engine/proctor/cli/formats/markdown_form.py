"""Decisions as Markdown, for a pull request's comment or a job's summary."""

import re
from collections.abc import Sequence
from typing import Any, Final

from proctor.cli.formats import reading
from proctor.cli.outputs import Judged
from proctor.cli.plain import plain

_ACTIVE: Final = re.compile(r"([\\`*_{}\[\]()#+!|~<>-])")


def escape(value: Any) -> str:
    """Return `value` as text that Markdown shows as it is: no markup, no HTML, no link, no mention."""
    text = _ACTIVE.sub(r"\\\1", plain(value).replace("&", "&amp;"))
    text = text.replace(r"\<", "&lt;").replace(r"\>", "&gt;")
    # GitHub links bare addresses and mentions even where nothing marks them up.
    return text.replace("@", "&#64;").replace("://", "&#58;//").replace("www.", "www&#46;")


def render(judged: Sequence[Judged], *, colour: bool = False) -> str:  # noqa: ARG001 (every form takes it)
    """Return a section for each decision, with a table of its findings."""
    sections = [_section(entry) for entry in judged]
    return "\n\n".join(sections) if sections else "No decisions."


def _section(entry: Judged) -> str:
    decision = entry.decision
    where = f" from {escape(entry.origin.file)} line {entry.origin.line}" if entry.origin is not None else ""
    lines = [
        f"### {escape(str(decision.get('outcome', '?')).upper())}: {escape(reading.subject(decision))}",
        "",
        (
            f"{escape(decision.get('message', ''))} ({escape(reading.context(decision))}, "
            f"decision {escape(decision.get('id', '?'))}{where})"
        ),
    ]
    if findings := decision.get("findings"):
        lines += ["", "| rule | item | status | effect | found | to do |", "|---|---|---|---|---|---|"]
        lines += [
            "| "
            + " | ".join(
                escape(text)
                for text in (
                    finding.get("rule", ""),
                    reading.item(finding),
                    finding.get("status", ""),
                    reading.effect(finding),
                    finding.get("message", ""),
                    finding.get("remediation", ""),
                )
            )
            + " |"
            for finding in findings
        ]
    if unprovided := decision.get("unprovided"):
        lines += ["", escape(reading.unprovided(unprovided))]
    if problems := decision.get("problems"):
        lines += ["", *(f"- {escape(reading.problem(problem))}" for problem in problems)]
    return "\n".join(lines)
