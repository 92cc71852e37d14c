"""Exports the ledger as a folder that can be verified with nothing but a public key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from proctor.errors import StateError
from proctor.ledger import verify
from proctor.ledger.merkle import Frontier
from proctor.ledger.records import Head
from proctor.ledger.signing import Checkpoint, Signer
from proctor.store.database import Database
from proctor.store.tables import ledger_checkpoints, ledger_entries, ledger_head

_ROWS: Final = 1000
"""Rows held in memory at a time."""
_README: Final = """\
A Proctor ledger: {size} entries, root {root}.

  entries.jsonl      one record on each line; the bytes of a line, without its end, are what was hashed
  leaves.txt         their leaf hashes in hex, SHA-256(0x00 || record), in the same order
  checkpoints.jsonl  signed checkpoints: so many entries have this Merkle root (RFC 6962)
  ledger.pub         the public key. Compare it with one that you have from elsewhere
  verify.py          verifies this folder; one page of Python that needs only the package `cryptography`

    python verify.py . "$(cat ledger.pub)"

A checkpoint that you kept from an earlier time proves that nothing was taken away since.
"""


def export(database: Database, folder: Path, signer: Signer) -> Head:
    """Write the whole ledger to `folder`, as it was at one moment, and return its head.

    Ends with a checkpoint over all entries, signed now, unless the entries are not those of the stored head: then what
    is wrong with them is left for verification to find. Raises `StateError` for a folder that is not empty.
    """
    tried = f"exporting to {folder}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise StateError(tried, "there are files in it", "Name a new folder")
        with database.snapshot() as connection:
            head = _write(connection, folder, signer)
    except OSError as error:
        raise StateError(tried, str(error), "Name a folder that this user may write, on a disk with space") from error
    return head


def _write(connection: Connection, folder: Path, signer: Signer) -> Head:
    tree = Frontier()
    with (
        (folder / "entries.jsonl").open("wb") as entries,
        (folder / "leaves.txt").open("w", encoding="ascii") as leaves,
    ):
        for record, leaf in _entries(connection):
            entries.write(record + b"\n")
            leaves.write(leaf.hex() + "\n")
            tree.append(leaf)
    root = tree.root()
    stored = connection.execute(select(ledger_head.c.size, ledger_head.c.root)).one()
    notes = {row.size: row.note for row in connection.execute(select(ledger_checkpoints)).all()}
    if tree.size not in notes and (stored.size, bytes(stored.root)) == (tree.size, root):
        notes[tree.size] = signer.sign(Checkpoint(tree.size, root))
    with (folder / "checkpoints.jsonl").open("w", encoding="utf-8") as lines:
        for size, note in sorted(notes.items()):
            lines.write(json.dumps({"size": size, "note": note}) + "\n")
    (folder / "ledger.pub").write_text(signer.public_key + "\n", encoding="ascii")
    (folder / "verify.py").write_bytes(Path(verify.__file__).read_bytes())
    (folder / "README.txt").write_text(_README.format(size=tree.size, root=root.hex()), encoding="utf-8")
    return Head(tree.size, root.hex())


def _entries(connection: Connection) -> Iterator[tuple[bytes, bytes]]:
    after = -1
    while True:
        wanted = select(ledger_entries).where(ledger_entries.c.entry_index > after)
        rows = connection.execute(wanted.order_by(ledger_entries.c.entry_index).limit(_ROWS)).all()
        if not rows:
            return
        yield from ((bytes(row.record), bytes(row.leaf)) for row in rows)
        after = rows[-1].entry_index
