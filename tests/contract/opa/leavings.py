"""What is there of processes, files and descriptors, so that a test can say that nothing was left."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.live import postgres


def children() -> set[int]:
    """Return the ids of this process's children that have not been waited for, but for the tests' own database."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))) and int(fields[1]) == os.getpid():
            found.add(int(entry.name))
    return found - postgres.RUNNING


def _stat(pid: int) -> list[str] | None:
    """Return state, parent, ... of a process: proc(5), fields 3 and following of /proc/PID/stat."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def alive(pid: int) -> bool:
    """Tell whether a process runs. One that has ended and waits for its parent does not."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in {"Z", "X"}


def descriptors() -> dict[str, str]:
    """Return the open descriptors of this process with what they are."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except OSError:  # the one that was open for listing
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> float:
    """Wait for something that another process does; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.002)
    return time.monotonic() - began


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> float:
    """Wait as `wait_until` does, and let the loop run meanwhile."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen"
        await asyncio.sleep(0.002)
    return time.monotonic() - began
