import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from proctor.errors import LedgerError, StateError
from proctor.ledger import verify
from proctor.ledger.signing import Checkpoint, Signer, key_path

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
CHECKPOINT = Checkpoint(7, bytes(range(32)))
NOTE = SIGNER.sign(CHECKPOINT)


def test_format_is_that_of_a_note_that_others_signed() -> None:
    """The example of golang.org/x/mod/sumdb/note, from which C2SP's signed-note comes: key id, signed text, line."""
    public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    name, key_id, key = verify.read_public_key(public)
    signature = base64.b64decode(line)
    assert (name, key_id) == ("PeterNeumann", signature[:4])
    key.verify(signature[4:], text.encode())


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    text, signature = NOTE.split("\n\n")
    assert text == "proctor\n7\n" + base64.b64encode(bytes(range(32))).decode()
    assert signature.startswith("— proctor ")
    assert SIGNER.open(NOTE) == CHECKPOINT
    assert verify.read_checkpoint(NOTE, SIGNER.public_key) == (7, bytes(range(32)))


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_no_byte_of_a_note_can_be_changed(at: int, mask: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[at] ^= mask
    try:
        changed = raw.decode()
    except UnicodeDecodeError:
        return
    for read, refusal in (
        (lambda: SIGNER.open(changed), LedgerError),
        (lambda: verify.read_checkpoint(changed, SIGNER.public_key), ValueError),
    ):
        try:
            read()
        except refusal:
            continue
        # Only what is not signed may differ: the end of the signature's line.
        assert changed.rstrip("\n\r\x0b\x0c\x1c\x1d\x1e\x85") == NOTE.rstrip("\n")


def test_another_key_is_refused() -> None:
    other = Signer(Ed25519PrivateKey.generate())
    with pytest.raises(LedgerError, match="no valid signature"):
        other.open(NOTE)
    with pytest.raises(ValueError, match="no signature by this key"):
        verify.read_checkpoint(NOTE, other.public_key)


def test_a_cosigned_note_is_read() -> None:
    cosigned = NOTE + "— witness " + base64.b64encode(bytes(68)).decode() + "\n"
    assert SIGNER.open(cosigned) == CHECKPOINT
    assert verify.read_checkpoint(cosigned, SIGNER.public_key)[0] == 7


@pytest.mark.parametrize(
    "note",
    [
        "",
        "proctor\n7\n",
        NOTE.replace("proctor\n7", "proctor\n07"),
        NOTE.replace("proctor\n7", "proctor\n\N{ARABIC-INDIC DIGIT SEVEN}"),
        "\n" + NOTE,
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(LedgerError):
        SIGNER.open(note)
    with pytest.raises(ValueError):  # noqa: PT011 (any)
        verify.read_checkpoint(note, SIGNER.public_key)


def test_a_signed_text_with_another_size_form_is_refused() -> None:
    """Even our own signature does not make a second spelling of a checkpoint valid."""
    text = CHECKPOINT.text.replace("\n7\n", "\n+7\n")
    signature = base64.b64encode(SIGNER.key_id + SIGNER._private.sign(text.encode())).decode()
    note = f"{text}\n— proctor {signature}\n"
    with pytest.raises(LedgerError, match="one form"):
        SIGNER.open(note)
    with pytest.raises(ValueError, match="not written as"):
        verify.read_checkpoint(note, SIGNER.public_key)


def test_a_public_key_that_was_copied_badly_is_refused() -> None:
    name, key_id, key = SIGNER.public_key.split("+", 2)
    for damaged in (f"{name}+00000000+{key}", f"other+{key_id}+{key}", "proctor", f"{name}+{key_id}+AAAA"):
        with pytest.raises(ValueError):  # noqa: PT011 (any)
            verify.read_public_key(damaged)


def test_the_key_is_made_once_and_is_private(state_dir: Path) -> None:
    first = Signer.load_or_create(state_dir)
    assert Signer.load_or_create(state_dir).public_key == first.public_key
    path = key_path(state_dir)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_suffix(".pub").read_text() == first.public_key + "\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.key", "ledger.pub"]


def test_a_key_that_anybody_can_read_is_refused(state_dir: Path) -> None:
    Signer.load_or_create(state_dir)
    key_path(state_dir).chmod(0o604)
    with pytest.raises(StateError, match="anybody"):
        Signer.load_or_create(state_dir)


@pytest.mark.parametrize("kind", ["garbage", "foreign"])
def test_what_is_no_ed25519_key_is_refused(state_dir: Path, kind: str) -> None:
    foreign = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = key_path(state_dir)
    path.parent.mkdir()
    path.touch(0o600)
    path.write_bytes(b"no key" if kind == "garbage" else foreign)
    with pytest.raises(StateError, match="reading the key"):
        Signer.load_or_create(state_dir)
