"""The lock on the state directory: one process holds it, so one process writes the ledger."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from proctor.errors import StateError

_NAME = "lock"


class StateLock:
    """Holds `state_dir/lock`. The kernel lets go of it when the process ends, however it ends.

    Creates the directory, private to this user, where there is none.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise `StateError` with the process that holds it. Taking it twice is harmless."""
        if self._descriptor is not None:
            return
        tried = f"locking {self._path.parent}"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The descriptor is not inherited by programs that this process starts, so a child can't keep the lock.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StateError(tried, str(error), "Give the directory to this user, or set PROCTOR_STATE_DIR") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            written = os.pread(descriptor, 32, 0).strip().decode("ascii", "replace")
            os.close(descriptor)
            raise StateError(
                tried,
                f"process {written or 'unknown'} holds it",
                "Talk to that server, stop it, or set another PROCTOR_STATE_DIR",
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StateError(tried, str(error), "Use a file system that can lock and has space left") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock. Does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self.release()
