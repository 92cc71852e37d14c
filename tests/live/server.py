"""A real `proctor serve` in a process of its own: started, asked, stopped, killed, started again on the same state."""

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from tests.live import postgres

T = TypeVar("T")

START_LIMIT: Final = 40.0
"""Seconds from starting to ready: building the bundle takes most of them on a machine that does something else."""
STOP_LIMIT: Final = 30.0
_FIRST_PORT, _PORT_SLICES, _PORTS_EACH = 12000, 128, 128
_ports: Final = itertools.count()


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket. Blocking: for what a test arranges, never for load."""

    def __init__(self, path: str, timeout: float = 30.0) -> None:
        super().__init__("proctor", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class ProctorServer:
    """One state directory and the server on it. `start` may be called again after `kill` and `stop`."""

    def __init__(
        self,
        state_dir: Path,
        opa_binary: Path,
        configuration: Mapping[str, Any] | None = None,
        *,
        prelude: str = "",
    ) -> None:
        """`prelude` is Python that the server's process runs first: for faults that only come from inside."""
        self.state_dir = state_dir
        self._prelude = prelude
        self.log = state_dir / "server.log"
        self._opa_binary = opa_binary
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(configuration or {})

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Set the configuration of the next start. Ports are free ones; tests mostly use the private socket."""
        ports = {"port": 0, "operations_port": 0}
        document = {**configuration, "server": {**ports, **configuration.get("server", {})}}
        (self.state_dir / "proctor.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Return the environment for commands on this state: nothing of the user's own Proctor gets in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PROCTOR_")}
        url = postgres.url_of(self.state_dir)
        database = {} if url.startswith("sqlite") else {"PROCTOR_DATABASE_URL": url}
        return (
            kept
            | database
            | {
                "PROCTOR_STATE_DIR": str(self.state_dir),
                "PROCTOR_CONFIG": str(self.state_dir / "proctor.yaml"),
                "PROCTOR_OPA_BIN": str(self._opa_binary),
            }
        )

    @property
    def socket(self) -> str:
        """Return the path of the private socket, on which the local operator asks."""
        return str(self.state_dir / "run" / "api.sock")

    @property
    def pid(self) -> int:
        """Return the process id of the server."""
        assert self._process is not None, "the server is not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process and return at once."""
        program = f"{self._prelude}\nfrom proctor.cli.main import main\nmain(['serve'])"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", program],
                env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def start(self) -> None:
        """Start the process and wait until it answers on its private socket."""
        self.launch()
        wait_for(self.answers, START_LIMIT, lambda: f"the server does not come up:\n{self.tail()}")

    def answers(self) -> bool:
        """Tell whether it serves; fail the test when it has ended."""
        assert self.running, f"the server ended:\n{self.tail()}"
        try:
            record = json.loads((self.state_dir / "run" / "server.json").read_text(encoding="utf-8"))
            return record["pid"] == self.pid and self.call("GET", "/v1/policy", timeout=5)[0] == http.client.OK
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, timeout: float = 30.0
    ) -> tuple[int, Any]:
        """Return status and document of one call on the private socket."""
        connection = LocalConnection(self.socket, timeout)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            raw = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
            connection.request(method, path, raw, {**headers, "Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return response.status, json.loads(text) if text else None

    def made(self, path: str, body: Any) -> Any:
        """POST and return the document; fail the test when it is refused."""
        status, document = self.call("POST", path, body)
        assert status in {200, 201}, f"POST {path}: {status} {document}"
        return document

    def ready(self) -> tuple[int, Any]:
        """Return what the readiness route answers."""
        record = json.loads((self.state_dir / "run" / "server.json").read_text(encoding="utf-8"))
        host, _, port = record["operations"].removeprefix("http://").rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            connection.request("GET", "/health/ready")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_LIMIT)

    def wait(self, limit: float = STOP_LIMIT) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        return self._process.wait(limit)

    def stop(self) -> None:
        """Stop it in order if it runs, harder if it does not listen."""
        if not self.running:
            return
        self.signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def command(self, *arguments: str, limit: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a `proctor` command on this state."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "proctor.cli", *arguments],
            env=self.environment(), capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip

    def tail(self, lines: int = 25) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def engines(self) -> list[int]:
        """Return the ids of the OPA processes of this server."""
        return children(self.pid, "opa")

    def rss(self) -> int:
        """Return the resident memory of the server, in bytes."""
        return rss(self.pid)


@contextmanager
def running(server: ProctorServer) -> Iterator[ProctorServer]:
    """Yield the server, started; see to it that it and its OPA are gone afterwards, whatever happened."""
    try:
        server.start()
        yield server
    finally:
        try:
            server.stop()
        finally:
            server.kill()


def wait_for(ready: Callable[[], T], limit: float, complaint: Callable[[], str], every: float = 0.02) -> T:
    """Return the first true answer of `ready`; fail the test with `complaint` after `limit` seconds."""
    until = time.monotonic() + limit
    while True:
        if found := ready():
            return found
        if time.monotonic() > until:
            raise AssertionError(complaint())
        time.sleep(every)


def free_port() -> int:
    """Return a port of loopback that is free now and that nobody else is likely to take before it is used.

    One that the kernel picks can be gone by then: it gives the same ports to every connection that anybody opens. So
    it comes from below the kernel's range (from 32768 on Linux), and from a part of it that is this process's own.
    """
    for _ in range(_PORTS_EACH):
        port = _FIRST_PORT + os.getpid() % _PORT_SLICES * _PORTS_EACH + next(_ports) % _PORTS_EACH
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"none of the {_PORTS_EACH} ports up to {port} is free")


def children(pid: int, name: str) -> list[int]:
    """Return the ids of the live processes below `pid` whose program is called `name` (Linux: /proc)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            program, _, rest = entry.read_text(encoding="utf-8", errors="replace").partition("(")[2].rpartition(")")
        except OSError:  # it ended meanwhile
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and program == name and state != "Z":
            found.append(int(entry.parent.name))
    return found


def rss(pid: int) -> int:
    """Return the resident memory of a process, in bytes (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory: it has ended")


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, in seconds (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
