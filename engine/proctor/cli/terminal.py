"""Two channels: results go to standard output, progress and logs to standard error.

Colour only where a terminal is, and never with NO_COLOR; width from the terminal, 80 columns where there is none.
"""

import os
import shutil
import sys
from typing import IO, TYPE_CHECKING, Final

from proctor.cli.plain import plain

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST: Final = 40
_WIDEST: Final = 120
"""Longer lines are hard to read, however wide the window is."""


def width() -> int:
    """Return how many columns results may take."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))


def console(file: IO[str], *, colour: bool | None = None) -> "Console":
    """Return a rich console on `file` that shows values as they are: no markup, no emoji, no guessing at types.

    `colour` None: as `file` is a terminal or not. NO_COLOR and TERM=dumb are respected by rich itself.
    """
    from rich.console import Console

    return Console(
        file=file, width=width(), markup=False, emoji=False, highlight=False, soft_wrap=False, force_terminal=colour
    )


def coloured(file: IO[str]) -> bool:
    """Tell whether `file` is a terminal that may have colour."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def result(text: str) -> None:
    """Write `text` to standard output, as it is, in UTF-8 or whatever the terminal can show."""
    ending = "" if text.endswith("\n") else "\n"
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write((text + ending).encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def progress(text: str) -> None:
    """Write one line of progress to standard error."""
    print(plain(text), file=sys.stderr, flush=True)
