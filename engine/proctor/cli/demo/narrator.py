"""The demo's voice: what is about to happen, what came out, and a sign of life in between."""

import io
import re
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from proctor.cli import terminal
from proctor.cli.formats import reading
from proctor.cli.formats.table_form import STYLES
from proctor.cli.plain import plain
from proctor.vocabulary.words import BLOCKING

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
        # Scenes keep MLflow's own chatter from standard output while they run; this stays what it was.
        self._out = sys.stdout
        self._writing = threading.Lock()
        self._started = time.monotonic()
        self._chapter = 0
        self.surprises: list[str] = []

    @property
    def columns(self) -> int:
        """Return how wide a command's output may be to be shown here."""
        return terminal.width() - len(_INDENT) - 2

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
        self.output(f"$ {line}", output)

    def output(self, line: str, output: str) -> None:
        """Show what somebody typed, with its prompt, and what came out."""
        self._print(short(line), style="bold", indent=True)
        for row in output.rstrip().splitlines():
            self._deeper(row)

    def decision(
        self,
        asked: str,
        decision: Mapping[str, Any],
        *,
        expected: str,
        rule: str | None = None,
        blocking: Collection[str] | None = None,
    ) -> None:
        """Show what was asked and the decision; remember it as a surprise if it is not what it should be.

        `rule` is one that a finding must name, and `blocking` all that must block, no more and no less. The remedies
        of these are shown, the others' would be the same story again.
        """
        self.say(f"> {asked}", style="bold")
        findings = decision.get("findings", ())
        outcome = plain(decision.get("outcome", "?"))
        self.say(
            f"{outcome.upper()}  {plain(decision.get('id'))}  ({reading.context(decision)})", style=STYLES.get(outcome)
        )
        for problem in decision.get("problems", ()):
            self._deeper(reading.problem(problem))
        told = {rule, *(blocking or ())}
        for finding in sorted(findings, key=lambda finding: finding["rule"] not in told):
            self._deeper(
                f"[{finding['rule']}] {finding['status']}, {reading.effect(finding)}", STYLES.get(finding["effect"])
            )
            self._deeper(f"  {finding['message']}")
            if finding["rule"] in told:
                self._deeper(f"  to do: {finding['remediation']}")
        self.check(asked, decision, expected=expected, rule=rule, blocking=blocking)

    def check(
        self,
        asked: str,
        decision: Mapping[str, Any],
        *,
        expected: str,
        rule: str | None = None,
        blocking: Collection[str] | None = None,
    ) -> None:
        """Remember a decision as a surprise if it is not what it should be; `decision` says what the rules are."""
        findings = decision.get("findings", ())
        rules = {finding["rule"] for finding in findings}
        blocked = {finding["rule"] for finding in findings if finding["effect"] in BLOCKING}
        wrong = decision.get("outcome") != expected or (rule is not None and rule not in rules)
        if wrong or (blocking is not None and blocked != set(blocking)):
            wanted = " ".join([expected, *([rule] if rule else []), *sorted(blocking or ())])
            found = " ".join([str(decision.get("outcome")), str(decision.get("reason")), *sorted(blocked or rules)])
            self.surprise(f"{asked}: expected {wanted}, and it was {found}")

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

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Say what is going on, and every two seconds that it still does."""
        self.say(f"{text} ...", style="dim")
        done = threading.Event()
        pulse = threading.Thread(target=self._beat, args=(done,), daemon=True)
        pulse.start()
        try:
            yield
        finally:
            done.set()
            pulse.join()

    def _beat(self, done: threading.Event) -> None:
        started = time.monotonic()
        while not done.wait(_TALK):
            self.say(f"{time.monotonic() - started:.0f} s", style="dim")

    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._started

    def list(self, lines: Sequence[str]) -> None:
        """Write lines as they are, unbroken: somebody may copy them."""
        for line in lines:
            self._write(f"{_INDENT}{plain(line)}\n")

    def _print(self, text: str, *, style: str | None, indent: bool = False) -> None:
        from rich.padding import Padding
        from rich.text import Text

        buffer = io.StringIO()
        console = terminal.console(buffer, colour=terminal.coloured(self._out))
        bare = text.lstrip(" ")
        margin = len(text) - len(bare) + (len(_INDENT) if indent else 0)
        console.print(Padding(Text(plain(bare), style=style or ""), (0, 0, 0, margin)))
        self._write("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n")

    def _write(self, text: str) -> None:
        with self._writing:
            self._out.write(text)
            self._out.flush()
