"""Asks Proctor, quickly, and turns everything that is not a yes into the one error that MLflow's clients don't retry.

A 5xx or 429 would make `MlflowClient` try for minutes; so a denial and a dead Proctor alike are 403 PERMISSION_DENIED.
After a failure that cost time, the next calls fail at once for a moment: a dead Proctor must cost milliseconds.
"""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

BUDGET: Final = 1.5
"""Seconds for one question: MLflow's handler holds one of few threads meanwhile."""
MANIFEST_BUDGET: Final = 30.0
OPEN_FOR: Final = 2.0
"""Seconds in which nothing is asked after a question got no answer."""
_GATE, _MANIFEST = "/v1/adapters/mlflow/gate", "/v1/adapters/mlflow/manifest"
_OK: Final = 200


class Unavailable(Exception):  # noqa: N818 (it says what Proctor is)
    """Proctor gave no answer; its text says why."""


class ProctorClient:
    """One per process. Any thread may use it."""

    def __init__(
        self, url: str | None, socket: str | None, key: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._where = socket or url or ""
        if transport is None and socket:
            transport = httpx.HTTPTransport(uds=socket)
        self._client = httpx.Client(
            base_url="http://proctor" if socket else (url or "").rstrip("/"),
            transport=transport,
            headers={"Authorization": f"Bearer {key}"},
            timeout=BUDGET,
            follow_redirects=False,
            trust_env=False,
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ProctorClient":
        """Return the client that `PROCTOR_*` names. Raises `MlflowException` that says which variable is missing."""
        url, socket = environment.get("PROCTOR_URL"), environment.get("PROCTOR_SOCKET")
        key = environment.get("PROCTOR_API_KEY")
        if not key or not (url or socket):
            missing = "PROCTOR_API_KEY" if not key else "PROCTOR_URL or PROCTOR_SOCKET"
            raise MlflowException(
                f"Starting the gated registry: {missing} is not set. Set it to the server and to a key with the role "
                "'gate' (proctor key create ID --role gate --point mlflow-registry --environment '*')."
            )
        return cls(url, socket, key)

    def ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer. Raises `Unavailable` when there is none in time."""
        with self._lock:
            if time.monotonic() < self._closed_until:
                raise Unavailable("it did not answer a moment ago")
        try:
            return self._post(_GATE, question, BUDGET)
        except Unavailable:
            with self._lock:
                self._closed_until = time.monotonic() + OPEN_FOR
            raise

    def register(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand over the hashes of a version. Raises `Unavailable`."""
        return self._post(_MANIFEST, manifest, MANIFEST_BUDGET)

    def _post(self, path: str, body: Mapping[str, Any], budget: float) -> Mapping[str, Any]:
        try:
            response = self._client.post(path, json=dict(body), timeout=budget)
            document = response.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        except ValueError as error:
            raise Unavailable(f"HTTP {response.status_code} without JSON") from error
        if response.status_code != _OK or not isinstance(document, dict):
            detail = document.get("detail") if isinstance(document, dict) else None
            raise Unavailable(f"HTTP {response.status_code}: {detail or 'no detail'}"[:1000])
        return document

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def denied(message: str) -> MlflowException:
    """Return the error that every refusal is, whatever its reason."""
    return MlflowException(f"Proctor: {message}", error_code=PERMISSION_DENIED)


def require(client: ProctorClient, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer if it is yes. Raises `MlflowException` (403) for a no, and for no answer."""
    try:
        answer = client.ask(question)
    except Unavailable as error:
        raise denied(
            f"denied, because nobody could be asked: {error}. Nothing was changed. Try again when Proctor runs; "
            "its operator sees why it does not."
        ) from error
    if answer.get("allowed") is not True:
        raise denied(str(answer.get("message") or "denied without a word"))
    return answer


_one: dict[int, ProctorClient] = {}
_lock = threading.Lock()


def shared() -> ProctorClient:
    """Return the one client of this process. A fork gets its own: connections are not shared."""
    with _lock:
        pid = os.getpid()
        if pid not in _one:
            _one.clear()
            _one[pid] = ProctorClient.from_environment(os.environ)
        return _one[pid]
