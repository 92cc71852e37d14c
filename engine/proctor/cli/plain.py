"""Hostile text made harmless: names, messages and paths come from other people's manifests and requests.

A terminal obeys escape sequences, a CI log obeys `::error`, a bidirectional override shows something else than what
is written. Everything that does not print goes out as a visible escape.
"""

from typing import Any, Final

MAX_LENGTH: Final = 4000
"""Characters of one value; a longer one is cut, visibly."""


def plain(value: Any) -> str:
    """Return `value` as one line of printable text, cut at `MAX_LENGTH`."""
    text = value if isinstance(value, str) else str(value)
    cut = text[:MAX_LENGTH]
    if cut.isprintable() and len(cut) == len(text):
        return text
    shown = "".join(character if character.isprintable() else _escape(character) for character in cut)
    return shown if len(cut) == len(text) else f"{shown}... ({len(text) - len(cut)} more characters)"


def _escape(character: str) -> str:
    if character in "\n\r\t":
        return " "
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
