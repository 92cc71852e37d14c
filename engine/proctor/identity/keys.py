"""API keys: how they look, how they are stored, how a header is read.

A key is 256 random bits, so a slow password hash would cost 0.7 s for nothing: the database holds an HMAC-SHA256 under
a pepper that lives in a file beside it, and the visible prefix for the look-up.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.errors import StateError
from proctor.ledger import keys as key_files
from proctor.vocabulary.principal import Role

SCHEME: Final = "prk"
PREFIX_LENGTH: Final = 8
KEY_PATTERN: Final = re.compile(r"prk_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
"""Distinct enough for secret scanners. 43 characters of base64url hold 256 bits."""
KINDS: Final = ("plain", "gate", "catalog")
"""Only keys of the kinds `gate` and `catalog` assert facts as observed."""
_PREFIX_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PEPPER_BYTES: Final = 32
_MAX_HEADER: Final = 256


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as stored. The secret itself is nowhere."""

    prefix: str
    mac: bytes
    principal_id: str
    kind: str
    roles: tuple[Role, ...]
    points: tuple[str, ...]
    environments: tuple[str, ...]
    asserts: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    def usable(self, now: str) -> bool:
        """Tell whether the key is in force at `now`: neither revoked nor expired. The interval is half-open."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def row(self) -> dict[str, Any]:
        """Return the values of the table `api_keys`."""
        return {
            "prefix": self.prefix,
            "mac": self.mac,
            "principal_id": self.principal_id,
            "kind": self.kind,
            "roles": [str(role) for role in self.roles],
            "points": list(self.points),
            "environments": list(self.environments),
            "asserts": list(self.asserts),
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        }

    def public(self) -> dict[str, Any]:
        """Return what may be shown and recorded: everything but the MAC."""
        return {name: value for name, value in self.row().items() if name != "mac" and value is not None}


def from_row(row: Mapping[str, Any]) -> ApiKey:
    """Return the key of one row of the table `api_keys`."""
    return ApiKey(
        prefix=row["prefix"],
        mac=bytes(row["mac"]),
        principal_id=row["principal_id"],
        kind=row["kind"],
        roles=tuple(Role(role) for role in row["roles"]),
        points=tuple(row["points"]),
        environments=tuple(row["environments"]),
        asserts=tuple(row["asserts"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def mint() -> tuple[str, str]:
    """Return the prefix and the whole text of a new key."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(PREFIX_LENGTH))
    return prefix, f"{SCHEME}_{prefix}_{secrets.token_urlsafe(32)}"


def mac(pepper: bytes, key: str) -> bytes:
    """Return what the database holds of a key."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).digest()


def read_header(header: str | None) -> tuple[str, str] | None:
    """Return prefix and key of an `Authorization: Bearer` header (RFC 6750 section 2.1), or None."""
    if header is None or len(header) > _MAX_HEADER:
        return None
    scheme, _, credential = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    match = KEY_PATTERN.fullmatch(credential.strip(" "))
    return None if match is None else (match[1], match[0])


def pepper(path: Path) -> bytes:
    """Return the pepper in the file at `path`, making it at first use (mode 0600).

    Raises `StateError` when the file is not private, not whole or can't be read: with another pepper every key would
    be refused without anybody knowing why.
    """
    found = key_files.load_or_create(path, lambda: secrets.token_bytes(_PEPPER_BYTES))
    if len(found) != _PEPPER_BYTES:
        raise StateError(
            f"reading the pepper {path}", f"{len(found)} bytes, not {_PEPPER_BYTES}", "Restore the file from a backup"
        )
    return found
