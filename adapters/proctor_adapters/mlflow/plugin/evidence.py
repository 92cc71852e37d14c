"""What MLflow knows of a version, gathered inside its own process: a call back over HTTP could wait for itself.

Who did what is read from the tag that the server itself puts on each run when it is created (`names.USER`), never from
`mlflow.user`, which any client can write.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from proctor_adapters.mlflow.plugin import names
from proctor_adapters.mlflow.plugin.client import denied

_log = logging.getLogger(__name__)

CARD: Final = "governance/model_card.md"
"""Where the model card is: below the artifacts of the run that made the model."""
MAX_CARD: Final = 256 * 1024
_PROXIED: Final = "mlflow-artifacts:"
_LOGGED: Final = "models:/m-"


def _handlers() -> Any:
    """Import MLflow's server late: it loads plugins while it is being made, so importing it above would be a circle."""
    from mlflow.server import handlers  # noqa: PLC0415

    return handlers


def tracking_store() -> Any:
    """Return the store of runs of this very process."""
    return _handlers()._get_tracking_store()  # noqa: SLF001 (MLflow has no public name for it)


def registry_store() -> Any:
    """Return the store of models of this very process."""
    return _handlers()._get_model_registry_store()  # noqa: SLF001 (the same)


def is_prompt(tags: Iterable[Any] | None) -> bool:
    """Tell whether the tags are those of a prompt."""
    return any(tag.key == names.IS_PROMPT for tag in tags or ())


def is_prompt_model(model: Any) -> bool:
    """Tell whether a registered model is a prompt."""
    return any(key == names.IS_PROMPT for key in (model.tags or {}))


def of_version(version: Any) -> dict[str, Any]:
    """Return the evidence on a version that exists (`models.VersionEvidence`). Raises `MlflowException` (403)."""
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    text = names.version_text(version.version)
    return _answered(lambda: _gather(version.name, text, version.source, version.run_id, None, created))


def of_source(name: str, source: str, run_id: str | None, model_id: str | None) -> dict[str, Any]:
    """Return the evidence on a version that is about to be created. Raises `MlflowException` (403)."""
    return _answered(lambda: _gather(name, "new", source, run_id, model_id, datetime.now(UTC)))


def _answered(gather: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the evidence, or refuse: MLflow would make a 500 of anything else, which its clients retry for minutes."""
    try:
        return gather()
    except Exception as error:
        _log.exception("the evidence on a version could not be gathered")
        why = f"denied: the evidence could not be gathered ({type(error).__name__}); MLflow's log has the details"
        raise denied(why) from error


def _gather(
    name: str, version: str, source: str, run_id: str | None, model_id: str | None, created: datetime
) -> dict[str, Any]:
    tracking = tracking_store()
    model = logged_model(tracking, source, model_id)
    run_id = run_id or (model.source_run_id if model is not None else None)
    run = _run(tracking, run_id)
    location = model.artifact_location if model is not None else source
    mlmodel = _mlmodel(location)
    stated = mlmodel.get("signature")
    signature = stated if isinstance(stated, dict) else {}
    tags = run.data.tags if run is not None else {}
    found: dict[str, Any] = {
        "name": name,
        "version": version,
        "created_at": created.isoformat(),
        "signature_inputs": bool(signature.get("inputs")),
        "signature_outputs": bool(signature.get("outputs")),
        "inputs": _inputs(run),
        "measurements": [],
    }
    optional = {
        "model_id": model.model_id if model is not None else None,
        "run_id": run_id,
        "user": tags.get(names.USER),
        "preflight": tags.get(names.PREFLIGHT),
        "card": _card(run),
    }
    found |= {key: value for key, value in optional.items() if value is not None}
    if model is not None:
        _measured(tracking, model, found)
    return found


def logged_model(tracking: Any, source: str, model_id: str | None) -> Any:
    """Return the logged model that a source names, or None."""
    if model_id is None and source.startswith(_LOGGED):
        model_id = source.removeprefix("models:/")
    if model_id is None:
        return None
    try:
        return tracking.get_logged_model(model_id)
    except MlflowException:
        return None  # a source that names nothing: then nothing is proven of it


def _run(tracking: Any, run_id: str | None) -> Any:
    if not run_id:
        return None
    try:
        return tracking.get_run(run_id)
    except MlflowException:
        return None


def _inputs(run: Any) -> list[dict[str, Any]]:
    found = []
    for logged in run.inputs.dataset_inputs if run is not None and run.inputs is not None else ():
        dataset, tags = logged.dataset, {tag.key: tag.value for tag in logged.tags}
        entry = {
            "name": dataset.name or "", "digest": dataset.digest or "", "source_type": dataset.source_type or "",
            "source": dataset.source or "",
        }  # fmt: skip
        if tags.get(names.INPUT_VERSION):
            entry["version"] = tags[names.INPUT_VERSION]
        # A dataset that only served to measure is no input of the model.
        if tags.get("mlflow.data.context") != "evaluation":
            found.append(entry)
    return found[:1000]


def _measured(tracking: Any, model: Any, found: dict[str, Any]) -> None:
    """Add the metrics that are bound to model and dataset, with the rows that the dataset's own profile counts."""
    runs: dict[str, Any] = {}
    validated: list[tuple[int, str]] = []
    for metric in model.metrics or ():
        if not metric.dataset_name or not metric.run_id:
            continue
        run = runs.setdefault(metric.run_id, _run(tracking, metric.run_id))
        if run is None:
            continue
        user = run.data.tags.get(names.USER)
        measurement = {
            "metric": metric.key, "value": metric.value, "dataset": f"{metric.dataset_name}@{metric.dataset_digest}",
            "samples": _rows(run, metric), "at": datetime.fromtimestamp(metric.timestamp / 1000, UTC).isoformat(),
        }  # fmt: skip
        if user is not None:
            measurement["user"] = user
        found["measurements"].append(measurement)
        if run.data.tags.get(names.VERDICT) == "fit" and user is not None:
            validated.append((run.info.start_time, user))
    found["measurements"] = found["measurements"][-200:]
    if validated:
        at, user = max(validated)
        found |= {"validator": user, "validated_at": datetime.fromtimestamp(at / 1000, UTC).isoformat()}


def _rows(run: Any, metric: Any) -> int:
    """Return the rows of the dataset that a metric was measured on; 0 where its profile does not say."""
    for logged in run.inputs.dataset_inputs if run.inputs is not None else ():
        dataset = logged.dataset
        if (dataset.name, dataset.digest) == (metric.dataset_name, metric.dataset_digest):
            try:
                rows = json.loads(dataset.profile or "{}").get("num_rows")
            except (ValueError, AttributeError):
                rows = None
            return rows if isinstance(rows, int) and rows >= 0 else 0
    return 0


# --- Files -----------------------------------------------------------------------------------------------------------


def repository(location: str) -> tuple[Any, str]:
    """Return the repository behind an artifact location, and the path in it; never by way of our own HTTP."""
    if location.startswith(_PROXIED):
        path = location.removeprefix(_PROXIED).lstrip("/")
        return _handlers()._get_artifact_repo_mlflow_artifacts(), path  # noqa: SLF001 (the same)
    return get_artifact_repository(location), ""


def read(location: str, name: str, limit: int) -> bytes | None:
    """Return a file below an artifact location, or None where there is none or it is larger than `limit` bytes."""
    repo, prefix = repository(location)
    path = f"{prefix}/{name}".lstrip("/")
    with TemporaryDirectory(prefix="proctor-") as folder:
        try:
            local = Path(repo.download_artifacts(path, folder))
            if not local.is_file() or local.stat().st_size > limit:
                return None
            return local.read_bytes()
        except (MlflowException, OSError):
            return None


def _mlmodel(location: str) -> Mapping[str, Any]:
    if location.startswith(("models:/", "runs:/")):
        return {}
    raw = read(location, "MLmodel", MAX_CARD)
    try:
        found = yaml.safe_load(raw) if raw is not None else None
    except yaml.YAMLError:
        found = None
    return found if isinstance(found, dict) else {}


def _card(run: Any) -> dict[str, Any] | None:
    if run is None or not run.info.artifact_uri:
        return None
    raw = read(run.info.artifact_uri, CARD, MAX_CARD)
    if raw is None:
        return None
    text = raw.decode("utf-8", errors="replace")
    statements: dict[str, str] = {}
    if text.startswith("---\n"):
        front, _, text = text[4:].partition("\n---")
        try:
            document = yaml.safe_load(front)
        except yaml.YAMLError:
            document = None
        if isinstance(document, dict):
            statements = {str(key)[:100]: str(value)[:500] for key, value in list(document.items())[:50]}
    headings = [line.lstrip("#").strip()[:200] for line in text.splitlines() if line.startswith("#")]
    return {"headings": headings[:200], "statements": statements, "at": datetime.now(UTC).isoformat()}
