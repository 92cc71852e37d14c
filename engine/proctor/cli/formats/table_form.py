"""Decisions for a person at a terminal, readable at 80 columns."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from proctor.cli import terminal
from proctor.cli.formats import reading
from proctor.cli.outputs import Judged
from proctor.cli.plain import plain

if TYPE_CHECKING:
    from rich.console import Console

STYLES: Final = {
    "allow": "bold green",
    "deny": "bold red",
    "error": "bold magenta",
    "require_approval": "bold yellow",
    "ask": "yellow",
    "waived": "cyan",
    "approved": "cyan",
    "warn": "yellow",
    "dryrun": "dim",
}


def render(judged: Sequence[Judged], *, colour: bool = False) -> str:
    """Return every decision with its findings, and a last line that counts outcomes where there are several."""
    buffer = io.StringIO()
    console = terminal.console(buffer, colour=colour)
    for number, entry in enumerate(judged):
        if number:
            console.print()
        _decision(console, entry)
    if len(judged) > 1:
        outcomes = [str(entry.decision.get("outcome")) for entry in judged]
        counts = ", ".join(f"{outcomes.count(outcome)} {plain(outcome)}" for outcome in dict.fromkeys(outcomes))
        console.print(f"\n{len(judged)} decisions: {counts}")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _decision(console: "Console", entry: Judged) -> None:
    from rich.text import Text

    decision = entry.decision
    outcome = plain(decision.get("outcome", "?"))
    heading = Text(outcome.upper(), style=STYLES.get(outcome, "bold"))
    heading.append(f"  {reading.subject(decision)}", style="bold")
    console.print(heading, overflow="fold")
    console.print(_grid([("decision", plain(decision.get("id", "?"))), ("reason", reading.context(decision))]))
    if entry.origin is not None:
        console.print(_grid([("from", f"{plain(entry.origin.file)}:{entry.origin.line}")]))
    findings = decision.get("findings") or []
    if not findings and not decision.get("problems"):
        console.print(_grid([("result", plain(decision.get("message", "")))]))
    for problem in decision.get("problems") or []:
        console.print(Text(f"  {reading.problem(problem)}"), overflow="fold", soft_wrap=True)
    for finding in findings:
        _finding(console, finding)
    if unprovided := decision.get("unprovided"):
        console.print(_grid([("no facts", reading.unprovided(unprovided))]))
    for warning in decision.get("warnings") or []:
        console.print(_grid([("warning", plain(warning))]))


def _finding(console: "Console", finding: Mapping[str, Any]) -> None:
    from rich.text import Text

    effect = plain(finding.get("effect", "?"))
    heading = Text(f"  {plain(finding.get('rule', '?'))}", style="bold")
    heading.append(f"  {plain(finding.get('status', '?'))}, ")
    heading.append(reading.effect(finding), style=STYLES.get(effect, "red"))
    console.print(heading, overflow="fold")
    rows = [("item", reading.item(finding)), ("found", plain(finding.get("message", "")))]
    console.print(_grid([*rows, ("to do", plain(finding.get("remediation", "")))], indent=4))


def _grid(rows: Sequence[tuple[str, str]], indent: int = 2) -> Any:
    """Return label and text in two columns; the text wraps below itself."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=8 if indent == 2 else 6, no_wrap=True, style="dim")  # noqa: PLR2004 (labels of either indent)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(label, Text(text))
    return Padding(grid, (0, 0, 0, indent))
