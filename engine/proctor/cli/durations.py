"""Lengths of time as people type them: `30d`, `12h`, `45m`, `20s`."""

import re
from datetime import timedelta
from typing import Final

from proctor.errors import UsageError

_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_LENGTH: Final = re.compile(r"([1-9]\d{0,5})([dhms])")


def parse(text: str) -> timedelta:
    """Return the length of time that `text` says. Raises `UsageError`."""
    if (match := _LENGTH.fullmatch(text)) is None:
        raise UsageError(
            f"reading the length of time {text!r}", "not a number with a unit", "Write 7d, 12h, 30m or 20s"
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
