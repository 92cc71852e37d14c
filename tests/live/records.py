"""What is on disk after the fact: read with the plain driver, sharing no code with what wrote it."""

import json
import sqlite3
from contextlib import closing
from typing import Any

from tests.live import postgres
from tests.live.load import Account
from tests.live.server import ProctorServer


def decisions(server: ProctorServer) -> dict[str, dict[str, Any]]:
    """Return the recorded decisions by id; fail when an id was recorded twice."""
    url = postgres.url_of(server.state_dir)
    uri = f"file:{server.state_dir / 'proctor.db'}?mode=ro"
    opened = sqlite3.connect(uri, uri=True) if url.startswith("sqlite") else postgres.connect(url)
    with closing(opened) as connection:
        rows = connection.execute("SELECT id, record FROM ledger_entries WHERE kind = 'decision'").fetchall()
    found = {entry: json.loads(record)["record"] for entry, record in rows}
    assert len(found) == len(rows), "a decision was recorded twice"
    return found


def check_nothing_lost(server: ProctorServer, told: Account) -> int:
    """Fail unless every allow that a caller got is recorded as the very same; return how many decisions there are."""
    recorded = decisions(server)
    lost = told.allowed - recorded.keys()
    assert not lost, f"{len(lost)} of {len(told.allowed)} answered allows are not in the ledger: {sorted(lost)[:3]}"
    for decision in told.decisions:
        if decision["outcome"] == "allow":
            entry = recorded[decision["id"]]
            same = {name: value for name, value in decision.items() if name != "recorded"}
            assert same == entry, f"{decision['id']} was answered otherwise than it was recorded"
    return len(recorded)


def check_whole(server: ProctorServer) -> str:
    """Fail unless `proctor ledger verify` finds the ledger whole; return what it says."""
    done = server.command("ledger", "verify")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout
