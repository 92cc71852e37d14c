"""Signed checkpoints: Ed25519 over C2SP notes.

Formats: https://c2sp.org/signed-note (notes, key ids, verifier keys) and https://c2sp.org/tlog-checkpoint (the three
lines of a checkpoint).
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proctor.errors import LedgerError, StateError
from proctor.ledger import keys
from proctor.ledger.merkle import HASH_BYTES

ORIGIN: Final = "proctor"
"""First line of each checkpoint, and the name of the key that signs it."""
_ED25519: Final = b"\x01"
"""Signature type in key ids and verifier keys."""
_SIGNATURE_PREFIX: Final = "\N{EM DASH} "
_KEY_ID_BYTES: Final = 4
_SIGNATURE_PARTS: Final = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a signed checkpoint states: this many entries have this root."""

    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the lines that are signed."""
        return f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Verifier:
    """The public half: checks signed checkpoints."""

    def __init__(self, public: bytes) -> None:
        self._public = public
        self.key_id = hashlib.sha256(ORIGIN.encode() + b"\n" + _ED25519 + public).digest()[:_KEY_ID_BYTES]

    @property
    def public_key(self) -> str:
        """Return the verifier key `proctor+<key id>+<key>`: what an auditor needs."""
        return f"{ORIGIN}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self._public).decode()}"

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint in a signed note; raise `LedgerError` when it is not one, or not signed by our key."""
        tried = "reading a signed checkpoint"
        text, separator, signatures = note.rpartition("\n\n")
        lines = (text + "\n").split("\n")
        if not separator or len(lines) != len(("origin", "size", "root", "")) or lines[0] != ORIGIN:
            raise LedgerError(tried, "it is not a note with origin, size and root")
        try:
            checkpoint = Checkpoint(int(lines[1]), base64.b64decode(lines[2], validate=True))
        except (ValueError, binascii.Error) as error:
            raise LedgerError(tried, str(error)) from error
        # The text must be the one form of what was read: no leading zeros, no other digits.
        if len(checkpoint.root) != HASH_BYTES or checkpoint.size < 0 or checkpoint.text != text + "\n":
            raise LedgerError(tried, "size or root are not in the one form that is signed")
        public = Ed25519PublicKey.from_public_bytes(self._public)
        for line in signatures.splitlines():
            try:
                public.verify(self._signature(line), checkpoint.text.encode())
            except (InvalidSignature, ValueError):
                continue
            return checkpoint
        raise LedgerError(tried, f"no valid signature by key {self.key_id.hex()}", "Use the key that signed it")

    def _signature(self, line: str) -> bytes:
        """Return the signature in one line; raise `ValueError` when it is another key's."""
        parts = line.removeprefix(_SIGNATURE_PREFIX).split(" ")
        if len(parts) != _SIGNATURE_PARTS or parts[0] != ORIGIN or not line.startswith(_SIGNATURE_PREFIX):
            raise ValueError("another key's line")
        signed = base64.b64decode(parts[1], validate=True)
        if base64.b64encode(signed).decode() != parts[1]:
            raise ValueError("not the one form of its bytes")  # the last character may hold bits that mean nothing
        if signed[:_KEY_ID_BYTES] != self.key_id:
            raise ValueError("another key's signature")
        return signed[_KEY_ID_BYTES:]


class Signer(Verifier):
    """The ledger's own key: signs checkpoints."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        super().__init__(private.public_key().public_bytes_raw())
        self._private = private

    @classmethod
    def load_or_create(cls, state_dir: Path) -> Self:
        """Return the signer with `state_dir/keys/ledger.key`, made at first use. Raises `StateError`.

        Writes the public key beside it, as `ledger.pub`.
        """
        path = key_path(state_dir)
        content = keys.load_or_create(path, _new_key)
        try:
            private = serialization.load_pem_private_key(content, password=None)
        except ValueError as error:
            raise StateError(f"reading the key {path}", str(error), "Restore the file from a backup") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise StateError(f"reading the key {path}", "it is not an Ed25519 key", "Restore the file from a backup")
        signer = cls(private)
        public = path.with_suffix(".pub")
        line = signer.public_key + "\n"
        if not public.exists() or public.read_text(encoding="ascii") != line:
            public.write_text(line, encoding="ascii")
        return signer

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note."""
        signature = base64.b64encode(self.key_id + self._private.sign(checkpoint.text.encode())).decode()
        return f"{checkpoint.text}\n{_SIGNATURE_PREFIX}{ORIGIN} {signature}\n"


def key_path(state_dir: Path) -> Path:
    """Return where the ledger's key is."""
    return state_dir / "keys" / "ledger.key"


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
