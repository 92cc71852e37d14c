"""What came of one thing that was checked in an author's files, in a form that every output can be made from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One test, case or mutant. It passed if `why` is empty."""

    group: str
    """What it belongs to: a rule's code, or the package of a test."""
    name: str
    kind: str
    """Such as `test`, `decisive` or `mutant/negate`: one word for all that fail in the same way."""
    why: str = ""
    """Why it failed, in one sentence."""
    hint: str = ""
    """What an author does about it."""
    file: Path | None = None
    line: int | None = None
    column: int | None = None
    lines: tuple[str, ...] = ()
    """More about a failure, such as the difference of its input."""

    @property
    def ok(self) -> bool:
        """Tell whether it passed."""
        return not self.why

    @property
    def place(self) -> str:
        """Return file, line and column as compilers write them; as much of it as is known."""
        parts = [part for part in (self.file, self.line, self.column) if part is not None]
        return ":".join(map(str, parts))

    def document(self) -> dict[str, Any]:
        """Return the check as JSON."""
        known = {"file": self.file and str(self.file), "line": self.line, "column": self.column, "hint": self.hint}
        found = {"group": self.group, "name": self.name, "kind": self.kind, "ok": self.ok, "why": self.why}
        more = {"lines": list(self.lines)} if self.lines else {}
        return found | {name: value for name, value in known.items() if value} | more


@dataclass(frozen=True, slots=True)
class Checked:
    """All checks of a run, with what is said about them together."""

    ok: bool
    checks: tuple[Check, ...]
    summary: tuple[str, ...]
    """Lines for a person, the verdict last."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The same as data."""
    verbose: bool = False
    """Whether a person wants to read what passed as well."""

    @property
    def failed(self) -> tuple[Check, ...]:
        """Return the checks that did not pass."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def text(self) -> str:
        """Return what a person reads."""
        return "\n".join([*(line for check in self.checks for line in self._told(check)), *self.summary])

    def _told(self, check: Check) -> Iterator[str]:
        if check.ok:
            if self.verbose:
                yield f"passed  {check.name}"
        elif check.kind == "missing":
            yield f"MISSING {check.why}"
        elif check.kind == "test":
            yield f"FAILED  {check.place}: {check.name}: {check.why}"
        else:
            yield f"FAILED  {check.place}: {check.name}" if check.line is not None else f"FAILED  {check.name}"
            yield from (f"        {line}" for line in (check.why, *check.lines, check.hint) if line)
