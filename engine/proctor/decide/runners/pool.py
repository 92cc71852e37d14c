"""The default runner: processes of this machine, each with OPAs of its own.

A worker ends its OPA itself when the pool is closed. When a worker is killed, the kernel ends the OPA with it
(`opa.launch`); when this process is killed, the workers notice it and end. Ctrl-C reaches this process alone.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, util
from typing import Self, TypeVar

from proctor.decide import again
from proctor.decide.runners.runner import AHEAD, in_order
from proctor.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")


class ProcessPool:
    """Implements `runner.Runner`."""

    def __init__(self, workers: int | None = None) -> None:
        """Take as many workers as this process may use processors, unless told otherwise."""
        self.workers = workers or len(os.sched_getaffinity(0))
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Start no process yet: each comes with the first piece for it."""
        # Spawned, because a fork of a process with threads can deadlock, and takes its database connections along.
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin)
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers; each finishes the piece that it works on."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def map(self, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
        """Yield the results in order; see `runner.Runner`."""
        executor = self._executor
        if executor is None:
            raise EngineError("judging again", "the runner is not started", "Use it in a with statement")
        try:
            yield from in_order(lambda piece: executor.submit(work, piece), pieces, AHEAD * self.workers)
        except BrokenProcessPool as error:
            raise EngineError(
                "judging again", "a worker process ended: it was killed, or there was no memory left",
                "Try fewer workers (--workers); --resume goes on where it stopped",
            ) from error  # fmt: skip


def _begin() -> None:
    """Prepare a worker: deaf to Ctrl-C, which its parent answers, and never longer alive than that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    util.Finalize(None, again.close, exitpriority=100)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            connection.wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, name="parent-watch", daemon=True).start()
