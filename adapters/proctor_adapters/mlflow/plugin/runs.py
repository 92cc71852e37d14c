"""Runs: none starts without a preflight, each bears who started it, and nobody writes into somebody else's.

Evidence is worth what its author is. MLflow lets everybody with the right to edit an experiment write into each of its
runs; then a version's author could put a measurement, or a verdict, into the validator's run. So a run that bears a
user takes metrics, inputs, parameters and tags from that user alone.
"""

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Response, g, request
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]  # its stubs are not ours to ask for
from mlflow.entities import RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.server import handlers
from mlflow.utils.proto_json_utils import parse_dict

from proctor.vocabulary import run_tags
from proctor_adapters.mlflow.plugin import client, evidence, names

_log = logging.getLogger(__name__)
_OK: Final = 200
_STARTS: Final = frozenset({"_create_run", "serve_create_promptlab_run"})
_KNOWN_OWNERS: Final = 10_000
_owners: OrderedDict[str, str] = OrderedDict()
"""Run to user. A run bears its user from its creation on, and for good, so this never becomes wrong."""


def message(kind: Any) -> Any:
    """Parse the request as MLflow's own handler will: content type, camel case, encodings.

    Raises `MlflowException` (400) where a field does not fit: MLflow's parser would leave the rest of them empty.
    """
    found = handlers._get_request_message(kind())  # noqa: SLF001 (the very parser that the handler uses)
    try:
        parse_dict(handlers._get_normalized_request_json(), kind())  # noqa: SLF001 (the same)
    except (ParseError, ValueError, TypeError) as error:
        raise MlflowException(f"The request could not be read: {error}", INVALID_PARAMETER_VALUE) from error
    return found


# --- Starting -------------------------------------------------------------------------------------------------------


def _start(tags: Iterable[tuple[str, str]]) -> None:
    stated = dict(tags)
    names.refuse_reserved(stated, but=run_tags.PREFLIGHT)
    claimed = stated.get(run_tags.PREFLIGHT) or _inherited(stated.get("mlflow.parentRunId"))
    question: dict[str, Any] = {"action": "create_run", "user": names.user()}
    if claimed:
        question["preflight"] = claimed[: evidence.MAX_TEXT]
    answer = client.require(client.shared(), question)
    g.proctor_stamps = {names.USER: names.user(), run_tags.PREFLIGHT: claimed, names.DECISION: answer.get("decision")}


def _run_created() -> None:
    _start((str(tag.key), str(tag.value)) for tag in message(service_pb2.CreateRun).tags)


def _promptlab_run_created() -> None:
    body = request.get_json(silent=True)
    tags = body.get("tags") if isinstance(body, dict) else None
    if tags:
        raise client.denied("denied: a run of the prompt lab takes no tags; they could say who started it")
    _start(())


def _inherited(parent: str | None) -> str | None:
    """Return the preflight of the parent run: one decision stands for a sweep and all its children."""
    run = evidence.run(parent) if parent else None
    found: str | None = run.data.tags.get(run_tags.PREFLIGHT) if run is not None else None
    return found


def stamp(response: Response) -> None:
    """Put onto a new run who started it and why it may. Raises `MlflowException` (403) where that fails."""
    if request.endpoint not in _STARTS or response.status_code != _OK:
        return
    run_id = "?"
    try:
        run_id = json.loads(response.get_data())["run"]["info"]["run_id"]
        store = evidence.tracking_store()
        for key, value in g.proctor_stamps.items():
            if value:
                store.set_tag(run_id, RunTag(key, str(value)))
    except Exception as error:
        # A 500 would make the client start run after run.
        _log.exception("a run could not be marked with who started it")
        why = f"denied: run {run_id} could not be marked with who started it ({type(error).__name__}). Start another"
        raise client.denied(why) from error


# --- Writing into one -----------------------------------------------------------------------------------------------


def require_own(run_id: str) -> None:
    """Raise a denial where the run was started by somebody else than whoever calls.

    Deleting and restoring are writing, too: a verdict goes and comes with its run.
    """
    caller = names.user()
    owner = _owner(run_id) if run_id and caller is not None else None
    if owner is not None and owner != caller:
        raise client.denied(
            f"denied: run {run_id} was started by {owner}, and counts as that person's word. Start a run of your own."
        )


def _owner(run_id: str) -> str | None:
    known = _owners.get(run_id)
    if known is not None:
        return known
    run = evidence.run(run_id, deleted=True)
    owner: str | None = run.data.tags.get(names.USER) if run is not None else None
    if owner is not None:
        _owners[run_id] = owner
        while len(_owners) > _KNOWN_OWNERS:
            _owners.popitem(last=False)
    return owner


def _written(kind: Any) -> Callable[[], None]:
    """Return the guard of a handler that writes into the run `run_id`, with or without tags."""

    def guard() -> None:
        found = message(kind)
        fields = found.DESCRIPTOR.fields_by_name
        if "tags" in fields:
            names.refuse_reserved(names.keys_of(found.tags))
        elif kind in {service_pb2.SetTag, service_pb2.DeleteTag}:
            names.refuse_reserved([str(found.key)])
        # `run_uuid` is the former name of the field, and MLflow still takes it.
        former = found.run_uuid if "run_uuid" in fields else ""
        for run_id in dict.fromkeys((found.run_id, former)):
            require_own(str(run_id))

    return guard


def _logged_model_created() -> None:
    found = message(service_pb2.CreateLoggedModel)
    names.refuse_reserved(names.keys_of(found.tags))
    require_own(str(found.source_run_id))


def _verdicts_go_or_come(kind: Any, which: int) -> Callable[[], None]:
    """Return the guard of what deletes or restores all runs of an experiment, somebody's verdict among them."""

    def guard() -> None:
        store, caller, token = evidence.tracking_store(), names.user(), None
        experiment = str(message(kind).experiment_id)
        while True:
            page = store.search_runs([experiment], f"tags.`{names.VERDICT}` LIKE '%'", which, page_token=token)
            for run in page:
                owner = run.data.tags.get(names.USER, caller)
                if owner != caller:
                    raise client.denied(
                        f"denied: run {run.info.run_id} has the verdict of {owner}, and goes and comes with this "
                        "experiment. Whoever gave a verdict takes it back."
                    )
            if not (token := page.token):
                return

    return guard


def _experiment_created() -> None:
    names.refuse_reserved(names.keys_of(message(service_pb2.CreateExperiment).tags))


GUARDS: Final[dict[str, Callable[[], None]]] = {
    "_create_run": _run_created,
    "serve_create_promptlab_run": _promptlab_run_created,
    "_set_tag": _written(service_pb2.SetTag),
    "_delete_tag": _written(service_pb2.DeleteTag),
    "_delete_run": _written(service_pb2.DeleteRun),
    "_restore_run": _written(service_pb2.RestoreRun),
    "_delete_experiment": _verdicts_go_or_come(service_pb2.DeleteExperiment, ViewType.ACTIVE_ONLY),
    "_restore_experiment": _verdicts_go_or_come(service_pb2.RestoreExperiment, ViewType.DELETED_ONLY),
    "_create_experiment": _experiment_created,
    "_set_experiment_tag": lambda: names.refuse_reserved([str(message(service_pb2.SetExperimentTag).key)]),
    "_delete_experiment_tag": lambda: names.refuse_reserved([str(message(service_pb2.DeleteExperimentTag).key)]),
    "_log_batch": _written(service_pb2.LogBatch),
    "_log_metric": _written(service_pb2.LogMetric),
    "_log_param": _written(service_pb2.LogParam),
    "_log_inputs": _written(service_pb2.LogInputs),
    "_log_outputs": _written(service_pb2.LogOutputs),
    "_log_model": _written(service_pb2.LogModel),
    "_create_logged_model": _logged_model_created,
    "_set_logged_model_tags": lambda: names.refuse_reserved(
        names.keys_of(message(service_pb2.SetLoggedModelTags).tags)
    ),
    "_delete_logged_model_tag": lambda: names.refuse_reserved([str((request.view_args or {}).get("tag_key", ""))]),
}
