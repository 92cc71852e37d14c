"""The demo's own server: a real `proctor serve` on a throw-away state directory and free ports."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
import yaml

from proctor.cli.demo.narrator import Narrator
from proctor.errors import EngineError

START_LIMIT: Final = 60.0
"""Seconds that a start may take, OPA's bundle included, on a machine that is busy with something else."""
_STOP_LIMIT: Final = 15.0
_POLL: Final = 0.1


class Server:
    """A running `proctor serve`. `start` and `stop` may each be called once."""

    def __init__(self, folder: Path, narrator: Narrator, configuration: dict[str, Any]) -> None:
        self.state_dir = folder / "state"
        self._log = folder / "server.log"
        self._narrator = narrator
        self._configuration = folder / "proctor.yaml"
        self._configuration.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self.record: dict[str, Any] = {}

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment for commands on this server: nothing of the user's own Proctor gets in."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PROCTOR_") or name == "PROCTOR_OPA_BIN"
        }
        own = {"PROCTOR_STATE_DIR": str(self.state_dir), "PROCTOR_CONFIG": str(self._configuration)}
        return kept | own | more

    @property
    def pid(self) -> int:
        """Return the process id."""
        if self._process is None:
            raise EngineError("asking for the server's process", "it is not started")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready. Raises `EngineError` with the end of its log."""
        command = [sys.executable, "-P", "-m", "proctor.cli.demo.child", str(os.getpid())]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours; we stop it in order
            )
        for _ in self._narrator.waiting("starting the server: it builds the policy and starts OPA", START_LIMIT, _POLL):
            if self._process.poll() is not None:
                raise self._failed(f"it ended with code {self._process.returncode}")
            if self._ready():
                return
        raise self._failed(f"it is not ready after {START_LIMIT:.0f} s")

    def _ready(self) -> bool:
        try:
            self.record = json.loads((self.state_dir / "run" / "server.json").read_text(encoding="utf-8"))
            with self.operator() as client:
                return client.get("/v1/policy").status_code == httpx.codes.OK
        except (OSError, ValueError, httpx.HTTPError):
            return False

    def _failed(self, found: str) -> EngineError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        return EngineError("starting 'proctor serve'", "\n".join([found, *lines]), "See 'proctor doctor'")

    @contextmanager
    def operator(self, key: str | None = None) -> Iterator[httpx.Client]:
        """Yield a client on the private socket: the local operator, or whoever `key` is."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.HTTPTransport(uds=self.record["socket"])
        with httpx.Client(transport=transport, base_url="http://proctor", headers=headers, timeout=30) as client:
            yield client

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
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
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
