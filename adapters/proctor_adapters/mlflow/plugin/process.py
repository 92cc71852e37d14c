"""What each process of MLflow has once. A fork shares neither connections nor threads with its parent."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Called, it returns the one thing of this process, which the first call makes."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[int, T] | None = None

    def __call__(self) -> T:
        """Return it; whatever making it raises is raised, and the next call tries again."""
        with self._lock:
            pid = os.getpid()
            if self._made is None or self._made[0] != pid:
                self._made = pid, self._make()
            return self._made[1]
