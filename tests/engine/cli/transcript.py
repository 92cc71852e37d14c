"""Reads the examples of a page, and compares what a command printed with what the page says that it prints.

A block that follows `<!-- example -->` is run, line by line, in one folder:

- a line that begins with `$ ` is a command, the lines below it are its output (standard output and error);
- `...` alone stands for any lines, at the end of a line for its rest;
- `(exit code N)` at the end says that the command does not exit with 0;
- ids, digests, keys, times and numbers of entries may differ; an id that the page shows stands for the same real id
  everywhere.

A block that follows `<!-- file: NAME -->` is written to that file first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_BLOCK: Final = re.compile(
    r"<!-- (example|file: (?P<name>[\w.-]+)) -->\n+```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_EXIT: Final = re.compile(r"\(exit code (\d+)\)")
_VARIES: Final = re.compile(
    r"dec_[0-9a-z]{26}|wvr_[0-9a-f]{16}|(?:person|service):[0-9a-f]{16}|prk_[a-z0-9]{8}_[\w-]+"
    r"|(?:[Pp]olicy|revision) [0-9a-f]{16}|[0-9a-f]{16}(?=\.tar\.gz)|sha256:[0-9a-f]{12,64}|[0-9a-f]{64}"
    r"|\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?|\b\d+ entries(?:, \d+ signed)?"
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the page with the output that it shows."""

    line: str
    output: tuple[str, ...]
    code: int


@dataclass(slots=True)
class Names:
    """Which real id stands behind each id of the page."""

    real: dict[str, str] = field(default_factory=dict)

    def command(self, line: str) -> str:
        """Return a command of the page with the real ids in it."""
        return _VARIES.sub(lambda match: self.real.get(match[0], match[0]), line)

    def learn(self, shown: str, printed: str) -> bool:
        """Tell whether two lines agree but for ids and times, and remember which id is which."""
        rest = ".*" if shown.endswith("...") else ""
        fixed = _VARIES.split(shown.removesuffix("...").rstrip() if rest else shown)
        match = re.fullmatch(f"({_VARIES.pattern})".join(map(re.escape, fixed)) + rest, printed)
        if match is None:
            return False
        self.real.update(zip(_VARIES.findall(shown), match.groups(), strict=True))
        return True


def files(page: str) -> dict[str, str]:
    """Return the files of the page by name."""
    return {match["name"]: match["text"] for match in _BLOCK.finditer(page) if match["name"]}


def commands(page: str) -> Iterator[Command]:
    """Yield the commands of the page's examples, in order."""
    for match in _BLOCK.finditer(page):
        if match["name"]:
            continue
        for part in re.split(r"^\$ ", match["text"], flags=re.MULTILINE)[1:]:
            line, *output = part.rstrip().split("\n")
            while line.endswith("\\"):
                line = line[:-1] + output.pop(0).strip()
            code = _EXIT.fullmatch(output[-1]) if output else None
            yield Command(line, tuple(output[:-1] if code else output), int(code[1]) if code else 0)


def agrees(shown: tuple[str, ...], printed: list[str], names: Names) -> bool:
    """Tell whether the printed lines are the shown ones; `...` stands for any number of lines, none included."""
    if not shown:
        return not printed
    if shown[0].strip() == "...":
        return any(agrees(shown[1:], printed[start:], names) for start in range(len(printed) + 1))
    return bool(printed) and names.learn(shown[0], printed[0]) and agrees(shown[1:], printed[1:], names)
