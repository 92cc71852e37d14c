"""The engine's clock, and its watch over jumps.

The wall clock ages evidence and ends waivers, so a wall clock that was set forward or back changes decisions. The boot
clock can't be set: the difference of the two stays what it was, to within some microseconds in which the kernel slews
both, and a look at it costs half a microsecond. So it is asked at every decision.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from proctor.errors import ClockError

BOUND: Final = timedelta(seconds=2)
"""How far the clocks may drift apart: a leap second may step the wall clock by one."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MICROSECOND: Final = timedelta(microseconds=1)


def _boot_time() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return the kernel's id of this boot; empty where it can't be read, which equals no stored one."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the wall clock stood against the boot clock, for the next process: `offset` in microseconds."""

    boot_id: str
    offset: int


class Clock:
    """UTC time, refused after a jump. The sources can be replaced in tests; both count nanoseconds."""

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        boot: Callable[[], int] = _boot_time,
        boot_id: Callable[[], str] = boot_id,
    ) -> None:
        self._wall = wall
        self._boot = boot
        self._boot_id = boot_id()
        self._baseline = self._offset()
        self._not_before: datetime | None = None

    def now(self) -> datetime:
        """Return the time in UTC. Does not look for jumps."""
        # From whole microseconds: a float of this size is off by up to one.
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self._wall() // 1000)

    def check(self) -> None:
        """Raise `ClockError` when the wall clock is more than `BOUND` from where the boot clock says it should be."""
        jump = timedelta(microseconds=self._offset() - self._baseline)
        if abs(jump) > BOUND:
            self._refuse(f"it jumped by {jump.total_seconds():+.3f} s against the boot clock")
        if self._not_before is not None and (now := self.now()) < self._not_before - BOUND:
            behind = (self._not_before - now).total_seconds()
            self._refuse(f"it is {behind:.3f} s behind the newest entry of the ledger")

    def anchor(self) -> Anchor:
        """Return what `resume` of the next process needs."""
        return Anchor(self._boot_id, self._baseline)

    def resume(self, anchor: Anchor | None, newest: datetime | None) -> None:
        """Go on from an earlier process: a jump that happened while nothing ran is found by the next `check`.

        Within one boot the earlier baseline holds. After a reboot there is none, and the wall clock must only not be
        behind `newest`, the time of the newest ledger entry.
        """
        if anchor is not None and anchor.boot_id and anchor.boot_id == self._boot_id:
            self._baseline = anchor.offset
        self._not_before = newest

    def accept(self) -> None:
        """Take the wall clock as it is now: an operator has said that it is right."""
        self._baseline = self._offset()
        self._not_before = None

    def _offset(self) -> int:
        """Return wall minus boot clock in microseconds."""
        # The boot clock is read on both sides, so that a pause between the two reads is no jump.
        first = self._boot()
        wall = self._wall()
        return (wall - (first + self._boot()) // 2) // 1000

    def _refuse(self, found: str) -> None:
        raise ClockError(
            "reading the wall clock",
            found,
            "Set the clock right. If it is right now and was wrong before, restart with `--accept-clock`",
        )
