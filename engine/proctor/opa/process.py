"""One OPA process: started so that it can't outlive us, watched for its end, and stopped without losing a call.

Traps behind the form, each with a test: the parent-death signal follows the thread that spawned the child, so all
children are spawned by one thread that lives as long as this process; Ctrl-C in a terminal reaches every process of
the group, so a child gets a session of its own; a second OPA takes over a live socket silently, so each child has a
socket name of its own; OPA prints why it refuses a bundle on standard output, so both streams are kept.
"""

import asyncio
import contextlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import structlog

from proctor.errors import OpaError
from proctor.opa import bundle as bundles
from proctor.opa import launch
from proctor.opa.bundle import BuiltBundle
from proctor.settings import OpaSettings

log = structlog.get_logger(__name__)

_MAX_SOCKET_PATH: Final = 107
"""Bytes, from `sun_path` of unix(7) without its final zero."""
_KEPT_OUTPUT: Final = 16 * 1024
_PID_FILE: Final = "opa-{name}.json"
GRACE: Final = 10.0
"""Seconds that OPA has to finish its requests after SIGTERM (`--shutdown-grace-period`), before it is killed."""


class _Spawner:
    """A thread that starts children, and ends with this process."""

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="opa-spawner", daemon=True).start()

    def _serve(self) -> None:
        while True:
            work, promise = self._wanted.get()
            # From here on nobody can cancel it: a promise that is cancelled while it is kept would end this thread, and
            # with it every child.
            if not promise.set_running_or_notify_cancel():
                continue
            try:
                promise.set_result(work())
            except BaseException as error:  # noqa: BLE001 (it is raised where it was asked for)
                promise.set_exception(error)

    def run(self, work: Callable[[], Any]) -> Future[Any]:
        promise: Future[Any] = Future()
        self._wanted.put((work, promise))
        return promise


_spawner: _Spawner | None = None
_spawner_of = 0


def _the_spawner() -> _Spawner:
    """Return the one spawner of this process; a fork has none of the threads of its parent, and gets its own."""
    global _spawner, _spawner_of
    if _spawner is None or _spawner_of != os.getpid():
        _spawner, _spawner_of = _Spawner(), os.getpid()
    return _spawner


class _Output(asyncio.Protocol):
    """Keeps the end of what the child prints."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.ended = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (either way there is no more)
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        while self._size > _KEPT_OUTPUT and len(self._chunks) > 1:
            self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        raw = b"".join(self._chunks)[-_KEPT_OUTPUT:]
        return raw.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class _Spawned:
    process: "subprocess.Popen[bytes]"
    descriptor: int
    """A pidfd: becomes readable when the process ends, and never names another one."""

    def discard(self) -> None:
        """Kill it and forget it."""
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


class OpaProcess:
    """A running OPA with one signed bundle. `start` makes it."""

    def __init__(self, spawned: _Spawned, socket: Path, record: Path, output: _Output, arguments: list[str]) -> None:
        self._spawned = spawned
        self._record = record
        self._output = output
        self._reading: asyncio.ReadTransport | None = None
        self._cleared = False
        self.socket = socket
        self.arguments = arguments
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(spawned.descriptor, self._on_end)

    @classmethod
    async def start(cls, binary: Path, bundle: BuiltBundle, run_dir: Path, settings: OpaSettings) -> "OpaProcess":
        """Spawn an OPA; it does not answer yet. Raises `OpaError` when it can't be spawned.

        `run_dir` gets the socket and a file that names the process, so that a later start finds one that was left.
        """
        tried = f"starting {binary}"
        try:
            socket, record = _places(run_dir)
            arguments = command(binary, bundle, socket)
            spawned, reading = await _spawned(arguments, settings)
        except OSError as error:
            raise OpaError(tried, str(error), "Look at 'proctor doctor'") from error
        output = _Output()
        child = cls(spawned, socket, record, output, arguments)
        try:
            child._reading, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: output, reading)
            _write_record(record, child.pid, socket)
        except BaseException as error:
            reading.close()
            child.kill()
            await child.ended.wait()
            child.clear()
            if isinstance(error, OSError):
                remedy = "Make room, and see to it that this user owns the directory"
                raise OpaError(tried, str(error), remedy) from error
            raise
        return child

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._spawned.process.pid

    async def last_words(self) -> str:
        """Return the end of what it printed, on one line for each message. Call it when the process has ended."""
        with contextlib.suppress(TimeoutError):
            # Its end is told by another descriptor than its words, in any order.
            async with asyncio.timeout(1.0):
                await self._output.ended.wait()
        return _messages(self._output.text())

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._spawned.descriptor)
        self._spawned.process.wait()
        self.ended.set()

    def kill(self) -> None:
        """Send SIGKILL. Harmless when it has ended."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):  # it ended, and the loop has not told us yet
                signal.pidfd_send_signal(self._spawned.descriptor, number)

    async def stop(self) -> None:
        """End it: SIGTERM, its requests end, then SIGKILL. Returns when it is gone and has left nothing behind."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a stopped process takes SIGTERM to heart when it goes on
        try:
            async with asyncio.timeout(GRACE + 1.0):
                await self.ended.wait()
        except TimeoutError:
            log.warning("opa.killed", pid=self.pid, reason="it did not end after SIGTERM")
            self.kill()
            await self.ended.wait()
        self.clear()

    def clear(self) -> None:
        """Remove what an ended process has left: its socket, its record, our ends of its pipes."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        if not self._cleared:
            self._cleared = True
            os.close(self._spawned.descriptor)
        _remove_socket(self.socket, self._record.parent)
        self._record.unlink(missing_ok=True)


def command(binary: Path, bundle: BuiltBundle, socket: Path) -> list[str]:
    """Return the command line: authorised, verified, on a private socket, without a word to the outside."""
    return [
        str(binary), "run", "--server",
        "--addr", f"unix://{socket}", "--unix-socket-perm", "600",
        "--authorization", "basic",
        "--bundle", str(bundle.path),
        "--verification-key", str(bundle.public_key_path), "--signing-alg", bundles.SIGNING_ALGORITHM,
        "--skip-version-check", "--log-level", "error", "--log-format", "json",
        "--shutdown-grace-period", str(int(GRACE)),
    ]  # fmt: skip


async def _spawned(arguments: list[str], settings: OpaSettings) -> tuple[_Spawned, IO[bytes]]:
    """Return a child that the spawner has started, and the pipe with what it prints. Raises `OSError`.

    A caller that is cancelled meanwhile leaves no child behind.
    """
    reading, writing = os.pipe()
    pipe = os.fdopen(reading, "rb", buffering=0)
    starting = asyncio.wrap_future(_the_spawner().run(lambda: _spawn(arguments, writing, settings)))
    try:
        return await asyncio.shield(starting), pipe
    except BaseException as error:
        pipe.close()
        if isinstance(error, asyncio.CancelledError):
            with contextlib.suppress(OSError):  # then there is no child
                (await starting).discard()
        raise


def _spawn(arguments: list[str], output: int, settings: OpaSettings) -> _Spawned:
    """Start the child from the calling thread, which must live as long as this process; close our end of `output`."""
    # Nothing of our own environment: it may hold secrets and proxies, and OPA reads OPA_* variables as options.
    environment = {"GOGC": str(settings.gogc), "GOMEMLIMIT": settings.memory_limit, "HOME": "/nonexistent"}
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd="/",
            start_new_session=True, umask=0o077,
        )  # fmt: skip
    finally:
        os.close(output)
    try:
        return _Spawned(process, os.pidfd_open(process.pid))
    except OSError:
        process.kill()
        process.wait()
        raise


def _places(run_dir: Path) -> tuple[Path, Path]:
    """Return where a new child listens, and where it is recorded."""
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    run_dir.chmod(0o700)
    name = f"{os.getpid()}-{secrets.token_hex(4)}"
    return socket_path(run_dir, f"opa-{name}.sock"), run_dir / _PID_FILE.format(name=name)


def socket_path(run_dir: Path, name: str) -> Path:
    """Return a path for a socket, in `run_dir` or, where that is too long for one, in a private temporary folder."""
    path = run_dir.absolute() / name
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="proctor-", dir="/tmp")) / name


def _remove_socket(socket: Path, run_dir: Path) -> None:
    socket.unlink(missing_ok=True)
    if socket.parent != run_dir.absolute():
        with contextlib.suppress(OSError):  # somebody else's files in it are not ours to remove
            socket.parent.rmdir()


def _messages(text: str) -> str:
    lines = []
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        lines.append(str(document.get("msg", line)) if isinstance(document, dict) else line)
    return "\n".join(line for line in lines if line.strip())


# --- What an earlier server has left --------------------------------------------------------------------------------


def _started(pid: int) -> str | None:
    """Return when a process began, in clock ticks since boot: field 22 of /proc/PID/stat, proc(5)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def _write_record(path: Path, pid: int, socket: Path) -> None:
    document = {"pid": pid, "started": _started(pid), "socket": str(socket)}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file)


def sweep(run_dir: Path) -> list[int]:
    """Kill every OPA that an earlier holder of `run_dir` has left, remove its files, and return the process ids.

    Called by the holder of the state lock before it starts a child of its own: whoever started these is gone. A
    process is only killed when its start time and its command line say that it is the recorded one.
    """
    killed: list[int] = []
    for record in sorted(run_dir.glob(_PID_FILE.format(name="*"))):
        try:
            pid, started, socket = _read_record(record)
            if _kill_recorded(pid, started, socket):
                killed.append(pid)
            _remove_socket(socket, run_dir)
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            log.warning("opa.sweep_unreadable", record=str(record), error=str(error))
        with contextlib.suppress(OSError):  # a folder, or not ours: it has been warned of, and is in nobody's way
            record.unlink(missing_ok=True)
    return killed


def _read_record(record: Path) -> tuple[int, object, Path]:
    document = json.loads(record.read_text(encoding="utf-8"))
    socket = Path(document["socket"])
    # The socket is going to be removed: only the one that belongs to this record can be meant.
    if socket.name != record.with_suffix(".sock").name or not socket.is_absolute():
        raise ValueError(f"{str(socket)!r:.200} is not its socket")
    return int(document["pid"]), document["started"], socket


def _kill_recorded(pid: int, started: object, socket: Path) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, ValueError, OverflowError):  # it is gone
        return False
    try:
        # Read after the pidfd is open: what it names can't become another process meanwhile.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if _started(pid) != started or f"unix://{socket}".encode() not in arguments:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:  # it ended while we looked
        return False
    finally:
        os.close(descriptor)
    log.warning("opa.swept", pid=pid, reason="an earlier server left it")
    return True
