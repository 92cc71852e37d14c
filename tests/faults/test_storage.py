"""The disk is full, the database locked, unwritable, or nobody writes: an allow that is not on disk is an error."""

import asyncio
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import Gate, bodies
from tests.live import records, subjects
from tests.live.load import Account, pressing
from tests.live.server import ProctorServer, running

BUDGET = 3.0
SLACK = 1.5


async def _refused_then_recovers(gate: Gate, break_it: Callable[[], None], mend: Callable[[], None]) -> Account:
    """Break the storage under load, see that allows turn into errors, mend it, see that they are allows again."""
    async with pressing(gate.server.socket, gate.key, bodies(8)) as told:
        await told.hear_more(8)
        await asyncio.to_thread(break_it)
        before = len(told.decisions)
        await told.hear(lambda: told.since(before)["ledger_unavailable"] >= 16, 40)
        status, reasons = await asyncio.to_thread(gate.server.ready)
        assert status == 503, reasons
        await asyncio.to_thread(mend)
        await told.hear(lambda: told.decisions[-1]["outcome"] == "allow", 30)
        await told.hear_more(16)
    assert not told.other
    assert not told.unanswered
    assert set(told.reasons) == {"compliant", "ledger_unavailable"}, told.reasons
    assert {found["outcome"] for found in told.decisions if found["reason"] == "ledger_unavailable"} == {"error"}
    assert told.slowest < BUDGET + SLACK, f"somebody waited {told.slowest:.1f} s"
    records.check_nothing_lost(gate.server, told)
    records.check_whole(gate.server)
    assert (await asyncio.to_thread(gate.server.ready))[0] == 200
    return told


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the program {name}")
    return path


# --- A full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(state_dir: Path) -> Iterator[Path]:
    """Yield a file system of 32 MiB."""
    disk = state_dir / "disk"
    disk.mkdir()
    done = subprocess.run(
        [_tool("mount"), "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", str(disk)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount a small file system: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run([_tool("umount"), str(disk)], check=True)


@pytest.mark.timeout(120)
async def test_a_full_disk_turns_allows_into_errors_until_there_is_room(small_disk: Path, opa_binary: Path) -> None:
    """The server's log is on the same disk: that nothing can be logged any more changes no answer."""
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:  # no space left for a piece of this size
                    continue

    with running(ProctorServer(small_disk, opa_binary)) as server:
        gate = Gate(server, subjects.register(server, "fraud"))
        await _refused_then_recovers(gate, fill, filler.unlink)


@pytest.mark.timeout(120)
async def test_a_file_size_limit_turns_allows_into_errors_until_it_is_lifted(gate: Gate) -> None:
    free = resource.prlimit(gate.server.pid, resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.prlimit(gate.server.pid, resource.RLIMIT_FSIZE, (4096, free[1]))

    def lift() -> None:
        resource.prlimit(gate.server.pid, resource.RLIMIT_FSIZE, free)

    await _refused_then_recovers(gate, limit, lift)


# --- A database that somebody else holds, or that can't be written ---------------------------------------------------


@pytest.mark.timeout(120)
async def test_a_database_that_another_process_locks_is_an_error_in_time_and_goes_on_afterwards(gate: Gate) -> None:
    holder = sqlite3.connect(
        gate.server.state_dir / "proctor.db", isolation_level=None, check_same_thread=False, timeout=20
    )
    with closing(holder):
        await _refused_then_recovers(
            gate, lambda: holder.execute("BEGIN IMMEDIATE"), lambda: holder.execute("ROLLBACK")
        )


@contextmanager
def _immutable(*paths: Path) -> Iterator[None]:
    """Not `chmod`: root may write what is only read-only."""
    names = [str(path) for path in paths]
    done = subprocess.run([_tool("chattr"), "+i", *names], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the right to make a file immutable: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([_tool("chattr"), "-i", *names], check=True)


@pytest.mark.timeout(120)
async def test_a_database_that_becomes_read_only_is_an_error_until_it_can_be_written(gate: Gate) -> None:
    path = gate.server.state_dir / "proctor.db"
    guard = _immutable(path, path.with_name("proctor.db-wal"))
    await _refused_then_recovers(gate, guard.__enter__, lambda: guard.__exit__(None, None, None) and None)


# --- Nobody writes ---------------------------------------------------------------------------------------------------

_DIES_ON_SIGNAL = """
import signal
from proctor.ledger.writer import Ledger
taken = Ledger._take
dying = []
signal.signal(signal.SIGUSR1, lambda *_: dying.append(1))
def _take(self):
    found = taken(self)
    if dying:
        raise MemoryError("the writer was told to die")
    return found
Ledger._take = _take
"""


@pytest.fixture
async def mortal(state_dir: Path, opa_binary: Path) -> AsyncIterator[Gate]:
    with running(ProctorServer(state_dir, opa_binary, prelude=_DIES_ON_SIGNAL)) as server:
        yield Gate(server, subjects.register(server, "fraud"))


async def test_a_writer_that_dies_fails_everybody_and_readiness_and_keeps_nobody_waiting(mortal: Gate) -> None:
    async with pressing(mortal.server.socket, mortal.key, bodies(16)) as told:
        await told.hear_more(16)
        mortal.server.signal(signal.SIGUSR1)
        await told.hear(lambda: told.reasons["ledger_unavailable"] >= 32)
    assert set(told.reasons) == {"compliant", "ledger_unavailable"}
    assert told.slowest < BUDGET + SLACK
    last = max(position for position, found in enumerate(told.decisions) if found["outcome"] == "allow")
    assert last < len(told.decisions) - 16, "nobody is let through after the writer's death"
    status, reasons = await asyncio.to_thread(mortal.server.ready)
    assert status == 503
    assert "the writer was told to die" in str(reasons)
    records.check_nothing_lost(mortal.server, told)
    began = time.monotonic()
    await asyncio.to_thread(mortal.server.stop)
    assert time.monotonic() - began < 15
    await asyncio.to_thread(mortal.server.start)
    assert (await mortal.ask())["reason"] == "compliant"
    records.check_whole(mortal.server)
