"""Artifacts: what a registered version is made of is not written over, by whatever route.

Reads pass untouched. Writes that go past this server (to a bucket, to its disk) are found by hashing again.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from flask import request
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.protos.databricks_pb2 import UNAUTHENTICATED

from proctor_adapters.mlflow.plugin import client, evidence, names, runs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_ARTIFACT: Final = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/(?:artifacts|mpu/[a-z]+)/(.+)", re.DOTALL)
_RUN: Final = re.compile(r"(?:^|/)([0-9a-f]{32})(?=/|$)")
_MODEL: Final = re.compile(r"(?:^|/)(m-[0-9a-f]{32})(?=/|$)")
_WRITES: Final = frozenset({"PUT", "DELETE", "POST", "PATCH"})
_HEADER: Final = b"x-mlflow-workspace"
_AT_ONCE: Final = 100
"""Versions in one question."""


class ArtifactGuard:
    """ASGI. Writes below the files of a version that is registered are refused; reads pass untouched.

    It stands behind MLflow's authentication, and asks for nobody whom that did not let in. What Flask serves has a
    guard of its own there (`GUARDS`), behind Flask's authentication.
    """

    def __init__(self, app: Any, native: Sequence[Any], *, authenticated: bool) -> None:
        """Take the routes that Flask does not serve, and whether MLflow authenticates its users."""
        self._app = app
        self._native = native
        self._authenticated = authenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer it with 401 or 403."""
        if scope["type"] == "http" and scope["method"] in _WRITES:
            match = _ARTIFACT.search(scope["path"])
            if match is not None and self._is_native(scope):
                if self._authenticated and not scope.get("state", {}).get("username"):
                    await _answer(send, 401, MlflowException("Log in first", UNAUTHENTICATED))
                    return
                if (refusal := await _refusal(scope, match[1])) is not None:
                    await _answer(send, 403, refusal)
                    return
        await self._app(scope, receive, send)

    def _is_native(self, scope: Scope) -> bool:
        from starlette.routing import Match  # noqa: PLC0415 (only under ASGI)

        return any(route.matches(scope)[0] is Match.FULL for route in self._native)


async def _answer(send: Send, status: int, refusal: MlflowException) -> None:
    body = refusal.serialize_as_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refusal(scope: Scope, path: str) -> MlflowException | None:
    from starlette.concurrency import run_in_threadpool  # noqa: PLC0415 (only under ASGI)

    workspace = next((value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER), None)

    def check() -> MlflowException | None:
        try:
            with names.in_workspace(workspace):
                require_unsealed(path, deleting=scope["method"] == "DELETE")
        except MlflowException as error:
            return error if error.get_http_status_code() == 403 else client.denied(str(error.message))  # noqa: PLR2004
        return None

    return await run_in_threadpool(check)


def require_unsealed(path: str, *, deleting: bool = False) -> None:
    """Raise a denial where writing to an artifact path would change what was judged."""
    path = plain(path)
    found_runs, models = _RUN.findall(path), _MODEL.findall(path)
    if deleting and not found_runs and not models:
        raise client.denied(f"denied: {path!r:.200} is neither of one run nor of one model; delete these one by one")
    _require(path, found_runs, models)


def plain(path: str) -> str:
    """Return a path as MLflow will take it: decoded until nothing changes (mlflow.utils.uri.validate_path_is_safe)."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return path.casefold()


def _require(path: str, found_runs: Iterable[str], models: Iterable[str]) -> None:
    try:
        own, supporting = _versions(path, list(found_runs), list(models))
    except MlflowException:
        raise
    except Exception as error:
        raise client.denied(f"denied: whose files {path!r:.200} are could not be found: {error}") from error
    for start in range(0, max(len(own), len(supporting)), _AT_ONCE):
        question = {
            "action": "write_artifact",
            "versions": own[start : start + _AT_ONCE], "supporting": supporting[start : start + _AT_ONCE],
        }  # fmt: skip
        client.require(client.shared(), question)


def _versions(path: str, found_runs: list[str], models: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the versions whose own files lie at, below or above the path, and those that rest on its runs."""
    store, filters = evidence.registry_store(), []
    for model_id in models:
        model = evidence.logged_model(evidence.tracking_store(), f"models:/{model_id}")
        filters.append(f"source_path='models:/{model_id}'")
        if model is not None and model.source_run_id:
            found_runs.append(str(model.source_run_id))
    filters += [f"run_id='{run_id}'" for run_id in dict.fromkeys(found_runs)]
    own: dict[tuple[str, str], None] = {}
    supporting: dict[tuple[str, str], None] = {}
    for condition in filters:
        for one in evidence.every_version(store, condition):
            key = (names.qualified(one.name), names.version_text(one.version))
            location = store.get_model_version_download_uri(one.name, one.version)
            mine = one.source.removeprefix("models:/") in models or _overlap(path, location)
            # A write into a model's folder is no write into its run, whatever else came from that run.
            if mine:
                own[key] = None
            elif not models:
                supporting[key] = None
    return [list(key) for key in own], [list(key) for key in supporting if key not in own]


def _overlap(path: str, location: str) -> bool:
    """Tell whether one of the two lies in the other. A location that is no path of this server is nowhere."""
    ours, theirs = _parts(path), _parts(plain(urlsplit(location).path))
    # Paths on disk and in buckets begin with a root that a path of the artifact routes does not have.
    return any(_prefix(ours, theirs[start:]) for start in range(len(theirs)))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _prefix(one: list[str], other: list[str]) -> bool:
    length = min(len(one), len(other))
    # An experiment's number alone is at the end of many a path.
    return length > 1 and one[:length] == other[:length]


# --- Flask: the same routes under gunicorn, and those that only it has ----------------------------------------------


def _by_path() -> None:
    require_unsealed(str((request.view_args or {}).get("artifact_path", "")), deleting=request.method == "DELETE")


def _uploaded() -> None:
    run_id, path = request.args.get("run_uuid", ""), request.args.get("path", "")
    run = evidence.run(run_id)
    where = urlsplit(run.info.artifact_uri).path if run is not None else run_id
    _require(plain(f"{where}/{path}").lstrip("/"), [run_id], [])


def _presigned() -> None:
    found = runs.message(service_pb2.CreatePresignedUploadUrl)
    run = evidence.run(found.run_id) if found.run_id else None
    where = urlsplit(run.info.artifact_uri).path if run is not None else str(found.run_id)
    models = [str(found.model_id)] if found.model_id else []
    _require(plain(f"{where}/{found.path}").lstrip("/"), [str(found.run_id)] if found.run_id else [], models)


GUARDS: Final[dict[str, Callable[[], None]]] = {
    "_upload_artifact": _by_path,
    "_delete_artifact_mlflow_artifacts": _by_path,
    "_create_multipart_upload_artifact": _by_path,
    "_complete_multipart_upload_artifact": _by_path,
    "serve_upload_artifact": _uploaded,
    "_create_presigned_upload_url": _presigned,
}
