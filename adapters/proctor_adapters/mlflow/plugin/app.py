"""The app that asks before a run starts, and keeps hands off the files of what is in use.

    mlflow server --app-name proctor ...

Runs, tags of runs and artifacts never reach the registry's store, so they are guarded here: Flask's part by a hook
before each request, MLflow's native routes (artifacts) by a layer around the whole app.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from flask import Flask, Response, g, request
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.server import app as flask_app
from mlflow.server import handlers
from mlflow.server.fastapi_app import create_fastapi_app

from proctor_adapters.mlflow.plugin import client, evidence, hashing, names

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_ARTIFACT: Final = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/(?:artifacts|mpu/[a-z]+)/(.+)")
_RUN: Final = re.compile(r"(?:^|/)([0-9a-f]{32})(?:/|$)")
_MODEL: Final = re.compile(r"(?:^|/)(m-[0-9a-f]{32})(?:/|$)")
_WRITES: Final = frozenset({"PUT", "DELETE", "POST", "PATCH"})


def create_app(app: Flask = flask_app) -> Any:
    """Return MLflow's app, guarded: an ASGI app under uvicorn, a WSGI app elsewhere. The entry point `mlflow.app`."""
    client.shared()
    if os.environ.get("PROCTOR_MLFLOW_AUTH", "basic-auth") == "basic-auth":
        from mlflow.server import auth  # noqa: PLC0415 (needs MLflow's extra `auth`)

        outer = auth.create_app(app)
    else:
        outer = create_fastapi_app(app) if os.environ.get("_MLFLOW_SGI_NAME") == "uvicorn" else app
    app.before_request(_before)
    app.after_request(_after)
    hashing.shared().start()
    return ArtifactGuard(outer) if os.environ.get("_MLFLOW_SGI_NAME") == "uvicorn" else outer


# --- Flask ------------------------------------------------------------------------------------------------------------


def _message(kind: Any) -> Any:
    """Parse the request as MLflow's own handler will: content type, camel case, encodings."""
    return handlers._get_request_message(kind())  # noqa: SLF001 (the very parser that the handler uses)


def _tags(message: Any) -> list[str]:
    return [str(tag.key) for tag in message.tags]


def _run_created() -> None:
    message = _message(service_pb2.CreateRun)
    tags = {str(tag.key): str(tag.value) for tag in message.tags}
    names.refuse_reserved(tags, but=names.PREFLIGHT)
    claimed = tags.get(names.PREFLIGHT) or _inherited(tags.get("mlflow.parentRunId"))
    question = {"action": "create_run", "user": getattr(g, "mlflow_authenticated_user", None)}
    client.require(client.shared(), question | ({"preflight": claimed} if claimed else {}))
    g.proctor_preflight = claimed


def _inherited(parent: str | None) -> str | None:
    """Return the preflight of the parent run: one decision stands for a sweep and all its children."""
    if not parent:
        return None
    try:
        run = evidence.tracking_store().get_run(parent)
    except MlflowException:
        return None
    found: str | None = run.data.tags.get(names.PREFLIGHT)
    return found


_GUARDS: Final[dict[str, Callable[[], None]]] = {
    "_create_run": _run_created,
    "_set_tag": lambda: names.refuse_reserved([_message(service_pb2.SetTag).key]),
    "_delete_tag": lambda: names.refuse_reserved([_message(service_pb2.DeleteTag).key]),
    "_log_batch": lambda: names.refuse_reserved(_tags(_message(service_pb2.LogBatch))),
    "_create_logged_model": lambda: names.refuse_reserved(_tags(_message(service_pb2.CreateLoggedModel))),
    "_set_logged_model_tags": lambda: names.refuse_reserved(_tags(_message(service_pb2.SetLoggedModelTags))),
    "_delete_logged_model_tag": lambda: names.refuse_reserved([str((request.view_args or {}).get("tag_key", ""))]),
}
"""By the name of MLflow's handler, which is the same for every path and prefix that leads to it."""


def _before() -> Response | None:
    guard = _GUARDS.get(request.endpoint or "")
    if guard is None:
        return None
    try:
        guard()
    except MlflowException as error:
        return Response(error.serialize_as_json(), error.get_http_status_code(), mimetype="application/json")
    return None


def _after(response: Response) -> Response:
    """Put onto a new run who started it, and its preflight; if that fails, the run has no author and proves nothing."""
    if request.endpoint == "_create_run" and response.status_code == 200:  # noqa: PLR2004 (RFC 9110)
        run_id = json.loads(response.get_data())["run"]["info"]["run_id"]
        stamps = {
            names.USER: getattr(g, "mlflow_authenticated_user", None),
            names.PREFLIGHT: getattr(g, "proctor_preflight", None),
        }
        store = evidence.tracking_store()
        for key, value in stamps.items():
            if value:
                store.set_tag(run_id, RunTag(key, value))
    return response


# --- Native routes ----------------------------------------------------------------------------------------------------


class ArtifactGuard:
    """ASGI. Writes below the files of a version that is in use are refused; reads pass untouched."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer it with 403."""
        if scope["type"] == "http" and scope["method"] in _WRITES:
            match = _ARTIFACT.search(scope["path"])
            if match is not None and (why := await _sealed(match[1])) is not None:
                body = client.denied(why).serialize_as_json().encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": 403, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)


async def _sealed(path: str) -> str | None:
    from starlette.concurrency import run_in_threadpool  # noqa: PLC0415 (only under ASGI)

    return await run_in_threadpool(sealed, path)


def sealed(path: str) -> str | None:
    """Return why nothing may be written below an artifact path, or None where it may."""
    store = evidence.registry_store()
    found: dict[tuple[str, str], None] = {}
    runs, models = _RUN.findall(path), _MODEL.findall(path)
    try:
        for model_id in models:
            run = evidence.tracking_store().get_logged_model(model_id).source_run_id
            found |= _versions(store.search_model_versions(f"source_path='models:/{model_id}'"))
            runs += [run] if run else []
        for run_id in runs:
            found |= _versions(store.search_model_versions(f"run_id='{run_id}'"))
        if not found:
            return None
        versions = [[name, version] for name, version in found]
        client.require(client.shared(), {"action": "write_artifact", "versions": versions[:100]})
    except MlflowException as error:
        return str(error.message).removeprefix("Proctor: ")
    return None


def _versions(found: Any) -> dict[tuple[str, str], None]:
    return {(one.name, names.version_text(one.version)): None for one in found}
