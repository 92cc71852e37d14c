"""Asks Proctor, quickly, and turns everything that is not a yes into the one error that MLflow's clients don't retry.

A 5xx or 429 would make `MlflowClient` try for minutes; so a denial and a dead Proctor alike are 403 PERMISSION_DENIED.
After a failure that cost time, the next calls fail at once for a moment: a dead Proctor must cost milliseconds. An
answer, whatever its status, costs none, and is nobody else's trouble: one user's odd question must not stop the others.
"""

import json
import os
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from proctor_adapters.mlflow.plugin.process import PerProcess

BUDGET: Final = 1.5
"""Seconds for one question: MLflow's handler holds one of few threads meanwhile."""
MANIFEST_BUDGET: Final = 30.0
OPEN_FOR: Final = 2.0
"""Seconds in which nothing is asked after a question got no answer."""
MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer. The longest lists the versions whose files are to be hashed."""
_CONNECT: Final = 0.4
"""Seconds to connect, out of the budget: a server that drops packets is known as dead after that."""
_COSTLY: Final = 0.1
"""Seconds from which on a failure has cost time."""
_BASE: Final = "/v1/adapters/mlflow"
_OK, _CLIENT_ERRORS, _SERVER_ERRORS = 200, 400, 500


class Unavailable(Exception):  # noqa: N818 (it says what Proctor is)
    """Proctor gave no answer that is one; its text says why."""


class Silent(Unavailable):
    """Nothing came back in time: the next call would wait as long."""


class Refused(Unavailable):
    """Proctor understood and refuses: the same again has the same answer."""


class ProctorClient:
    """One per process. Any thread may use it."""

    def __init__(
        self,
        url: str | None,
        socket: str | None,
        key: str,
        transport: httpx.BaseTransport | None = None,
        *,
        authority: str | None = None,
    ) -> None:
        """Take the address or the socket, the key, and the file of the authority that signed Proctor's certificate."""
        self._lock = threading.Lock()
        self._closed_until = 0.0
        if transport is None and socket:
            transport = httpx.HTTPTransport(uds=socket)
        self._client = httpx.Client(
            base_url="http://proctor" if socket else (url or "").rstrip("/"),
            transport=transport,
            headers={"Authorization": f"Bearer {key}"},
            timeout=BUDGET,
            verify=ssl.create_default_context(cafile=authority) if authority else True,
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
        return cls(url, socket, key, authority=environment.get("SSL_CERT_FILE"))

    def ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer. Raises `Unavailable` when there is none in time."""
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                raise Unavailable("it did not answer a moment ago")
            if self._closed_until:
                # One of the callers finds out whether it is back; the others don't wait with it.
                self._closed_until = now + BUDGET
        try:
            answer = self._post("gate", question, BUDGET)
        except Silent:
            with self._lock:
                self._closed_until = time.monotonic() + OPEN_FOR
            raise
        except Unavailable:
            self._alive()
            raise
        self._alive()
        return answer

    def _alive(self) -> None:
        with self._lock:
            self._closed_until = 0.0

    def register(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand over the hashes of a version. Raises `Unavailable`; `Refused` when trying again is of no use."""
        return self._post("manifest", manifest, MANIFEST_BUDGET)

    def retired(self, told: Mapping[str, Any]) -> None:
        """Tell that versions left an alias or a stage. Raises `Unavailable`; `Refused` when again is of no use."""
        self._post("retired", told, MANIFEST_BUDGET)

    def pending(self, versions: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the versions (name, version) whose files are to be hashed now. Raises `Unavailable`."""
        answer = self._post("pending", {"versions": [list(one) for one in versions]}, MANIFEST_BUDGET)
        return {(str(name), str(version)) for name, version in answer["versions"]}

    def _post(self, route: str, body: Mapping[str, Any], budget: float) -> Mapping[str, Any]:
        try:
            content = json.dumps(dict(body), allow_nan=False).encode()
        except ValueError as error:
            raise Refused(f"the question can't be written as JSON: {error}") from error
        started = time.monotonic()
        until = started + budget
        timeout = httpx.Timeout(budget, connect=min(_CONNECT, budget), pool=min(_CONNECT, budget))
        headers = {"Content-Type": "application/json"}
        raw = bytearray()
        try:
            with self._client.stream(
                "POST", f"{_BASE}/{route}", content=content, timeout=timeout, headers=headers
            ) as response:
                # httpx limits each read; an answer that drips must end, too.
                for chunk in response.iter_bytes():
                    raw += chunk
                    if time.monotonic() > until or len(raw) > MAX_ANSWER:
                        raise Silent("its answer does not end")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # A refused connection costs nothing, and the next one may find the server started.
            kind = Silent if time.monotonic() - started > _COSTLY else Unavailable
            raise kind(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        return _document(response.status_code, bytes(raw))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _document(status: int, raw: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise Unavailable(f"HTTP {status} without JSON") from error
    if status == _OK and isinstance(document, dict):
        return document
    detail = document.get("detail") if isinstance(document, dict) else None
    kind = Refused if _CLIENT_ERRORS <= status < _SERVER_ERRORS else Unavailable
    raise kind(f"HTTP {status}: {detail or 'no detail'}"[:1000])


def denied(message: str) -> MlflowException:
    """Return the error that every refusal is, whatever its reason."""
    return MlflowException(f"Proctor: {message}", error_code=PERMISSION_DENIED)


def require(client: ProctorClient, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer if it is yes. Raises `MlflowException` (403) for a no, and for no answer."""
    try:
        answer = client.ask(question)
    except Unavailable as error:
        raise denied(
            f"denied, because nobody could be asked: {error}. Nothing was changed in MLflow. Try again when Proctor "
            "answers; its operator sees in its log, and with 'proctor doctor', why it does not."
        ) from error
    if answer.get("allowed") is not True:
        raise denied(str(answer.get("message") or "denied without a word"))
    return answer


def _configured() -> ProctorClient:
    return ProctorClient.from_environment(os.environ)


shared: Final = PerProcess(_configured)
"""Returns the one client of this process."""
