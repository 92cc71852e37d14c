"""Hashes what was registered, in the background, and again from time to time: files can change behind a version.

A version whose files are not hashed yet has no digest, and so can't be promoted: that is right, and takes a moment.
What could not be handed over is tried again; what was missed while MLflow or Proctor was away is found by the round,
which asks Proctor which versions are to be hashed: those that never were, and those that are in use.
"""

import contextlib
import fcntl
import hashlib
import math
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersionTag
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.server.constants import REGISTRY_STORE_URI_ENV_VAR
from mlflow.utils import workspace_context
from mlflow.utils.logging_utils import eprint

from proctor.vocabulary.artifacts import sha256_of, unsafe
from proctor_adapters.mlflow.plugin import client, evidence, files, names
from proctor_adapters.mlflow.plugin.process import PerProcess

CHUNK: Final = 1024 * 1024
EVERY: Final = 300.0
"""Seconds between two rounds over all versions, unless `PROCTOR_REVERIFY_SECONDS` says another number."""
_AGAIN: Final = 2.0
_ATTEMPTS: Final = 30
"""Times that a version is handed over before it waits for the round: about a minute of Proctor's absence."""
_WAITING: Final = 10_000
_AT_ONCE: Final = 500
Job = tuple[str | None, Any, int]
"""Workspace, version, attempts so far."""


class Hasher:
    """One thread per process; versions are hashed one after the other. One process of a machine does the rounds."""

    def __init__(self) -> None:
        self._every = _seconds(os.environ.get("PROCTOR_REVERIFY_SECONDS", str(EVERY)))
        self._queue: queue.Queue[Job] = queue.Queue(_WAITING)
        self._waiting: set[tuple[str | None, str, str]] = set()
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def enqueue(self, version: Any) -> None:
        """Have a version of this request's workspace hashed soon."""
        workspace = workspace_context.get_request_workspace() if MLFLOW_ENABLE_WORKSPACES.get() else None
        self._put((workspace, version, 0))

    def _put(self, job: Job) -> None:
        self.start()
        key = _key(job)
        if key in self._waiting:
            return  # it will be looked at after this moment, which is all that is asked for
        try:
            self._waiting.add(key)
            self._queue.put_nowait(job)
        except queue.Full:
            self._waiting.discard(key)
            eprint("Proctor: many versions wait to be hashed; the round will find this one")

    def start(self) -> None:
        """Start the thread, once in each process."""
        with self._started:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="proctor-hashing", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        next_round = time.monotonic() + self._every
        while True:
            try:
                workspace, version, attempts = self._queue.get(timeout=max(0.1, next_round - time.monotonic()))
            except queue.Empty:
                next_round = time.monotonic() + self._every
                self._round()
                continue
            self._waiting.discard(_key((workspace, version, attempts)))
            if not self._one(workspace, version):
                if attempts < _ATTEMPTS:
                    time.sleep(_AGAIN)
                    self._put((workspace, version, attempts + 1))
                else:
                    eprint(f"Proctor: {version.name} {version.version} waits for the next round")

    def _round(self) -> None:
        try:
            with _only_one() as mine:
                for workspace in _workspaces() if mine else ():
                    with names.in_workspace(workspace):
                        wanted = list(_wanted())
                    for version in wanted:
                        self._one(workspace, version, again=True)
        except client.Unavailable as error:
            eprint(f"Proctor: which versions to hash could not be asked: {error}")
        except Exception as error:  # noqa: BLE001 (a database that is away now is there in the next round)
            eprint(f"Proctor: the versions could not be listed: {error}")

    def _one(self, workspace: str | None, version: Any, *, again: bool = False) -> bool:
        """Hash a version and hand it over; tell whether that is done with.

        What looks as it did when it was hashed is not hashed, but in the round (`again`).
        """
        try:
            with names.in_workspace(workspace):
                if again or look(version) is not Look.SAME:
                    _hash(version)
        except client.Refused as error:
            eprint(f"Proctor: {version.name} {version.version} was hashed, and is not taken: {error}")
        except client.Unavailable as error:
            eprint(f"Proctor: {version.name} {version.version} was hashed and could not be handed over: {error}")
            return False
        except Exception as error:  # noqa: BLE001 (it has no digest then, and is not promoted)
            eprint(f"Proctor: {version.name} {version.version} could not be hashed: {type(error).__name__}: {error}")
        return True


def _key(job: Job) -> tuple[str | None, str, str]:
    workspace, version, _ = job
    return workspace, str(version.name), str(version.version)


def _seconds(text: str) -> float:
    """Return the seconds between two rounds. Raises `MlflowException`, which stops the server at its start."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0.1 <= found <= 86_400:  # noqa: PLR2004 (from a test's impatience to a day)
        raise MlflowException(f"PROCTOR_REVERIFY_SECONDS is {text!r:.40}; it is a number of seconds from 0.1 to 86400.")
    return found


@contextlib.contextmanager
def _only_one() -> Iterator[bool]:
    """Yield whether this process is the one of MLflow's workers that does the round now."""
    where = hashlib.sha256(os.environ.get(REGISTRY_STORE_URI_ENV_VAR, "").encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"proctor-hashing-{os.getuid()}-{where}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _workspaces() -> list[str | None]:
    if not MLFLOW_ENABLE_WORKSPACES.get():
        return [None]
    from mlflow.server import workspace_helpers  # noqa: PLC0415 (only where there are workspaces)

    return [one.name for one in workspace_helpers._get_workspace_store().list_workspaces()]  # noqa: SLF001 (no other way)


def _wanted() -> Iterator[Any]:
    """Yield the versions of this workspace that Proctor wants hashed."""
    batch: dict[tuple[str, str], Any] = {}
    for version in evidence.every_version(evidence.registry_store(), ""):
        batch[names.qualified(version.name), names.version_text(version.version)] = version
        if len(batch) == _AT_ONCE:
            yield from _pending(batch)
            batch = {}
    if batch:
        yield from _pending(batch)


def _pending(batch: dict[tuple[str, str], Any]) -> Iterator[Any]:
    wanted = client.shared().pending(list(batch))
    yield from (version for key, version in batch.items() if key in wanted)


def _location(version: Any) -> str:
    """Return where a version's files are: the very place from which whoever loads it gets them."""
    return str(evidence.registry_store().get_model_version_download_uri(version.name, version.version))


class Look(StrEnum):
    """Whether a version's files look as they did when they were hashed."""

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    """They are not on this machine, or too many to look at, or were not hashed yet."""


def look(version: Any) -> Look:
    """Look at a version's files: one `stat` for each."""
    noted, _, location = version.tags.get(names.FILES, "").partition(" ")
    if not noted:
        return Look.UNKNOWN
    return Look.SAME if files.fingerprint(location) == noted else Look.CHANGED


def _hash(version: Any) -> None:
    location = _location(version)
    before = files.fingerprint(location)
    if before is not None:
        time.sleep(files.TICK)
    found = list(hashed(location))
    if not found:
        eprint(f"Proctor: {version.name} {version.version} has no files")
        return
    known = evidence.of_version(version)
    stated = {"version": known, "files": found, "hashed_at": datetime.now(UTC).isoformat()}
    changed = client.shared().register(stated)["changed"]
    # What was not what had been registered keeps its former note, and so does what was written while it was read.
    if changed or before is None or before != files.fingerprint(location):
        return
    noted = f"{before} {location}"
    if version.tags.get(names.FILES) != noted:
        evidence.registry_store().mark(version.name, version.version, ModelVersionTag(names.FILES, noted))


def hashed(location: str) -> Iterator[dict[str, Any]]:
    """Yield path, SHA-256, size and safety of every file below an artifact location."""
    with files.folder_of(location) as root:
        for path in sorted(files.below(root)):
            with path.open("rb") as file:
                digest, size, beginning = sha256_of(iter(lambda file=file: file.read(CHUNK), b""))  # type: ignore[misc]
            name = path.relative_to(root).as_posix()
            yield {"path": name, "sha256": digest, "size": size, "unsafe": unsafe(name, beginning)}


shared: Final = PerProcess(Hasher)
"""Returns the one hasher of this process."""
