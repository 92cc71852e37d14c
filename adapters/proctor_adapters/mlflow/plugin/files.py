"""Files of versions, read where they lie: never by way of our own HTTP, and on this machine without a copy.

A fingerprint tells cheaply whether files on this machine are still those that were hashed: one `stat` for each. It is
no proof of what is in them (that is the hash); it finds what was written since, because nobody but the kernel sets the
time at which a file was last changed (`st_ctime`).
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

_PROXIED: Final = "mlflow-artifacts:"
_MAX_COUNTED: Final = 1000
"""Files of a version up to which a promotion looks at each; about 10 ms."""
TICK: Final = 0.05
"""Seconds between a fingerprint and the hashing of what it is of. File systems stamp with the kernel's coarse clock, up
to 10 ms apart: of two changes within one tick, both bear the same time, and so both must come before the hashing."""


def repository(location: str) -> tuple[Any, str]:
    """Return the repository behind an artifact location, and the path in it; never by way of our own HTTP."""
    if location.startswith(_PROXIED):
        from mlflow.server import handlers  # noqa: PLC0415 (it loads plugins while it is being made: a circle)

        path = location.removeprefix(_PROXIED).lstrip("/")
        return handlers._get_artifact_repo_mlflow_artifacts(), path  # noqa: SLF001 (MLflow has no public name for it)
    return get_artifact_repository(location), ""


def _local(location: str) -> tuple[LocalArtifactRepository, str] | None:
    """Return the repository and the path in it where they are on this machine, or None."""
    if not location.startswith(_PROXIED) and urlsplit(location).scheme not in {"", "file"}:
        return None  # the repository of a bucket is costly to make, and has nothing here
    repo, prefix = repository(location)
    return (repo, prefix) if isinstance(repo, LocalArtifactRepository) else None


def read(location: str, name: str, limit: int) -> bytes | None:
    """Return a file below an artifact location, or None where there is none or it is larger than `limit` bytes."""
    try:
        found = _local(location)
        if found is not None:
            return _content(Path(found[0].get_local_path(f"{found[1]}/{name}".lstrip("/"))), limit)
        repo, prefix = repository(location)
        with TemporaryDirectory(prefix="proctor-") as folder:
            return _content(Path(repo.download_artifacts(f"{prefix}/{name}".lstrip("/"), folder)), limit)
    except (MlflowException, OSError):
        return None


def _content(path: Path, limit: int) -> bytes | None:
    return path.read_bytes() if path.is_file() and path.stat().st_size <= limit else None


@contextmanager
def folder_of(location: str) -> Iterator[Path]:
    """Yield the folder with all files of an artifact location: itself on this machine, else a copy."""
    found = _local(location)
    if found is not None:
        # A copy of a large model would fill the disk.
        yield Path(found[0].get_local_path(found[1]))
        return
    repo, prefix = repository(location)
    with TemporaryDirectory(prefix="proctor-") as folder:
        yield Path(repo.download_artifacts(prefix, folder))


def below(root: Path) -> Iterator[Path]:
    """Yield every file below a folder."""
    return (path for path in root.rglob("*") if path.is_file())


def fingerprint(location: str) -> str | None:
    """Return what changes when a file is written, added or removed; None where that can't be told cheaply."""
    try:
        found = _local(location)
        if found is None:
            return None
        root = Path(found[0].get_local_path(found[1]))
        digest, lines = hashlib.sha256(), []
        for path in below(root):
            one = path.stat()
            stamps = (one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev)
            lines.append(os.fsencode(path.relative_to(root)) + b"\0" + repr(stamps).encode())
            if len(lines) > _MAX_COUNTED:
                return None
    except (MlflowException, OSError):
        return None  # gone, or not to be read: then nothing equals it
    for line in sorted(lines):
        digest.update(len(line).to_bytes(4) + line)
    return digest.hexdigest()
