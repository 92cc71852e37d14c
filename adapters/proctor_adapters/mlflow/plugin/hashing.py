"""Hashes what was registered, in the background, and again from time to time: files can change behind a version.

A version whose files are not hashed yet has no digest, and so can't be promoted: that is right, and takes a moment.
What could not be handed over is tried again; what was missed while MLflow was away is found by the round over all of
them.
"""

import os
import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mlflow.utils.logging_utils import eprint

from proctor.vocabulary.artifacts import sha256_of, unsafe
from proctor_adapters.mlflow.plugin import client, evidence

CHUNK: Final = 1024 * 1024
EVERY: Final = 300.0
"""Seconds between two rounds over all versions, unless `PROCTOR_REVERIFY_SECONDS` says another number."""
_AGAIN: Final = 2.0
_WAITING: Final = 10_000


class Hasher:
    """One thread per process; versions are hashed one after the other."""

    def __init__(self) -> None:
        self._every = float(os.environ.get("PROCTOR_REVERIFY_SECONDS", EVERY))
        self._queue: queue.Queue[Any] = queue.Queue(_WAITING)
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def enqueue(self, version: Any) -> None:
        """Have a version hashed soon. A full queue is no error: the round finds the version too."""
        self.start()
        try:
            self._queue.put_nowait(version)
        except queue.Full:
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
                version = self._queue.get(timeout=max(0.1, next_round - time.monotonic()))
            except queue.Empty:
                next_round = time.monotonic() + self._every
                self._round()
                continue
            if not self._one(version):
                time.sleep(_AGAIN)
                self.enqueue(version)

    def _round(self) -> None:
        store = evidence.registry_store()
        token = None
        while True:
            try:
                page = store.search_model_versions("", max_results=200, page_token=token)
            except Exception as error:  # noqa: BLE001 (a database that is away now is there in the next round)
                eprint(f"Proctor: the versions could not be listed: {error}")
                return
            for version in page:
                self._one(version)
            token = page.token
            if not token:
                return

    def _one(self, version: Any) -> bool:
        """Hash a version and hand it over; tell whether that is done with."""
        try:
            known = evidence.of_version(version)
            location = _location(version)
            if location is None:
                return True  # a prompt, or a source that is nowhere
            files = list(hashed(location))
            if files:
                stated = {"version": known, "files": files, "hashed_at": datetime.now(UTC).isoformat()}
                client.shared().register(stated)
        except client.Unavailable as error:
            eprint(f"Proctor: {version.name} {version.version} was hashed and could not be handed over: {error}")
            return False
        except Exception as error:  # noqa: BLE001 (it has no digest then, and is not promoted)
            eprint(f"Proctor: {version.name} {version.version} could not be hashed: {error}")
        return True


def _location(version: Any) -> str | None:
    tracking = evidence.tracking_store()
    model = evidence.logged_model(tracking, version.source, None)
    if model is not None:
        return str(model.artifact_location)
    return None if version.source.startswith(("models:/", "runs:/", "dummy-source")) else str(version.source)


def hashed(location: str) -> Iterator[dict[str, Any]]:
    """Yield path, SHA-256, size and safety of every file below an artifact location."""
    repo, prefix = evidence.repository(location)
    with TemporaryDirectory(prefix="proctor-") as folder:
        root = Path(repo.download_artifacts(prefix, folder))
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                digest, size, beginning = sha256_of(iter(lambda file=file: file.read(CHUNK), b""))  # type: ignore[misc]
            name = path.relative_to(root).as_posix()
            yield {"path": name, "sha256": digest, "size": size, "unsafe": unsafe(name, beginning)}


_one: dict[int, Hasher] = {}
_lock = threading.Lock()


def shared() -> Hasher:
    """Return the one hasher of this process. A fork has no threads of its parent, and gets its own."""
    with _lock:
        pid = os.getpid()
        if pid not in _one:
            _one.clear()
            _one[pid] = Hasher()
        return _one[pid]
