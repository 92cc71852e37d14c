"""What follows from a change and need not be waited for: showing its decision, and telling what left its use.

One thread per process does it in order, within milliseconds. What Proctor did not take is told again for about a
minute; what is lost with the process is a tag for people, or the note that something was taken out of use.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.utils import workspace_context
from mlflow.utils.logging_utils import eprint

from proctor_adapters.mlflow.plugin import client, names
from proctor_adapters.mlflow.plugin.process import PerProcess

_AGAIN: Final = 2.0
_ATTEMPTS: Final = 30
_WAITING: Final = 10_000
_PAUSE: Final = 0.03
"""Seconds in which the answer to the user leaves first: the two threads would share one interpreter."""
Job = tuple[str | None, str, Callable[[], object], int]
"""Workspace, what it is for the log, the work, attempts so far."""


class Afterwards:
    """The thread and its queue."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Job] = queue.Queue(_WAITING)
        self._started = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, what: str, work: Callable[[], object]) -> None:
        """Have `work` done soon, in this request's workspace."""
        workspace = workspace_context.get_request_workspace() if MLFLOW_ENABLE_WORKSPACES.get() else None
        self._put((workspace, what, work, 0))
        with self._started:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="proctor-afterwards", daemon=True)
                self._thread.start()

    def _put(self, job: Job) -> None:
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            eprint(f"Proctor: too much waits to be done afterwards; left out: {job[1]}")

    def _run(self) -> None:
        while True:
            workspace, what, work, attempts = self._queue.get()
            time.sleep(_PAUSE)
            try:
                with names.in_workspace(workspace):
                    work()
            except client.Refused as error:
                eprint(f"Proctor: {what}: {error}")
            except client.Unavailable as error:
                if attempts >= _ATTEMPTS:
                    eprint(f"Proctor: {what}: given up: {error}")
                    continue
                time.sleep(_AGAIN)
                self._put((workspace, what, work, attempts + 1))
            except Exception as error:  # noqa: BLE001 (the change itself was made, and what waits here must go on)
                eprint(f"Proctor: {what}: {type(error).__name__}: {error}")


shared: Final = PerProcess(Afterwards)
"""Returns the one of this process."""
