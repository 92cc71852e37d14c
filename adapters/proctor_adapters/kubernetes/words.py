"""A container's command and arguments as the words that a shell would see, each with its place in the object."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proctor_adapters.kubernetes.findings import Found, below

MAX_WORDS: Final = 5000
PYTHON: Final = re.compile(r"python[0-9.]*$")


@dataclass(frozen=True, slots=True)
class Token:
    """One word. Several words of one script have the same place."""

    text: str
    place: str


def read(container: Mapping[str, Any], path: str, found: Found) -> Iterator[Token]:
    """Yield the words of command and arguments; what follows `python -c` is one word, whatever is in it.

    What is no list of texts, or is too long, is noted as unclassified.
    """
    for field in ("command", "args"):
        values = container.get(field)
        if not isinstance(values, list | None):
            found.unknown(below(path, field))
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if not isinstance(value, str):
                found.unknown(below(below(path, field), index))
                break
    before = ("", "")
    room = MAX_WORDS
    for value, place in elements(container, path):
        code = before[1] == "-c" and PYTHON.search(before[0]) is not None
        words = [value] if code else split(value, found)
        if len(words) > room:
            found.unknown(place)
            return
        room -= len(words)
        yield from (Token(text, place) for text in words)
        before = (before[1], value)


def elements(container: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield (text, place) of each element of command and arguments, up to the first one that is no text."""
    for field in ("command", "args"):
        values = container.get(field)
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if not isinstance(value, str):
                break
            yield value, below(below(path, field), index)


def split(value: str, found: Found) -> list[str]:
    """Split what a shell would split. Text with unbalanced quotes, and long text, is split at white space."""
    if value.startswith(("{", "[")) or not re.search(r"\s", value):
        return [value]
    found.script_room -= len(value)
    if found.script_room < 0:
        return value.split()
    value = value.replace("\\\n", " ").replace("\n", " ; ")
    try:
        lexer = shlex.shlex(value, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        lexer.commenters = ""
        return list(lexer)
    except ValueError:
        return value.split()
