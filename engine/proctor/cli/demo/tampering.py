"""The last scene: the ledger verifies; then somebody changes one byte of a copy, and the entry is named."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.server import Server
from proctor.errors import EngineError

_HEAD: Final = 300
"""Bytes of an entry that are looked for in the file; they hold its id, so they are there once."""
_ACTOR: Final = b'"actor":"person:'


def tampering(server: Server, narrator: Narrator) -> None:
    """Verify the ledger of the stopped server, and a copy with one byte changed."""
    code, _ = _verify(server, narrator, None)
    if code != 0:
        narrator.surprise("the ledger does not verify")
    database = server.state_dir / "proctor.db"
    copy = server.state_dir.parent / "copy.db"
    _copy(database, copy)
    entry, before, after = change_one_byte(copy)
    narrator.say(f"Somebody with a hex editor changes one byte of a copy, in {entry}: {before} becomes {after}.")
    code, output = _verify(server, narrator, copy)
    if code != 1 or entry not in output:
        narrator.surprise(f"the change of {entry} was not named (code {code})")


def _verify(server: Server, narrator: Narrator, database: Path | None) -> tuple[int, str]:
    named = [] if database is None else [str(database)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "proctor.cli", "ledger", "verify", *named],
        env=server.environment(COLUMNS=str(narrator.columns)), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    shown = f"{done.stdout}{done.stderr}".replace(f"{server.state_dir.parent}/", "")
    narrator.command(" ".join(["proctor ledger verify", *(Path(name).name for name in named)]), shown)
    return done.returncode, done.stdout


def _copy(database: Path, copy: Path) -> None:
    """Copy a database with all that its write-ahead log holds."""
    source, target = sqlite3.connect(f"file:{database}?mode=ro", uri=True), sqlite3.connect(copy)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    finally:
        source.close()
        target.close()
    shutil.copymode(database, copy)


def change_one_byte(database: Path) -> tuple[str, str, str]:
    """Change one byte of who asked for a decision, in the file itself; return the entry's id, before and after."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT id, record FROM ledger_entries WHERE kind = 'decision' ORDER BY entry_index"
        ).fetchall()
    finally:
        connection.close()
    content = bytearray(database.read_bytes())
    for entry, record in rows:
        # The first bytes of a row stand together in the file, however long it is (sqlite.org/fileformat2.html, 1.6).
        head = bytes(record)[:_HEAD]
        actor = head.find(_ACTOR)
        if actor < 0 or content.count(head) != 1:
            continue
        place = content.find(head) + actor + len(_ACTOR)
        before = bytes(content[place : place + 8]).decode()
        content[place] = ord("0") if content[place] != ord("0") else ord("1")
        database.write_bytes(bytes(content))
        return str(entry), f"actor person:{before}...", f"person:{bytes(content[place : place + 8]).decode()}..."
    raise EngineError(
        "looking for a byte to change",
        "no decision for a person in the file",
        "Report it: the demo and the ledger disagree",
    )
