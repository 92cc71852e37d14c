"""The HTTP side of the gate: strict bodies in, small answers out.

What is said here counts as MLflow's own word: who a user is, who measured what, which files a version has. So every
call but `/check` needs a key with the role `gate` for the point `mlflow-registry`; a requester's key would let its
holder say it.
"""

from typing import TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse, Response

from proctor.bodies import read_body
from proctor.errors import RefusedError
from proctor.vocabulary.canonical import NotCanonical, decode
from proctor.vocabulary.principal import Caller, Role
from proctor.vocabulary.words import Point
from proctor_adapters.mlflow.check import Check
from proctor_adapters.mlflow.gate import Gate
from proctor_adapters.mlflow.models import CheckCall, GateCall, ManifestCall, PendingCall, RetiredCall

MAX_BODY = 8 * 1024 * 1024
"""Bytes. A manifest of 30,000 files has about 5 MB."""
T = TypeVar("T", bound=BaseModel)


def router(gate: Gate, looking: Check) -> APIRouter:
    """Return the routes below `/v1/adapters/mlflow`."""
    routes = APIRouter()

    async def ask(request: Request) -> Response:
        """Answer one question of the plugin. 200 whatever the answer is."""
        caller = _gate(request)
        reply = await gate.ask(await _read(request, GateCall), caller)
        return Response(reply.model_dump_json(), media_type="application/json")

    async def manifest(request: Request) -> Response:
        """Take the hashes of a version's files."""
        caller = _gate(request)
        found = await gate.manifest(await _read(request, ManifestCall), caller)
        return Response(found.model_dump_json(), media_type="application/json")

    async def pending(request: Request) -> Response:
        """Say which versions are to be hashed."""
        _gate(request)
        found = await gate.pending(await _read(request, PendingCall))
        return Response(found.model_dump_json(), media_type="application/json")

    async def check(request: Request) -> Response:
        """Look ahead at a promotion, as whoever asks. Needs no key of MLflow's: nothing that is said here is a fact."""
        found = await looking.ask(await _read(request, CheckCall), request.state.caller)
        return JSONResponse(found)

    async def retired(request: Request) -> Response:
        """Take note of what was taken out of use."""
        _gate(request)
        await gate.retired(await _read(request, RetiredCall))
        return Response("{}", media_type="application/json")

    routes.add_api_route("/check", check, methods=["POST"], response_class=JSONResponse)
    routes.add_api_route("/retired", retired, methods=["POST"], response_class=Response)
    routes.add_api_route("/pending", pending, methods=["POST"], response_class=Response)
    routes.add_api_route("/gate", ask, methods=["POST"], response_class=Response)
    routes.add_api_route("/manifest", manifest, methods=["POST"], response_class=Response)
    return routes


def _gate(request: Request) -> Caller:
    """Return the caller, who is MLflow's gate. Raises `RefusedError` (403) for everybody else, admins included."""
    caller: Caller = request.state.caller
    points: frozenset[str] = frozenset(map(str, caller.points))
    if Role.GATE not in caller.roles or not points & {"*", str(Point.MLFLOW_REGISTRY)}:
        roles = ", ".join(sorted(map(str, caller.roles))) or "no role"
        raise RefusedError(
            "forbidden", 403, "speaking for MLflow", f"{caller.actor.id} has {roles}, and may ask at "
            f"{', '.join(sorted(points)) or 'no point'}",
            "Use a key of MLflow's own: proctor key create ID --role gate --point mlflow-registry --environment '*'",
        )  # fmt: skip
    return caller


async def _read(request: Request, model: type[T]) -> T:
    tried = "reading a call of the MLflow plugin"
    raw, whole = await read_body(request.stream(), MAX_BODY)
    if not whole:
        raise RefusedError("too_large", 413, tried, f"more than {MAX_BODY} bytes", "Register a smaller version")
    try:
        decode(raw, MAX_BODY)
        return model.model_validate_json(raw)
    except NotCanonical as error:
        raise RefusedError("invalid_request", 422, tried, str(error), "Update the plugin") from error
    except ValidationError as error:
        lines = [f"/{'/'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)[:10]]
        found = "; ".join(lines)
        raise RefusedError("invalid_request", 422, tried, found, "Plugin and Proctor have one version") from error
