"""The demo's voice: what is about to happen, what came out, and a sign of life in between."""

import io
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proctor.cli import terminal
from proctor.cli.formats import reading
from proctor.cli.formats.table_form import STYLES
from proctor.cli.plain import plain

_INDENT: Final = "   "
_DIGEST: Final = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")
_TALK: Final = 2.0
"""Seconds between two signs of life."""


def short(text: str) -> str:
    """Return `text` with its digests cut to what the eye compares."""
    return _DIGEST.sub(r"\1...", text)


class Narrator:
    """Writes to standard output, and keeps count of what was expected."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._chapter = 0
        self.surprises: list[str] = []

    def chapter(self, title: str, text: str = "") -> None:
        """Begin a part of the story."""
        self._chapter += 1
        self._print("", style=None)
        self._print(f"{self._chapter}. {title}", style="bold blue")
        if text:
            self.say(text)

    def say(self, text: str, style: str | None = None) -> None:
        """Write a line or more, wrapped."""
        self._print(text, style=style, indent=True)

    def command(self, line: str, output: str) -> None:
        """Show a command and what it printed."""
        self._print(f"$ {short(line)}", style="bold", indent=True)
        for row in output.rstrip().splitlines():
            self._deeper(row)

    def decision(self, asked: str, decision: Mapping[str, Any], *, expected: str, rule: str | None = None) -> None:
        """Show what was asked and the decision; remember it as a surprise if it is not what it should be.

        `rule` is one that a finding must name. Its remedy is shown, the others' would be the same story again.
        """
        self.say(f"> {asked}", style="bold")
        findings = decision.get("findings", ())
        outcome = plain(decision.get("outcome", "?"))
        self.say(
            f"{outcome.upper()}  {plain(decision.get('id'))}  ({reading.context(decision)})", style=STYLES.get(outcome)
        )
        for problem in decision.get("problems", ()):
            self._deeper(reading.problem(problem))
        for finding in sorted(findings, key=lambda finding: finding["rule"] != rule):
            self._deeper(
                f"[{finding['rule']}] {finding['status']}, {reading.effect(finding)}", STYLES.get(finding["effect"])
            )
            self._deeper(f"  {finding['message']}")
            if finding["rule"] == rule:
                self._deeper(f"  to do: {finding['remediation']}")
        rules = [finding["rule"] for finding in findings]
        if decision.get("outcome") != expected or (rule is not None and rule not in rules):
            self.surprise(f"{asked}: expected {expected}{f' by {rule}' if rule else ''}, and it was "
                          f"{decision.get('outcome')} {', '.join(rules)}")  # fmt: skip

    def _deeper(self, text: str, style: str | None = None) -> None:
        self._print(f"  {short(text)}", style=style, indent=True)

    def surprise(self, text: str) -> None:
        """Say, and remember, that something did not come out as it should."""
        self.surprises.append(text)
        self.say(f"NOT AS EXPECTED: {text}", style="bold red")

    def waiting(self, text: str, limit: float, poll: float) -> Iterator[float]:
        """Yield the seconds that have passed, every `poll` seconds up to `limit`; says every two that it waits."""
        started = spoke = time.monotonic()
        self.say(f"{text} ...", style="dim")
        while (now := time.monotonic()) - started < limit:
            yield now - started
            if now - spoke >= _TALK:
                spoke = now
                self.say(f"{now - started:.0f} s", style="dim")
            time.sleep(poll)

    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._started

    def list(self, lines: Sequence[str]) -> None:
        """Write lines as they are."""
        for line in lines:
            self._print(line, style=None, indent=True)

    def _print(self, text: str, *, style: str | None, indent: bool = False) -> None:
        from rich.padding import Padding
        from rich.text import Text

        buffer = io.StringIO()
        console = terminal.console(buffer, colour=terminal.coloured(sys.stdout))
        bare = text.lstrip(" ")
        margin = len(text) - len(bare) + (len(_INDENT) if indent else 0)
        console.print(Padding(Text(plain(bare), style=style or ""), (0, 0, 0, margin)))
        sys.stdout.write("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n")
        sys.stdout.flush()
