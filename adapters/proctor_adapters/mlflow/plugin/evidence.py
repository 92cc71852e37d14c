"""What MLflow knows of a version, gathered inside its own process: a call back over HTTP could wait for itself.

Who did what is read from the tag that the server itself puts on each run when it is created (`names.USER`), never from
`mlflow.user`, which any client can write.
"""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from mlflow.exceptions import MlflowException

from proctor.vocabulary import run_tags
from proctor_adapters.mlflow.plugin import files, names
from proctor_adapters.mlflow.plugin.client import denied

_log = logging.getLogger(__name__)

CARD: Final = "governance/model_card.md"
"""Where the model card is: below the artifacts of the run that made the model."""
MAX_CARD: Final = 256 * 1024
MAX_TEXT: Final = 2000
"""Characters of a text that somebody chose; longer ones name nothing. Proctor takes a few more."""
_MAX_LIST: Final = 200
_MAX_INPUTS: Final = 1000
_PROMPT_SOURCE: Final = "dummy-source"
"""Source of a prompt's versions (mlflow.prompt.constants); a model's files lie nowhere under that name."""
_FIT: Final = "fit"
_YAML: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where PyYAML was built with it: ten times faster."""
_LOGGED: Final = "models:/m-"
_MAX_COPIES: Final = 20
"""Copies of copies that are followed; MLflow itself makes a copy of the original."""


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


def is_prompt(source: str) -> bool:
    """Tell whether a version is one of a prompt: by its source, because anybody can put the tag onto a model."""
    return source == _PROMPT_SOURCE


def is_prompt_model(model: Any) -> bool:
    """Tell whether a registered model bears the tag of prompts, with whatever value."""
    # The public `tags` leaves this one out.
    return any(key.casefold() == names.IS_PROMPT for key in model._tags)  # noqa: SLF001


def every_version(store: Any, condition: str) -> Iterator[Any]:
    """Yield all versions that match, page by page."""
    token = None
    while True:
        page = store.search_model_versions(condition, max_results=_MAX_LIST, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def of_version(version: Any) -> dict[str, Any]:
    """Return the evidence on a version that exists (`models.VersionEvidence`). Raises `MlflowException` (403)."""
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    text = names.version_text(version.version)
    return _answered(lambda: _gather(version.name, text, version.source, version.run_id, created))


def of_source(name: str, source: str, run_id: str | None) -> dict[str, Any]:
    """Return the evidence on a version that is about to be created. Raises `MlflowException` (403)."""
    return _answered(lambda: _gather(name, "new", source, run_id, datetime.now(UTC)))


def _answered(gather: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the evidence, or refuse: MLflow would make a 500 of anything else, which its clients retry for minutes."""
    try:
        return gather()
    except Exception as error:
        _log.exception("the evidence on a version could not be gathered")
        why = f"denied: the evidence could not be gathered ({type(error).__name__}); MLflow's log has the details"
        raise denied(why) from error


def _gather(name: str, version: str, source: str, run_id: str | None, created: datetime) -> dict[str, Any]:
    tracking = tracking_store()
    source = original(source)
    model = logged_model(tracking, source)
    made_by = _maker(model, source, run_id)
    location = model.artifact_location if model is not None else source
    mlmodel = _mlmodel(location)
    stated = mlmodel.get("signature")
    signature = stated if isinstance(stated, dict) else {}
    tags = made_by.data.tags if made_by is not None else {}
    found: dict[str, Any] = {
        "name": names.qualified(name),
        "version": version,
        "created_at": created.isoformat(),
        "signature_inputs": bool(signature.get("inputs")),
        "signature_outputs": bool(signature.get("outputs")),
        "inputs": _inputs(made_by),
        "measurements": [],
    }
    optional = {
        "model_id": model.model_id if model is not None else None,
        "run_id": made_by.info.run_id if made_by is not None else None,
        "user": tags.get(names.USER),
        "preflight": tags.get(run_tags.PREFLIGHT, "")[:MAX_TEXT] or None,
        "card": _card(made_by),
    }
    found |= {key: value for key, value in optional.items() if value is not None}
    if model is not None:
        _measured(model, found, {made_by.info.run_id: made_by} if made_by is not None else {})
    return found


def original(source: str) -> str:
    """Return the source from which a version was copied, through all copies: a copy has the files of its original."""
    store = registry_store()
    for _ in range(_MAX_COPIES):
        from_version = copied(source)
        if from_version is None:
            break
        try:
            source = store.get_model_version(*from_version).source
        except MlflowException:
            break  # the original was deleted: then nothing is proven
    return source


def copied(source: str) -> tuple[str, str] | None:
    """Return name and version of the version that a source names, or None where it names none."""
    name, slash, version = source.removeprefix("models:/").rpartition("/")
    return (name, version) if source.startswith("models:/") and slash and version.isdigit() else None


def logged_model(tracking: Any, source: str) -> Any:
    """Return the logged model that a source names, or None."""
    if not source.startswith(_LOGGED):
        return None
    try:
        return tracking.get_logged_model(source.removeprefix("models:/"))
    except MlflowException:
        return None  # a source that names nothing: then nothing is proven of it


def run(run_id: str | None, *, deleted: bool = False) -> Any:
    """Return a run, or None; one that was deleted only on request: it proves nothing."""
    if not run_id:
        return None
    try:
        found = tracking_store().get_run(run_id)
    except MlflowException:
        return None
    return found if deleted or found.info.lifecycle_stage == "active" else None


def _maker(model: Any, source: str, claimed: str | None) -> Any:
    """Return the run that made a version's files, or None.

    `run_id` of a version is what its creator wrote. It counts where the files lie inside that very run; for a logged
    model, the run is the one in which it was logged.
    """
    if model is not None:
        return run(model.source_run_id)
    found = run(claimed)
    if found is None or not _inside(source, str(found.info.artifact_uri)):
        return None
    return found


def _inside(source: str, root: str) -> bool:
    one, other = urlsplit(source), urlsplit(root)
    paths = [[part for part in split.path.split("/") if part] for split in (one, other)]
    if ".." in paths[0] or "%" in one.path or not paths[1]:
        return False
    return (one.scheme, one.netloc) == (other.scheme, other.netloc) and paths[0][: len(paths[1])] == paths[1]


def _inputs(made_by: Any) -> list[dict[str, Any]]:
    found = []
    for logged in made_by.inputs.dataset_inputs if made_by is not None and made_by.inputs is not None else ():
        dataset, tags = logged.dataset, {tag.key: tag.value for tag in logged.tags}
        entry = {
            "name": (dataset.name or "")[:MAX_TEXT], "digest": dataset.digest or "",
            "source_type": dataset.source_type or "",
            # Half of a JSON text would be none; without a source the input is unresolved, and that blocks.
            "source": dataset.source if dataset.source and len(dataset.source) <= MAX_TEXT else "",
        }  # fmt: skip
        if tags.get(run_tags.INPUT_VERSION):
            entry["version"] = tags[run_tags.INPUT_VERSION][:MAX_TEXT]
        # A dataset that only served to measure is no input of the model.
        if tags.get("mlflow.data.context") != "evaluation":
            found.append(entry)
    if len(found) > _MAX_INPUTS:
        raise denied(f"denied: the run has {len(found)} inputs; at most {_MAX_INPUTS} can be judged")
    return found


def _measured(model: Any, found: dict[str, Any], runs: dict[str, Any]) -> None:
    """Add the metrics that are bound to model and dataset, with the rows that the dataset's own profile counts.

    A run says whether the model is fit by a tag. Of each person the newest verdict counts; one that is not `fit`
    leaves the version without a validation, whoever else is content. `runs` has those that were read already.
    """
    verdicts: dict[str, tuple[int, str]] = {}
    for metric in model.metrics or ():
        if not metric.dataset_name or not metric.run_id or not math.isfinite(metric.value):
            continue
        measuring = runs[metric.run_id] if metric.run_id in runs else runs.setdefault(metric.run_id, run(metric.run_id))
        if measuring is None:
            continue
        user, verdict = measuring.data.tags.get(names.USER), measuring.data.tags.get(names.VERDICT)
        measurement = {
            "metric": metric.key, "value": metric.value, "dataset": f"{metric.dataset_name}@{metric.dataset_digest}",
            "samples": _rows(measuring, metric), "at": _moment(metric.timestamp),
        }  # fmt: skip
        if user is not None:
            measurement["user"] = user
        found["measurements"].append(measurement)
        if verdict is not None and user is not None:
            verdicts[user] = max(verdicts.get(user, (0, "")), (measuring.info.start_time, verdict))
    found["measurements"] = sorted(found["measurements"], key=lambda one: str(one["at"]))[-_MAX_LIST:]
    if verdicts and all(verdict == _FIT for _, verdict in verdicts.values()):
        at, user = max((at, user) for user, (at, _) in verdicts.items())
        found |= {"validator": user, "validated_at": _moment(at)}


def _moment(milliseconds: int) -> str:
    """Return a time that a client chose. One that is no time raises `ValueError`, and then nothing is proven."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def _rows(measuring: Any, metric: Any) -> int:
    """Return the rows of the dataset that a metric was measured on; 0 where its profile does not say."""
    for logged in measuring.inputs.dataset_inputs if measuring.inputs is not None else ():
        dataset = logged.dataset
        if (dataset.name, dataset.digest) == (metric.dataset_name, metric.dataset_digest):
            try:
                rows = json.loads(dataset.profile or "{}").get("num_rows")
            except (ValueError, AttributeError):
                rows = None
            return rows if type(rows) is int and rows >= 0 else 0
    return 0


def _mlmodel(location: str) -> Mapping[str, Any]:
    if location.startswith(("models:/", "runs:/")):
        return {}
    raw = files.read(location, "MLmodel", MAX_CARD)
    try:
        found = yaml.load(raw, _YAML) if raw is not None else None  # noqa: S506 (both are the safe loader)
    except yaml.YAMLError:
        found = None
    return found if isinstance(found, dict) else {}


def _card(made_by: Any) -> dict[str, Any] | None:
    if made_by is None or not made_by.info.artifact_uri:
        return None
    raw = files.read(made_by.info.artifact_uri, CARD, MAX_CARD)
    if raw is None:
        return None
    text = raw.decode("utf-8", errors="replace")
    statements: dict[str, str] = {}
    if text.startswith("---\n"):
        front, _, text = text[4:].partition("\n---")
        try:
            document = yaml.load(front, _YAML)  # noqa: S506 (the same)
        except yaml.YAMLError:
            document = None
        if isinstance(document, dict):
            statements = {str(key)[:100]: str(value)[:500] for key, value in list(document.items())[:50]}
    headings = [line.lstrip("#").strip()[:200] for line in text.splitlines() if line.startswith("#")]
    # Artifacts bear no time. The card is not older than its run, and as old as that it counts.
    at = _moment(made_by.info.start_time)
    return {"headings": headings[:_MAX_LIST], "statements": statements, "at": at}
