"""Verifies a Proctor ledger offline: a database or an exported folder, against one public key.

Written to be read by an auditor, so it imports nothing of Proctor and shares no code with what writes the ledger. It
needs Python and the package `cryptography`:

    python verify.py FOLDER_OR_DATABASE 'proctor+0123abcd+AbC...='

The ledger is the Merkle tree of RFC 6962: a leaf is SHA-256(0x00 || record), a node SHA-256(0x01 || left || right).
Each record is JSON that names its own index. Signed checkpoints (https://c2sp.org/tlog-checkpoint) state how many
entries have which root. An entry that a checkpoint covers can't be changed, removed, inserted or moved without the
private key. What came after the newest checkpoint is proven by no signature yet: see `Report.signed_size`.
"""

import base64
import hashlib
import json
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH, KEY_ID, KEY = 32, 4, 32
HEAD = re.compile(rb'\{"id":"([^"\\\x00-\x1f]+)","index":(0|[1-9][0-9]*),"kind":"([a-z_]+)","record":\{')
"""How a record begins: canonical JSON (RFC 8785) sorts the keys, so id, index and kind stand before all the rest."""


@dataclass
class Report:
    """What was found. A problem is (index of the entry, its id, what is wrong); index -1 is the ledger as a whole."""

    size: int = 0
    """Entries that are there."""
    signed_size: int = 0
    """Entries that the newest valid checkpoint covers."""
    problems: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems


@dataclass
class Entry:
    """One entry as stored: `leaf` is the leaf hash beside the record."""

    index: int
    id: str | None
    kind: str | None
    record: bytes
    leaf: bytes


class Tree:
    """The roots of complete subtrees, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        full = self.size
        while full & 1:
            leaf = hashlib.sha256(b"\x01" + self.roots.pop() + leaf).digest()
            full >>= 1
        self.roots.append(leaf)
        self.size += 1

    def copy(self) -> "Tree":
        """Return a tree that grows on its own."""
        twin = Tree()
        twin.size, twin.roots = self.size, list(self.roots)
        return twin

    def root(self) -> bytes:
        """Return the root; the hash of nothing for an empty tree."""
        if not self.roots:
            return hashlib.sha256().digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = hashlib.sha256(b"\x01" + left + root).digest()
        return root


def read_public_key(text: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """Return (name, key id, key) of a verifier key `name+id+base64`; raise `ValueError` for anything else."""
    name, key_id, encoded = text.strip().split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if len(key) != 1 + KEY or key[:1] != b"\x01":
        raise ValueError("the public key is not an Ed25519 key of the form name+id+base64")
    if hashlib.sha256(name.encode() + b"\n" + key).digest()[:KEY_ID].hex() != key_id:
        raise ValueError("the public key's id is not that of its key: it was copied badly or changed")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])


def read_checkpoint(note: str, public_key: str) -> tuple[int, bytes]:
    """Return (size, root) of a signed checkpoint; raise `ValueError` when it is not one by this key."""
    name, key_id, key = read_public_key(public_key)
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    if not separator or len(lines) != len(["origin", "size", "root", ""]) or lines[0] != name:
        raise ValueError("it is not a checkpoint of this ledger")
    size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    if size < 0 or len(root) != HASH or text != f"{name}\n{size}\n{base64.b64encode(root).decode()}\n":
        raise ValueError("its size or root is not written as it was signed")
    for line in signatures.splitlines():
        mark, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        if mark == "\N{EM DASH}" and signer == name:
            signature = base64.b64decode(encoded, validate=True)
            if base64.b64encode(signature).decode() != encoded:
                raise ValueError("its signature is not written as it was signed")
            if signature[:KEY_ID] == key_id:
                try:
                    key.verify(signature[KEY_ID:], text.encode())
                except InvalidSignature as error:
                    raise ValueError("its signature is wrong") from error
                return size, root
    raise ValueError("it has no signature by this key")


def verify_database(path: Path | str, public_key: str, checkpoint: str | None = None) -> Report:
    """Verify the ledger in a SQLite database. `checkpoint` is one that was kept elsewhere: it shows what was cut off.

    Raises `ValueError` for a public key that is none, and `FileNotFoundError`.
    """
    read_public_key(public_key)
    if not Path(path).is_file():
        raise FileNotFoundError(path)
    # Without a write-ahead log nobody has the database open, and "immutable" works on read-only media too.
    alone = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    uri = f"{Path(path).absolute().as_uri()}?mode=ro{alone}"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        report = Report()
        try:
            connection.execute("BEGIN")  # one moment, while a server may go on writing
            head = connection.execute("SELECT size, root FROM ledger_head").fetchall()
            notes = connection.execute("SELECT size, note FROM ledger_checkpoints ORDER BY size").fetchall()
            columns = "entry_index, id, kind, CAST(record AS BLOB), CAST(leaf AS BLOB)"
            rows = connection.execute(f"SELECT {columns} FROM ledger_entries ORDER BY entry_index")  # noqa: S608
            tree = _verify((Entry(*row) for row in rows), notes, public_key, checkpoint, report)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            report.problems.append((report.size, "", f"the database can't be read from here on: {error}"))
            return report
    if report.ok and head != [(tree.size, tree.root())]:
        report.problems.append((-1, "head", "size or root of the head row are not those of the entries"))
    return report


def verify_export(folder: Path | str, public_key: str, checkpoint: str | None = None) -> Report:
    """Verify an exported folder. Raises like `verify_database`."""
    read_public_key(public_key)
    base = Path(folder)
    notes: list[tuple[int, str]] = []
    report = Report()
    for number, line in enumerate((base / "checkpoints.jsonl").read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
            notes.append((row["size"], row["note"]))
        except (ValueError, KeyError, TypeError) as error:
            report.problems.append((-1, f"checkpoint line {number}", f"it can't be read: {error}"))
    with (base / "entries.jsonl").open("rb") as entries, (base / "leaves.txt").open("rb") as leaves:
        _verify(_exported(entries, leaves), notes, public_key, checkpoint, report)
    return report


def _exported(entries: Iterable[bytes], leaves: Iterable[bytes]) -> Iterator[Entry]:
    hashes = iter(leaves)
    for index, line in enumerate(entries):
        try:
            leaf = bytes.fromhex(next(hashes, b"").strip().decode("ascii"))
        except ValueError:
            leaf = b""
        yield Entry(index, None, None, line.removesuffix(b"\n"), leaf)


def _verify(
    entries: Iterable[Entry], notes: list[tuple[int, str]], public_key: str, extra: str | None, report: Report
) -> Tree:
    """Go through all entries once. Return the tree over the records."""
    signed = _signed_roots(notes, public_key, extra, report)
    newest = max(signed, default=0)
    # Two trees: over what the records hash to, and over the stored leaf hashes. A checkpoint that agrees with either
    # tells which of the two was changed, and where they differ is the entry. Up to there they are one.
    records = leaves = Tree()
    whole, proven = True, 0
    differing: list[tuple[int, str]] = []
    for entry in entries:
        while records.size < entry.index and entry.index - records.size > 0 and whole:
            missing = f"{records.size} to {entry.index - 1}" if entry.index - records.size > 1 else f"{records.size}"
            report.problems.append((records.size, "", f"missing: there is no entry {missing}"))
            whole = False  # without it, no root can be computed any more; records are still checked one by one
        found = hashlib.sha256(b"\x00" + entry.record).digest()
        name = _check_record(entry, report, signed=entry.index < newest)
        if found != entry.leaf:
            differing.append((entry.index, name))
            if leaves is records:
                leaves = records.copy()
        records.append(found)
        if leaves is not records:
            leaves.append(entry.leaf)
        report.size += 1
        if whole and records.size in signed:
            whole = _compare(signed[records.size], proven, records, leaves, differing, report)
            proven = records.size
            differing.clear()
    for index, name in differing:
        report.problems.append((index, name, "changed: its record does not have its leaf hash"))
    report.signed_size = min(newest, report.size)
    if whole and newest > report.size:
        what = f"missing: a checkpoint signed {newest} entries, there are {report.size}"
        report.problems.append((report.size, "", what))
    return records


def _compare(
    signed: bytes, since: int, records: Tree, leaves: Tree, differing: list[tuple[int, str]], report: Report
) -> bool:
    """Hold both trees against a signed root and say which entries are wrong; tell whether one tree agreed."""
    by_record, by_leaf = records.root() == signed, leaves.root() == signed
    what = "changed: its record does not have its leaf hash"
    if by_leaf and not by_record:
        what = "changed: its record is not the one that was signed"
    elif by_record and not by_leaf:
        what = "changed: its leaf hash is not the one that was signed; the record is"
    report.problems.extend((index, name, what) for index, name in differing)
    if by_record or by_leaf:
        # From here on both trees are as signed, so that a later change is found by itself.
        good, bad = (records, leaves) if by_record else (leaves, records)
        bad.roots = list(good.roots)
        return True
    where = f"entries {since} to {records.size - 1}"
    text = f"{where}: their root is not the one that was signed for {records.size} entries; records and leaf hashes"
    report.problems.append((since, "", f"{text} were changed together, or moved. Later checkpoints prove nothing more"))
    return False


def _check_record(entry: Entry, report: Report, *, signed: bool) -> str:
    """Hold the record against the row that it stands in; return the entry's id.

    What a signature covers was read when it was written and has not changed since, or its hash says so: its head is
    enough. Whatever came after the newest checkpoint is read whole.
    """
    name = entry.id or ""
    head = HEAD.match(entry.record) if signed else None
    try:
        if head is not None:
            written, index, kind = head[1].decode(), int(head[2]), head[3].decode()
        else:
            record = json.loads(entry.record)
            index, written, kind = record["index"], record["id"], record["kind"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        report.problems.append((entry.index, name, f"changed: its record can't be read: {error}"))
        return name
    name = name or str(written)
    if index != entry.index:
        report.problems.append((entry.index, name, f"moved or inserted: its record says that it is entry {index}"))
    if entry.id is not None and (written != entry.id or kind != entry.kind):
        report.problems.append((entry.index, name, f"changed: its record is {kind} {written}, the row says otherwise"))
    return name


def _signed_roots(notes: list[tuple[int, str]], public_key: str, extra: str | None, report: Report) -> dict[int, bytes]:
    """Return the roots by size that valid checkpoints sign; report the others."""
    signed: dict[int, bytes] = {}
    stored = [(size, f"checkpoint {size}", note) for size, note in notes]
    for size, name, note in [*stored, *([(None, "the checkpoint kept elsewhere", extra)] if extra else [])]:
        try:
            found, root = read_checkpoint(note, public_key)
        except (ValueError, AttributeError, TypeError) as error:
            report.problems.append((-1, name, f"not valid: {error}"))
            continue
        if size is not None and found != size:
            report.problems.append((-1, name, f"not valid: it signs {found} entries"))
        if signed.setdefault(found, root) != root:
            report.problems.append((-1, name, "two histories: another checkpoint signs this size with another root"))
    if signed.get(0, hashlib.sha256().digest()) != hashlib.sha256().digest():
        report.problems.append((-1, "checkpoint 0", "not valid: it signs a root for no entries"))
    return signed


def main() -> int:
    """Verify what the command line names; return 0 when nothing is wrong, 1 when something is, 2 for bad usage."""
    if len(sys.argv) != len(["verify.py", "path", "key"]):
        sys.stderr.write(f"usage: {sys.argv[0]} FOLDER_OR_DATABASE PUBLIC_KEY\n")
        return 2
    path = Path(sys.argv[1])
    report = (verify_export if path.is_dir() else verify_database)(path, sys.argv[2])
    for index, name, what in report.problems:
        sys.stdout.write(f"{f'entry {index}' if index >= 0 else 'ledger'} {name}: {what}\n")
    verdict = "verified" if report.ok else f"{len(report.problems)} PROBLEMS"
    sys.stdout.write(f"{verdict}: {report.size} entries, {report.signed_size} of them signed\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
