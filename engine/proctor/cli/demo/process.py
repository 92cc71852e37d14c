"""What the demo starts and leaves: child processes, the throw-away folder, and the order in which they go."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from proctor.cli.demo.narrator import Narrator
from proctor.errors import EngineError

START_LIMIT: Final = 120.0
"""Seconds that a start may take on a machine that is busy with something else."""
_STOP_LIMIT: Final = 15.0
_POLL: Final = 0.1
_INTERRUPTIONS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FOREIGN: Final = ("PROCTOR_", "MLFLOW_", "_MLFLOW", "OPENLINEAGE_")
"""Variables of the user's own servers begin so: none of them gets into the demo."""


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process of the demo: nothing of the user's own Proctor or MLflow gets in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) or name in {"PROCTOR_OPA_BIN", "PROCTOR_DEBUG"}
    }
    # All servers are on loopback; a proxy that the user needs for the network must not be asked for them.
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **own}


class Child:
    """A Python module that runs as a server in a process of its own, until `stop` or until the demo is gone."""

    def __init__(self, name: str, log: Path) -> None:
        self._name = name
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id."""
        if self._process is None:
            raise EngineError(f"asking for the process of {self._name}", "it is not started")
        return self._process.pid

    def start(self, arguments: Sequence[str], own: Mapping[str, str], folder: Path) -> None:
        """Start `python -m ARGUMENTS` in `folder` and return at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "proctor.cli.demo.child", str(os.getpid()), *arguments],
                env=environment(own), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C is ours; we stop it in order
            )  # fmt: skip

    def wait_until(self, ready: Callable[[], bool], narrator: Narrator, text: str) -> None:
        """Wait until it is `ready`. Raises `EngineError` with the end of its log."""
        for _ in narrator.waiting(text, START_LIMIT, _POLL):
            if not self.running:
                raise self._failed("it ended")
            if ready():
                return
        raise self._failed(f"it is not ready after {START_LIMIT:.0f} s")

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def _failed(self, found: str) -> EngineError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        return EngineError(f"starting {self._name}", "\n".join([found, *lines]), "See 'proctor doctor'")

    def stop(self) -> None:
        """Stop it in order; harder when it does not listen. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def playground() -> Iterator[Path]:
    """Yield a private, short-named folder that is gone afterwards, whatever happens, Ctrl-C and SIGTERM included."""

    def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    # Unix sockets have paths of 107 bytes at most, and TMPDIR may be long.
    folder = Path(tempfile.mkdtemp(prefix="proctor-demo-", dir="/tmp" if len(tempfile.gettempdir()) > 40 else None))  # noqa: S108, PLR2004
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nothing interrupt the clearing up: a second Ctrl-C would leave processes behind."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in _INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def children(pid: int, name: str) -> list[int]:
    """Return the ids of the processes below `pid` that run a program called `name` (Linux: /proc)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            command, _, rest = entry.read_text(encoding="utf-8", errors="replace").partition("(")[2].rpartition(")")
        except OSError:  # it ended meanwhile
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and command.startswith(name) and state != "Z":
            found.append(int(entry.parent.name))
    return found


def gone(pid: int, limit: float = 5.0) -> bool:
    """Wait until a process is gone or a zombie; tell whether it is."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        try:
            state = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            )
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.005)
    return False
