"""The app that asks before a run starts, and keeps hands off the files of what is in use.

    mlflow server --app-name proctor ...

Runs, tags of runs and artifacts never reach the registry's store, so they are guarded here: Flask's part by a hook
before each request, MLflow's native routes (artifacts) by a middleware right before them.
"""

import os
from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Response, request
from mlflow.exceptions import MlflowException
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import create_fastapi_app
from starlette.middleware import Middleware
from starlette.routing import Mount

from proctor_adapters.mlflow.plugin import artifacts, client, hashing, runs

_GUARDS: Final[dict[str, Callable[[], None]]] = {**runs.GUARDS, **artifacts.GUARDS}
"""By the name of MLflow's handler, which is the same for every path and prefix that leads to it."""


def create_app(app: Flask = flask_app) -> Any:
    """Return MLflow's app, guarded: an ASGI app under uvicorn, a WSGI app elsewhere. The entry point `mlflow.app`."""
    client.shared()
    asynchronous = os.environ.get("_MLFLOW_SGI_NAME") == "uvicorn"
    authenticated = os.environ.get("PROCTOR_MLFLOW_AUTH", "basic-auth") == "basic-auth"
    if authenticated:
        from mlflow.server import auth  # noqa: PLC0415 (needs MLflow's extra `auth`)

        outer = auth.create_app(app)
    else:
        outer = create_fastapi_app(app) if asynchronous else app
    # Behind MLflow's own hook and middleware: who may not call at all learns nothing, and costs Proctor nothing.
    app.before_request(_before)
    app.after_request(_after)
    hashing.shared().start()
    if asynchronous:
        # `add_middleware` would put it in front of all others, and so in front of MLflow's authentication.
        native = [route for route in outer.routes if not isinstance(route, Mount)]
        outer.user_middleware.append(Middleware(artifacts.ArtifactGuard, native=native, authenticated=authenticated))
    return outer


def _before() -> Response | None:
    guard = _GUARDS.get(request.endpoint or "")
    if guard is None:
        return None
    try:
        guard()
    except MlflowException as error:
        return _refusal(error)
    return None


def _after(response: Response) -> Response:
    try:
        runs.stamp(response)
    except MlflowException as error:
        return _refusal(error)
    return response


def _refusal(error: MlflowException) -> Response:
    return Response(error.serialize_as_json(), error.get_http_status_code(), mimetype="application/json")
