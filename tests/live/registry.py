"""A real MLflow server with Proctor's gate in it, in a process of its own: basic-auth, SQLite, proxied artifacts."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from werkzeug.security import generate_password_hash

from tests.live.server import free_port

START_LIMIT: Final = 90.0
"""Seconds. 7 to 12 on a quiet machine: MLflow imports for most of them."""
ADMIN, ADMIN_PASSWORD = "admin", "adminpassword1234"


class MlflowServer:
    """One folder and the server on it."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, gated: bool = True, options: Sequence[str] = ()
    ) -> None:
        """Take the variables for the gate, whether there is one, and more options of `mlflow server`."""
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.log = folder / "mlflow.log"
        self.settings = dict(environment)
        self._gated = gated
        self._options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "auth.ini").write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = sqlite:///{folder}/auth.db\nadmin_username = {ADMIN}\nadmin_password = {ADMIN_PASSWORD}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PROCTOR_", "MLFLOW_", "_MLFLOW"))}
        own = {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32, "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
        }  # fmt: skip
        database = f"sqlite:///{self.folder}/mlflow.db"
        registry = f"proctor+{database}" if self._gated else database
        command = [
            sys.executable, "-P", "-m", "mlflow", "server", "--app-name", "proctor" if self._gated else "basic-auth",
            "--backend-store-uri", database, "--registry-store-uri", registry,
            "--artifacts-destination", str(self.artifacts), "--workers", "1", "--host", "127.0.0.1",
            "--port", str(port), *self._options,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=kept | own | self.settings, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_LIMIT
        while not self._answers():
            assert self._process.poll() is None, f"MLflow ended:\n{self.tail()}"
            assert time.monotonic() < until, f"MLflow does not come up:\n{self.tail()}"
            time.sleep(0.2)
        self._hash_cheaply(ADMIN, ADMIN_PASSWORD)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def user(self, name: str) -> None:
        """Add a user, with the password that `credentials` gives."""
        body = {"username": name, "password": f"{name}password1234"}
        response = httpx.post(f"{self.url}/api/2.0/mlflow/users/create", json=body, auth=(ADMIN, ADMIN_PASSWORD))
        assert response.status_code == httpx.codes.OK, response.text
        self._hash_cheaply(name, body["password"])

    def _hash_cheaply(self, name: str, password: str) -> None:
        """Spare the tests MLflow's scrypt, a fifth of a second of each request; what is checked stays the same."""
        with contextlib.closing(sqlite3.connect(self.folder / "auth.db", timeout=20)) as database, database:
            cheap = generate_password_hash(password, method="pbkdf2:sha256:1")
            changed = database.execute("UPDATE users SET password_hash = ? WHERE username = ?", (cheap, name))
            assert changed.rowcount == 1, f"{name} is no user"

    def credentials(self, name: str) -> dict[str, str]:
        """Return the environment in which MLflow's client is `name`."""
        password = ADMIN_PASSWORD if name == ADMIN else f"{name}password1234"
        return {
            "MLFLOW_TRACKING_URI": self.url, "MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        }  # fmt: skip

    def rest(self, method: str, path: str, body: Any = None, user: str = ADMIN) -> httpx.Response:
        """Call MLflow's REST API as `user`."""
        password = ADMIN_PASSWORD if user == ADMIN else f"{user}password1234"
        return httpx.request(method, f"{self.url}{path}", json=body, auth=(user, password), timeout=20)

    def stop(self) -> None:
        """Stop it with its workers."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def tail(self, lines: int = 40) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@contextmanager
def running_mlflow(server: MlflowServer) -> Iterator[MlflowServer]:
    """Yield the server, started; see to it that it is gone afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
