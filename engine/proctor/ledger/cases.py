"""The case store: canonical inputs of decisions, encrypted and expiring, beside the ledger and outside its tree.

A case can be forgotten without touching a record: the record holds its digest, which goes on proving what was judged.
"""

import hashlib
import os
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import select, update

from proctor.errors import LedgerError, StateError
from proctor.ledger import keys
from proctor.ledger.clock import Clock
from proctor.store.database import Database
from proctor.store.moments import to_text
from proctor.store.tables import cases
from proctor.vocabulary.canonical import digest_bytes

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""RFC 8439. Random nonces of this size are good for 2^32 cases under one key."""


class CaseState(StrEnum):
    """Whether a decision can be replayed."""

    REPLAYABLE = "replayable"
    EXPIRED = "expired"
    """Its time was up, or it was never kept here."""
    MASKED = "masked"
    """Somebody had it removed before its time."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sealed input, ready to be written in the transaction of its decision."""

    digest: str
    key_id: str
    created_at: str
    expires_at: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """What is left of a case; `raw` only where the state is `replayable`."""

    state: CaseState
    raw: bytes | None = field(default=None, repr=False)


class CaseStore:
    """Seals cases for the ledger's writer and opens them again.

    The key is `state_dir/keys/cases.key`, made at first use; without it, the cases that it sealed are lost, their
    decisions are not. Raises `StateError` where the key can't be used.
    """

    def __init__(self, database: Database, state_dir: Path, clock: Clock, retention: timedelta) -> None:
        path = state_dir / "keys" / "cases.key"
        key = keys.load_or_create(path, lambda: os.urandom(_KEY_BYTES))
        if len(key) != _KEY_BYTES:
            raise StateError(
                f"reading the key {path}", f"{len(key)} bytes, not {_KEY_BYTES}", "Restore the file from a backup"
            )
        self._database = database
        self._clock = clock
        self._retention = retention
        self._cipher = ChaCha20Poly1305(key)
        self._key_id = hashlib.sha256(b"proctor case key\n" + key).hexdigest()[:8]

    def seal(self, digest: str, raw: bytes) -> Case:
        """Encrypt the canonical bytes `raw`. Raises `LedgerError` when `digest` is not theirs."""
        if digest_bytes(raw) != digest:
            raise LedgerError("keeping the case of a decision", f"its bytes don't have the digest {digest}")
        nonce = os.urandom(_NONCE_BYTES)
        now = self._clock.now()
        return Case(
            digest=digest,
            key_id=self._key_id,
            created_at=to_text(now),
            expires_at=to_text(now + self._retention),
            # Bound to its digest, so that one case can't be put in the place of another.
            sealed=nonce + self._cipher.encrypt(nonce, raw, digest.encode()),
        )

    def open(self, digest: str) -> OpenedCase:
        """Return the case with `digest`.

        Raises `LedgerError` when it is there but can't be opened: sealed under another key, or changed.
        """
        rows = self._database.read(select(cases).where(cases.c.digest == digest))
        if not rows:
            return OpenedCase(CaseState.EXPIRED)
        row = rows[0]
        if row.masked_at is not None:
            return OpenedCase(CaseState.MASKED)
        if row.sealed is None or row.expires_at <= to_text(self._clock.now()):
            return OpenedCase(CaseState.EXPIRED)
        tried = f"opening the case {digest}"
        if row.key_id != self._key_id:
            found = f"it was sealed under key {row.key_id}, this is {self._key_id}"
            raise LedgerError(tried, found, "Restore keys/cases.key from a backup")
        sealed = bytes(row.sealed)
        try:
            raw = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], digest.encode())
        except (InvalidTag, ValueError) as error:
            raise LedgerError(tried, "its bytes were changed", "Restore the database from a backup") from error
        return OpenedCase(CaseState.REPLAYABLE, raw)

    def mask(self, digest: str) -> bool:
        """Remove the content of a case before its time; tell whether there was one. Write a ledger entry beside it."""
        now = to_text(self._clock.now())
        changed = update(cases).where(cases.c.digest == digest, cases.c.masked_at.is_(None))
        return self._database.write(changed.values(sealed=None, masked_at=now)) > 0

    def expire(self) -> int:
        """Remove the content of all cases whose time is up, and return how many there were."""
        now = to_text(self._clock.now())
        due = update(cases).where(cases.c.expires_at <= now, cases.c.sealed.is_not(None))
        return self._database.write(due.values(sealed=None))
