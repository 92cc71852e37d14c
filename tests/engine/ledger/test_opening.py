"""A ledger that was tampered with, or whose key is gone, is not written to."""

from pathlib import Path

import pytest

from proctor.errors import ClockError, LedgerError, StateError
from proctor.ledger.clock import Clock
from proctor.ledger.signing import key_path
from proctor.ledger.writer import Ledger
from proctor.store.database import Database
from tests.engine.ledger import histories
from tests.engine.ledger.histories import SIZE, History, name_of

pytestmark = pytest.mark.sqlite  # what is tampered with is a file


@pytest.fixture
def history(state_dir: Path) -> History:
    return histories.make(state_dir)


def opened(history: History, clock: Clock | None = None, *, accept_clock: bool = False) -> Ledger:
    database = Database.open(f"sqlite:///{history.path}")
    try:
        ledger = Ledger.open(database, history.path.parent, clock=clock or Clock(), accept_clock=accept_clock)
        ledger.close_now()
    finally:
        database.close()
    return ledger


def test_an_untouched_ledger_opens_and_leaves_one_file(history: History) -> None:
    assert opened(history).head().size == SIZE
    assert sorted(file.name for file in history.path.parent.iterdir()) == ["keys", "proctor.db"]


def test_a_lost_key_is_not_replaced(history: History) -> None:
    key_path(history.path.parent).unlink()
    with pytest.raises(LedgerError, match="is gone"):
        opened(history)
    assert not key_path(history.path.parent).exists()


def test_another_key_is_refused(history: History, tmp_path: Path) -> None:
    other = histories.make(tmp_path)
    key_path(history.path.parent).write_bytes(key_path(other.path.parent).read_bytes())
    with pytest.raises(StateError, match="made with another key"):
        opened(history)
    with history.tampering() as connection:
        connection.execute("DELETE FROM key_fingerprints")
    with pytest.raises(LedgerError, match="no valid signature"):
        opened(history)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("DELETE FROM ledger_entries WHERE entry_index = 24",), "there are 24 entries, the head says 25"),
        (
            ("DELETE FROM ledger_entries WHERE entry_index = 24", "UPDATE ledger_head SET size = 24"),
            "the newest checkpoint signed 25 entries, the head says 24",
        ),
        (("UPDATE ledger_entries SET record = x'7b7d' WHERE entry_index = 24",), f"{name_of(24)}, was changed"),
        (("UPDATE ledger_head SET root = zeroblob(32)",), "not the one that the newest checkpoint signed"),
        (("UPDATE ledger_head SET frontier = zeroblob(96)",), "the head's root is not its frontier's"),
        (("UPDATE ledger_head SET frontier = x''",), "the head is damaged"),
        (("DELETE FROM ledger_head",), "the head row is missing"),
        (("UPDATE ledger_checkpoints SET note = upper(note) WHERE size = 25",), "signed checkpoint"),
    ],
)
def test_what_contradicts_itself_is_refused(history: History, change: tuple[str, ...], found: str) -> None:
    with history.tampering() as connection:
        for statement in change:
            connection.execute(statement)
    with pytest.raises(LedgerError, match=found):
        opened(history)


class Shifted(Clock):
    """The machine's clocks with the wall clock set forward or back."""

    def __init__(self, seconds: float, boot_id: str | None = None) -> None:
        real = Clock()
        super().__init__(
            wall=lambda: int(real.now().timestamp() * 1e9 + seconds * 1e9),
            **({} if boot_id is None else {"boot_id": lambda: boot_id}),
        )


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_jump_while_nothing_ran_is_found(history: History, seconds: int) -> None:
    clock = Shifted(seconds)
    clock.check()
    opened(history, clock)  # opens, so that the record can be read and the trouble reported
    with pytest.raises(ClockError, match="jumped"):
        clock.check()
    again = Shifted(seconds)
    opened(history, again)
    with pytest.raises(ClockError, match="jumped"):
        again.check()


def test_after_a_reboot_only_time_before_the_newest_entry_is_refused(history: History) -> None:
    forward, back = Shifted(3600, "another boot"), Shifted(-3600, "a third boot")
    opened(history, back)
    with pytest.raises(ClockError, match="behind the newest entry"):
        back.check()
    opened(history, forward)
    forward.check()


def test_an_accepted_clock_is_on_record(history: History) -> None:
    clock = Shifted(-3600)
    ledger = opened(history, clock, accept_clock=True)
    clock.check()
    assert ledger.head().size == SIZE + 1
    database = Database.open(f"sqlite:///{history.path}")
    with_it = Ledger.open(database, history.path.parent, clock=(later := Shifted(-3600)))
    later.check()
    (incident,) = with_it.recent("incident", 5)
    assert incident.record["what"] == "clock_accepted"
    assert "jumped by -3600" in incident.record["found"]
    with_it.close_now()
    database.close()


def test_accepting_a_clock_that_did_not_jump_records_nothing(history: History) -> None:
    assert opened(history, accept_clock=True).head().size == SIZE
