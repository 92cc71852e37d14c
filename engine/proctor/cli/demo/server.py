"""The demo's own Proctor: a real `proctor serve` on a throw-away state directory and free ports."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from proctor.cli.demo import process
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.process import Child


class Server:
    """A `proctor serve`. It may be started again after `stop`, on the same state and another port."""

    def __init__(
        self, folder: Path, narrator: Narrator, configuration: dict[str, Any], secrets: dict[str, str]
    ) -> None:
        """`secrets` are variables that the server alone gets."""
        self.folder = folder
        self.state_dir = folder / "state"
        self._narrator = narrator
        self._secrets = secrets
        self.configuration = folder / "proctor.yaml"
        self.configuration.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        self._child = Child("'proctor serve'", folder / "server.log")
        self.record: dict[str, Any] = {}

    @property
    def own(self) -> dict[str, str]:
        """Return the variables by which a command finds this server."""
        return {"PROCTOR_STATE_DIR": str(self.state_dir), "PROCTOR_CONFIG": str(self.configuration)}

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment for commands on this server."""
        return process.environment(self.own | more)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._child.running

    def start(self, text: str = "starting the server: it builds the policy and starts OPA") -> None:
        """Start it and wait until it is ready. Raises `EngineError` with the end of its log."""
        self._child.start(["proctor.cli", "serve"], self.own | self._secrets, self.folder)
        self._child.wait_until(self._ready, self._narrator, text)

    def _ready(self) -> bool:
        try:
            self.record = json.loads((self.state_dir / "run" / "server.json").read_text(encoding="utf-8"))
            with self.operator() as client:
                return self.record["pid"] == self.pid and client.get("/v1/policy").status_code == httpx.codes.OK
        except (OSError, ValueError, httpx.HTTPError):
            return False

    @contextmanager
    def operator(self, key: str | None = None) -> Iterator[httpx.Client]:
        """Yield a client on the private socket: the local operator, or whoever `key` is."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.HTTPTransport(uds=self.record["socket"])
        with httpx.Client(transport=transport, base_url="http://proctor", headers=headers, timeout=30) as client:
            yield client

    def stop(self) -> None:
        """Stop it in order; harder when it does not listen. Harmless when it does not run."""
        self._child.stop()
