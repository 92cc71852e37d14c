"""`proctor demo` as a newcomer runs it: everything comes out as it should, nothing is silent, nothing stays behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SILENCE = 5.0
"""Seconds without a line that a newcomer bears."""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder:  # TMPDIR may be long
        yield Path(folder)


def _start(place: Path, opa: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "proctor.cli", "demo"],
        env={**os.environ, "TMPDIR": str(place), "PROCTOR_OPA_BIN": str(opa), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # What runs in a shell's background inherits that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (nothing else runs before exec)
    )


def _left(place: Path) -> list[str]:
    """Return what is left of the demo: processes that know its folder, and files in it."""
    found = [str(path) for path in place.iterdir()]
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(place).encode() in environment.read_bytes() and environment.parent.name != str(os.getpid()):
                found.append((environment.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended, or is not ours
            continue
    return found


def _until_refused(demo: subprocess.Popen[bytes]) -> None:
    assert demo.stdout is not None
    for raw in demo.stdout:
        if b"2. Refused" in raw:
            return


def test_demo_comes_out_as_it_should_and_leaves_nothing(place: Path, opa_binary: Path) -> None:
    lines: list[str] = []
    silences = [0.0]
    spoke = time.monotonic()
    with _start(place, opa_binary) as demo:
        for raw in demo.stdout or ():
            silences.append(time.monotonic() - spoke)
            spoke = time.monotonic()
            lines.append(raw.decode())
    text = "".join(lines)
    assert demo.returncode == 0, text
    assert "NOT AS EXPECTED" not in text
    for needed in ("waived by wvr_", "engine_unavailable", "the ledger is whole", "THE LEDGER WAS CHANGED"):
        assert needed in text, text
    assert max(silences) < SILENCE, text
    assert _left(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(place: Path, opa_binary: Path, number: signal.Signals) -> None:
    with _start(place, opa_binary) as demo:
        _until_refused(demo)
        demo.send_signal(number)
        assert demo.stdout is not None
        rest = demo.stdout.read().decode()
    assert demo.returncode == 130, rest
    assert "Traceback" not in rest
    assert _left(place) == []


def test_a_killed_demo_takes_its_server_along(place: Path, opa_binary: Path) -> None:
    with _start(place, opa_binary) as demo:
        _until_refused(demo)
        demo.kill()
    until = time.monotonic() + 15
    while any("proctor" in line or "opa" in line for line in _left(place) if not line.startswith(str(place))):
        assert time.monotonic() < until, _left(place)
        time.sleep(0.1)
