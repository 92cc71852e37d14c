from hypothesis import given
from hypothesis import strategies as st

from proctor.identity.lockout import Lockout


def test_the_table_is_bounded() -> None:
    lockout = Lockout(max_entries=100)
    for number in range(1000):
        lockout.failed(f"client{number}", "", 0.0)
    assert len(lockout) == 100


def test_a_wait_ends_after_the_window_from_the_last_counted_failure() -> None:
    lockout = Lockout(max_failures=2, window=60)
    lockout.failed("c", "p", 0)
    lockout.failed("c", "p", 50)
    assert lockout.remaining("c", "p", 51) == 59
    assert lockout.remaining("c", "p", 110) == 0


def test_old_failures_are_forgotten() -> None:
    lockout = Lockout(max_failures=2, window=60)
    lockout.failed("c", "p", 0)
    lockout.failed("c", "p", 61)
    assert lockout.remaining("c", "p", 61) == 0


def test_a_success_forgets() -> None:
    lockout = Lockout(max_failures=2)
    lockout.failed("c", "p", 0)
    lockout.succeeded("c", "p")
    lockout.failed("c", "p", 1)
    assert lockout.remaining("c", "p", 1) == 0


@given(st.lists(st.floats(0, 1), min_size=3, max_size=50))
def test_enough_failures_in_a_row_always_lock_out(steps: list[float]) -> None:
    lockout, now = Lockout(max_failures=3, window=60), 0.0
    for step in steps:
        now += step
        lockout.failed("c", "p", now)
    assert lockout.remaining("c", "p", now) > 0
