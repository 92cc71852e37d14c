"""Holds the keys of a state directory against those with which the database was made.

Servers on one database must have the same keys: with another pepper every API key would be refused, with another
ledger key the history would be signed by two, with another case key one server could not replay what another decided.
"""

import hashlib
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from proctor.errors import StateError
from proctor.ledger import keys
from proctor.store.database import Database
from proctor.store.tables import key_fingerprints

SHARED: Final = ("pepper", "ledger.key", "cases.key")
"""Files in `state_dir/keys` that are the same for all servers on one database."""
_REMEDY: Final = "Copy the folder keys of a server on this database into this state directory, and start again"


def check(database: Database, state_dir: Path) -> None:
    """Raise `StateError` when a key is not the one with which the database was made, or that one is not here.

    Call it before anything makes a missing key: a new one would be another.
    """
    known = {row.name: row.fingerprint for row in database.read(select(key_fingerprints))}
    for name in SHARED:
        path = state_dir / "keys" / name
        if name not in known:
            continue
        if not path.exists():
            raise StateError(f"checking {path}", "it is missing, and this database was made with one", _REMEDY)
        if known[name] != _fingerprint(path):
            raise StateError(f"checking {path}", "this database was made with another key", _REMEDY)


def settle(database: Database, state_dir: Path) -> None:
    """Note the keys that are there as those of the database, unless it has some. Raises `StateError` like `check`.

    Of two servers that start on an empty database with keys of their own, the second to come here is refused.
    """
    paths = [path for name in SHARED if (path := state_dir / "keys" / name).exists()]

    def note(connection: Connection) -> None:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        for path in paths:
            row = {"name": path.name, "fingerprint": _fingerprint(path)}
            connection.execute(make(key_fingerprints).values(row).on_conflict_do_nothing())

    known = {row.name for row in database.read(select(key_fingerprints))}
    if any(path.name not in known for path in paths):
        database.transact(note)
    check(database, state_dir)


def _fingerprint(path: Path) -> str:
    # The keys are random and long, so a digest tells nothing of them; the prefix keeps it from being used elsewhere.
    named = b"proctor key fingerprint\n" + path.name.encode() + b"\n"
    return hashlib.sha256(named + keys.load(path)).hexdigest()[:32]
