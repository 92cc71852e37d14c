"""The demo's own MLflow: a real server with basic-auth, and Proctor's gate in its registry store."""

import contextlib
import io
import os
import secrets
import socket
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from proctor.cli.demo import process
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.process import Child
from proctor.errors import EngineError

ADMIN: Final = "admin"
_REVERIFY_SECONDS: Final = "2"
"""How often the files of what is in use are hashed again. In earnest it is minutes."""


class Registry:
    """A `mlflow server` whose registry asks Proctor. `start` returns at once: MLflow imports for many seconds."""

    def __init__(self, folder: Path, narrator: Narrator) -> None:
        self.folder = folder / "mlflow"
        self.folder.mkdir()
        self.artifacts = self.folder / "artifacts"
        self._narrator = narrator
        self._child = Child("MLflow", self.folder / "mlflow.log")
        self._passwords: defaultdict[str, str] = defaultdict(lambda: secrets.token_urlsafe(12))
        self.url = ""
        (self.folder / "auth.ini").write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = sqlite:///{self.folder}/auth.db\nadmin_username = {ADMIN}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            # Spares a fifth of a second of each request: MLflow remembers whose password it has checked.
            "auth_cache_ttl_seconds = 300\n",
            encoding="utf-8",
        )

    def start(self, proctor_socket: str, proctor_key: str) -> None:
        """Start it; `proctor_key` is MLflow's own key for Proctor."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        database = f"sqlite:///{self.folder}/mlflow.db"
        own = {
            "PROCTOR_SOCKET": proctor_socket, "PROCTOR_API_KEY": proctor_key,
            "PROCTOR_REVERIFY_SECONDS": _REVERIFY_SECONDS,
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self._passwords[ADMIN],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TMPDIR": str(self.folder),
        }  # fmt: skip
        command = [
            "mlflow", "server", "--app-name", "proctor",
            "--backend-store-uri", database, "--registry-store-uri", f"proctor+{database}",
            "--artifacts-destination", str(self.artifacts),
            "--workers", "1", "--host", "127.0.0.1", "--port", str(port),
        ]  # fmt: skip
        self._child.start(command, own, self.folder)

    def wait(self) -> None:
        """Wait until it answers. Raises `EngineError` with the end of its log."""
        self._child.wait_until(self._answers, self._narrator, "waiting for MLflow, which has been starting meanwhile")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._child.running

    def stop(self) -> None:
        """Stop it with its worker. Harmless when it does not run."""
        self._child.stop()

    def add_user(self, name: str) -> None:
        """Add a login with a password of its own."""
        self.admin("/api/2.0/mlflow/users/create", {"username": name, "password": self._passwords[name]})

    def admin(self, path: str, body: dict[str, Any]) -> None:
        """POST as MLflow's admin."""
        auth = (ADMIN, self._passwords[ADMIN])
        response = httpx.post(f"{self.url}{path}", json=body, auth=auth, timeout=30, trust_env=False)
        if response.is_error:
            raise EngineError(f"POST {path} to MLflow", f"HTTP {response.status_code}: {response.text[:500]}")

    def credentials(self, name: str) -> dict[str, str]:
        """Return the variables by which MLflow's client is `name`."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": self._passwords[name],
        }

    @contextmanager
    def session(self, name: str, **more: str) -> Iterator[None]:
        """Be `name` for MLflow's client in this process, with what it prints left out."""
        quiet = {
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "GIT_PYTHON_REFRESH": "quiet",
        }  # fmt: skip
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(process.environment(quiet | self.credentials(name) | more))
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
