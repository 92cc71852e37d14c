from datetime import UTC, datetime, timedelta

import pytest

from proctor.errors import ClockError
from proctor.ledger.clock import Anchor, Clock
from proctor.vocabulary.reasons import Reason

SECOND = 1_000_000_000


class Time:
    """Both clocks of a machine, to be set by hand. 2026-01-01 at boot second 1000."""

    def __init__(self, boot_id: str = "boot-1") -> None:
        self.wall = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
        self.boot = 1000 * SECOND
        self.boot_id = boot_id

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall, boot=lambda: self.boot, boot_id=lambda: self.boot_id)

    def pass_(self, seconds: float) -> None:
        self.wall += int(seconds * SECOND)
        self.boot += int(seconds * SECOND)


def test_time_that_passes_is_no_jump() -> None:
    time = Time()
    clock = time.clock()
    time.pass_(400 * 86400)
    clock.check()
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=400)


@pytest.mark.parametrize(
    ("jump", "refused"),
    [(1, False), (2, False), (-2, False), (2.001, True), (-2.001, True), (3600, True), (-86400, True)],
)
def test_bound_is_two_seconds_both_ways(jump: float, refused: bool) -> None:
    time = Time()
    clock = time.clock()
    time.wall += int(jump * SECOND)
    if not refused:
        clock.check()
        return
    with pytest.raises(ClockError, match="jumped") as caught:
        clock.check()
    assert caught.value.reason is Reason.CLOCK_JUMP
    time.wall -= int(jump * SECOND)
    clock.check()  # set right again


def test_small_steps_add_up_because_the_baseline_does_not_move() -> None:
    time = Time()
    clock = time.clock()
    for _ in range(2):
        time.wall += int(0.9 * SECOND)
        clock.check()
    time.wall += int(0.9 * SECOND)
    with pytest.raises(ClockError):
        clock.check()


def test_a_jump_while_nothing_ran_is_found_within_one_boot() -> None:
    time = Time()
    anchor = time.clock().anchor()
    time.pass_(60)
    time.wall += 3600 * SECOND
    clock = time.clock()
    clock.check()  # by itself it knows nothing
    clock.resume(anchor, None)
    with pytest.raises(ClockError, match="jumped by \\+3600"):
        clock.check()
    assert clock.anchor() == anchor  # restarting again does not wash the jump out
    clock.accept()
    clock.check()
    assert clock.anchor() != anchor


def test_after_a_reboot_the_wall_clock_must_not_be_behind_the_ledger() -> None:
    before = Time().clock()
    time = Time("boot-2")
    time.boot = 5 * SECOND
    clock = time.clock()
    newest = before.now() + timedelta(seconds=10)
    clock.resume(before.anchor(), newest)
    with pytest.raises(ClockError, match=r"10\.000 s behind"):
        clock.check()
    time.pass_(8)
    clock.check()  # the bound, and time heals it


def test_an_unreadable_boot_id_equals_no_other() -> None:
    time = Time("")
    clock = time.clock()
    clock.resume(Anchor("", 12345), None)
    clock.check()


def test_a_pause_between_the_two_reads_is_no_jump() -> None:
    time = Time()

    def slow_boot() -> int:
        time.pass_(1.5)  # preempted around each read
        return time.boot

    clock = Clock(wall=lambda: time.wall, boot=slow_boot, boot_id=lambda: "b")
    clock.check()


def test_the_machines_own_clocks() -> None:
    clock = Clock()
    clock.check()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert clock.now().tzinfo is UTC
    assert clock.anchor().boot_id
