"""What Proctor is measured against: bare OPA processes with the same bundle, asked with the very same input bytes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.live import generator
from tests.live.server import LocalConnection, wait_for

QUERY: Final = "/v1/data/governance/main/decision?strict-builtin-errors=true"


@dataclass
class Load:
    """What one run of the load generator measured."""

    rate: float
    """Answers a second."""
    p50: float
    """Seconds."""
    p99: float
    count: int


@dataclass
class Target:
    """Something that is asked over a Unix socket."""

    name: str
    socket: str
    requests: Sequence[str]
    marker: str

    def press(self, clients: int, seconds: float) -> Load:
        """Let `clients` ask for `seconds`; fail unless every answer is right."""
        job = {
            "socket": self.socket, "requests": list(self.requests), "clients": clients, "seconds": seconds,
            "marker": self.marker,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-I", generator.__file__], input=json.dumps(job), capture_output=True, text=True,
            timeout=seconds + 60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["wrong"] == 0, f"{self.name}: {found['wrong']} of {found['count']} answers are wrong"
        latencies = found["latencies"]
        return Load(
            found["count"] / found["seconds"], latencies[len(latencies) // 2],
            latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))], found["count"],
        )  # fmt: skip


def http(path: str, body: bytes, key: str | None = None) -> str:
    """Return a whole request for the generator."""
    authorisation = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\n{authorisation}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body.decode()}"
    )


@contextmanager
def bare_opa(
    binary: Path, bundle: Path, public_key: Path, folder: Path, *, gogc: int | None, console: bool = False
) -> Iterator["Bare"]:
    """Yield an OPA with our bundle and authorisation. `console` writes its decision log to a file, as people do."""
    name = f"{bundle.name.split('.')[0]}-{gogc}-{console}"
    path = folder / f"{name}.sock"
    arguments = [
        str(binary), "run", "--server", "--addr", f"unix://{path}", "--authorization", "basic",
        "--bundle", str(bundle), "--verification-key", str(public_key), "--signing-alg", "ES256",
        "--skip-version-check", "--log-level", "info" if console else "error", "--log-format", "json",
    ]  # fmt: skip
    if console:
        arguments += ["--set", "decision_logs.console=true"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOGC", "OPA_"))}
    if gogc is not None:
        environment["GOGC"] = str(gogc)
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(path.exists, 60, lambda: (folder / f"{name}.log").read_text()[-2000:])
            yield Bare(process.pid, str(path))
        finally:
            process.kill()
            process.wait()
            (folder / f"{name}.log").unlink()


@dataclass
class Bare:
    """A running bare OPA."""

    pid: int
    socket: str

    def decide(self, document: bytes) -> dict[str, Any]:
        """Return the verdict on the canonical bytes of an input."""
        connection = LocalConnection(self.socket, 60)
        try:
            connection.request("POST", QUERY, b'{"input":' + document + b"}", {"Content-Type": "application/json"})
            response = connection.getresponse()
            found = json.loads(response.read())
        finally:
            connection.close()
        assert "result" in found, found
        verdict: dict[str, Any] = found["result"]
        return verdict

    def target(self, name: str, inputs: Sequence[bytes], marker: str = '"outcome":"allow"') -> Target:
        """Return it as something to press."""
        return Target(name, self.socket, [http(QUERY, b'{"input":' + raw + b"}") for raw in inputs], marker)
