"""Secret keys as files: made at first use, readable by this user only, never half written."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from proctor.errors import StateError


def load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of the key file at `path`, made by `make` where there is none.

    Raises `StateError` when the file can't be read or written, or when others than its user and group may open it.
    """
    if not path.exists():
        _create(path, make())
    return load(path)


def load(path: Path) -> bytes:
    """Return the content of the key file at `path`. Raises like `load_or_create`."""
    tried = f"reading the key {path}"
    try:
        if path.stat().st_mode & 0o007:
            raise StateError(
                tried, "anybody on this machine may open it", f"chmod 600 {path}, and replace the key if it has leaked"
            )
        return path.read_bytes()
    except OSError as error:
        raise StateError(tried, str(error), "Restore the file from a backup") from error


def _create(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(draft, path)  # fails where another process was faster: then its key is the key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # a checkpoint must not outlive the key that signed it
        finally:
            os.close(folder)
    except OSError as error:
        raise StateError(f"making the key {path}", str(error), "Give the directory to this user") from error
