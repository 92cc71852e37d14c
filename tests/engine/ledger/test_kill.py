"""kill -9 under load: whatever was acknowledged is there, with all that belongs to it, and the history is whole."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from proctor.ledger.signing import Signer
from proctor.store.database import Database
from proctor.store.tables import cases, ledger_entries, outbox
from tests.engine.ledger import killed_writer
from tests.live.postgres import url_of, verified

ROUNDS = 10


def _killed_under_load(state_dir: Path, round_: int, acknowledgements: int) -> list[tuple[int, str, str]]:
    """Kill a writer after it has acknowledged so many entries, and return all that it acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, str(killed_writer.__file__), str(state_dir), url_of(state_dir), str(round_)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    watchdog = threading.Timer(20, writer.kill)
    watchdog.start()
    assert writer.stdout is not None
    with writer, writer.stdout as stdout:
        seen = [stdout.readline() for _ in range(acknowledgements)]
        writer.kill()
        seen += stdout.readlines()  # what it had written before it died
    watchdog.cancel()
    assert writer.returncode == -9
    lines = [line.decode().split() for line in seen if line.endswith(b"\n")]
    return [(int(index), leaf, name) for index, leaf, name in lines]


@pytest.mark.timeout(120)
def test_nothing_that_was_acknowledged_is_lost(state_dir: Path) -> None:
    acknowledged: list[tuple[int, str, str]] = []
    for round_ in range(ROUNDS):
        acknowledged += _killed_under_load(state_dir, round_, random.randint(1, 600))  # noqa: S311 (when to kill)
        report = verified(state_dir, Signer.load_or_create(state_dir).public_key)
        assert report.problems == []
        assert report.size >= len(acknowledged)

    database = Database.open(url_of(state_dir))
    rows = database.read(select(ledger_entries))
    stored = {(row.entry_index, row.leaf.hex(), row.id) for row in rows}
    assert set(acknowledged) <= stored
    assert len(acknowledged) == len({index for index, _, _ in acknowledged}) > ROUNDS
    names = {row.id for row in rows}
    assert {row.subject for row in database.read(select(outbox))} == names
    assert {row.digest for row in database.read(select(cases))} == names
    database.close()
