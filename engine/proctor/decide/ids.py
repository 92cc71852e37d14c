"""Decision ids: `dec_` and a ULID in lower case, so that ids sort by time and can be read over the phone."""

import secrets
import time
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, as the ULID specification uses it, in lower case."""


def decision_id() -> str:
    """Return a new id: 48 bits of Unix time in milliseconds, then 80 random bits."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "dec_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
