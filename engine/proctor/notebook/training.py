"""`proctor.training(...)`: asks before anything expensive starts, then starts the MLflow run with the answer in it.

    with proctor.training(purpose="fraud-detection", datasets=["s3://lake/payments@7"], seed=7) as run:
        model.fit(...)

As a decorator it asks at each call. Without MLflow (`mlflow_run=False`) it asks and yields the preflight alone.
"""

import functools
import hashlib
import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar

from proctor.errors import EngineError, SettingsError, UsageError
from proctor.notebook import plan
from proctor.notebook.environment import packages, recorded
from proctor.notebook.plan import PlannedDataset
from proctor.notebook.preflight import Preflight, TrainingRefusedError
from proctor.vocabulary.run_tags import INPUT_VERSION, PREFLIGHT

P = ParamSpec("P")
R = TypeVar("R")

_TIMEOUT = 15.0


def preflight(
    *,
    purpose: str,
    datasets: Sequence["str | Mapping[str, str] | PlannedDataset"],
    seed: int | None = None,
    environment: str = "dev",
    name: str = "training",
    folder: Path | None = None,
) -> Preflight:
    """Ask whether this may be trained and return the answer, whatever it is.

    Asks the server of `PROCTOR_URL` with `PROCTOR_API_KEY`, else the one that runs on this machine's state directory.
    Raises `UsageError` for a dataset that is spelt wrong, `EngineError` when nobody answers.
    """
    planned = [plan.dataset(one) for one in datasets]
    around = plan.surroundings(seed, folder)
    question = plan.request(
        purpose=purpose, datasets=planned, environment=environment, name=name, around=around,
    )  # fmt: skip
    decision, server = _ask(question)
    return Preflight(decision, server, tuple(around.gaps()))


def _ask(question: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    import httpx  # noqa: PLC0415 (a notebook that only imports proctor pays nothing)

    url, key = os.environ.get("PROCTOR_URL"), os.environ.get("PROCTOR_API_KEY")
    transport: httpx.BaseTransport | None = None
    if not url:
        from proctor.settings import load  # noqa: PLC0415
        from proctor.store.running import running_server  # noqa: PLC0415

        socket = running_server(load().state_dir)
        if socket is None:
            raise SettingsError(
                "looking for Proctor", "PROCTOR_URL is not set, and no server runs on this machine",
                "Set PROCTOR_URL and PROCTOR_API_KEY, or start 'proctor serve'",
            )  # fmt: skip
        url, transport = "http://proctor", httpx.HTTPTransport(uds=str(socket))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    tried = f"asking Proctor at {url}"
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, transport=transport) as client:
            response = client.post("/v1/decisions", json=dict(question))
            document = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise EngineError(tried, f"{type(error).__name__}: {error}".rstrip(": "), "Is the server up?") from error
    if response.status_code != httpx.codes.OK or not isinstance(document, dict):
        found = document.get("detail", "") if isinstance(document, dict) else ""
        raise EngineError(tried, f"HTTP {response.status_code}: {found}", "Check PROCTOR_API_KEY")
    return document, url


class training:  # noqa: N801 (it is used as a verb: `with proctor.training(...)`)
    """Context manager and decorator. Entering it asks, and raises `TrainingRefusedError` before anything starts."""

    def __init__(  # noqa: PLR0913 (all are keywords: this is what a notebook's author writes)
        self,
        *,
        purpose: str,
        datasets: Sequence["str | Mapping[str, str] | PlannedDataset"],
        seed: int | None = None,
        environment: str = "dev",
        name: str = "training",
        folder: Path | None = None,
        context: Literal["training", "evaluation"] = "training",
        mlflow_run: bool = True,
        **run: Any,
    ) -> None:
        """Take the plan.

        `context`: what the datasets are for; evaluations need a preflight too. `run` goes to `mlflow.start_run`.
        `seed` also seeds `random`, and NumPy if it is there.
        """
        if PREFLIGHT in (run.get("tags") or {}):
            raise UsageError("reading the run's tags", f"{PREFLIGHT} is set", "Leave it out: it is set here")
        self._plan: dict[str, Any] = {
            "purpose": purpose, "datasets": [plan.dataset(one) for one in datasets], "seed": seed,
            "environment": environment, "name": name, "folder": folder,
        }  # fmt: skip
        self._context = context
        self._mlflow_run = mlflow_run
        self._run_options = run
        self._active: Any = None
        self.preflight: Preflight | None = None

    def __enter__(self) -> Any:
        """Ask; return the MLflow run, or the preflight where there is no run."""
        self.preflight = preflight(**self._plan)
        if not self.preflight.allowed:
            raise TrainingRefusedError(self.preflight)
        _seed(self._plan["seed"])
        if not self._mlflow_run:
            return self.preflight
        import mlflow  # noqa: PLC0415 (Proctor works without it)

        tags = {**(self._run_options.get("tags") or {}), PREFLIGHT: self.preflight.id}
        self._active = mlflow.start_run(**{**self._run_options, "tags": tags})
        run = self._active.__enter__()
        try:
            self._log_inputs(run.info.run_id)
        except BaseException as error:
            self._active.__exit__(type(error), error, error.__traceback__)
            raise
        return run

    def _log_inputs(self, run_id: str) -> None:
        """Log what the plan names, so that lineage does not depend on anybody remembering it."""
        import mlflow  # noqa: PLC0415
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

        mlflow.log_text(recorded(packages()), "governance/environment.txt")
        inputs = []
        for one in self._plan["datasets"]:
            uri = f"{one.dataset.namespace}/{one.dataset.name.lstrip('/')}"
            tags = [InputTag("mlflow.data.context", self._context)]
            tags += [InputTag(INPUT_VERSION, one.version)] if one.version else []
            scheme = uri.partition("://")[0]
            source = json.dumps({"uri": uri})
            entity = Dataset(one.dataset.name[-490:], hashlib.sha256(one.key.encode()).hexdigest()[:8], scheme, source)
            inputs.append(DatasetInput(entity, tags))
        mlflow.MlflowClient().log_inputs(run_id, inputs)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run, failed if the training raised."""
        if self._active is not None:
            self._active.__exit__(kind, error, trace)
            self._active = None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function`, which asks at each call."""
        options = {**self._plan, "context": self._context, "mlflow_run": self._mlflow_run, **self._run_options}

        @functools.wraps(function)
        def asked(*arguments: P.args, **keywords: P.kwargs) -> R:
            with type(self)(**options):
                return function(*arguments, **keywords)

        return asked


def _seed(seed: int | None) -> None:
    if seed is None:
        return
    random.seed(seed)
    try:
        import numpy as np  # noqa: PLC0415 (only where it is installed)
    except ImportError:
        return
    np.random.seed(seed)  # noqa: NPY002 (what scikit-learn and others read)
