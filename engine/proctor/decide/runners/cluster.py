"""The first distributed runner: a Dask cluster, named by its scheduler's address, or one of this machine's own.

Inputs hold what decisions rested on. They travel to the workers, so a cluster over a network is used over TLS, which
Dask is configured for (https://distributed.dask.org/en/stable/tls.html).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

from proctor.decide import again
from proctor.decide.runners.runner import AHEAD, in_order
from proctor.errors import EngineError, SettingsError

T = TypeVar("T")
R = TypeVar("R")
_TRIED = "judging again on Dask"


class DaskCluster:
    """Implements `runner.Runner`."""

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        """Take the scheduler at `address`, such as `tls://scheduler:8786`; None: start `workers` here.

        Raises `SettingsError` where Dask is not installed.
        """
        try:
            import distributed  # noqa: PLC0415 (an extra: most never need it, and it takes half a second)
        except ModuleNotFoundError as error:
            raise SettingsError(_TRIED, f"no {error.name}", "Install the extra: pip install 'proctor[dask]'") from error
        self._distributed: Any = distributed
        self._address = address
        self._workers = workers or len(os.sched_getaffinity(0))
        self._cluster: Any = None
        self._client: Any = None

    def __enter__(self) -> Self:
        """Reach the scheduler. Raises `EngineError`."""
        try:
            if self._address is None:
                self._cluster = self._distributed.LocalCluster(
                    n_workers=self._workers, threads_per_worker=1, processes=True, dashboard_address=None,
                    host="127.0.0.1", silence_logs=40,
                )  # fmt: skip
            self._client = self._distributed.Client(self._cluster or self._address, set_as_default=False)
            self._workers = len(self._client.scheduler_info(n_workers=-1)["workers"]) or self._workers
        except (OSError, ValueError) as error:
            self.__exit__()
            raise EngineError(_TRIED, str(error), "Is the scheduler's address right?") from error
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers' OPAs, and the cluster if it is ours."""
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, None
        if client is not None:
            try:
                client.run(again.close, on_error="ignore")
            finally:
                client.close()
        if cluster is not None:
            cluster.close()

    def map(self, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
        """Yield the results in order; see `runner.Runner`."""
        client = self._client
        if client is None:
            raise EngineError(_TRIED, "the runner is not started", "Use it in a with statement")
        lost = (self._distributed.scheduler.KilledWorker, self._distributed.CancelledError)
        try:
            # Not pure: equal pieces are asked each time, and no result is kept on a worker for a later one.
            yield from in_order(
                lambda piece: client.submit(work, piece, pure=False), pieces, AHEAD * max(1, self._workers)
            )
        except lost as error:
            raise EngineError(_TRIED, f"a worker was lost: {error}", "--resume goes on where it stopped") from error
