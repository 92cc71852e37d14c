"""How every route reads its body and writes its answer: the strict door, strict models, and no second encoder.

FastAPI would parse bodies before anybody is authenticated, and would let NaN and duplicate keys through.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from proctor.errors import RefusedError
from proctor.server import limits
from proctor.server.components import Components
from proctor.store.moments import to_text
from proctor.vocabulary.canonical import NotCanonical, decode
from proctor.vocabulary.principal import Caller

_MAX_PROBLEMS = 20

T = TypeVar("T", bound=BaseModel)


class Body(BaseModel):
    """Base of all bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def components(request: Request) -> Components:
    """Return the parts of the server that answers this request."""
    found: Components = request.app.state.components
    return found


def caller(request: Request) -> Caller:
    """Return who calls, as the gate has found out."""
    found: Caller = request.state.caller
    return found


async def read(request: Request, model: type[T]) -> T:
    """Return the body as `model`. Raises `RefusedError` with one line for each thing that is wrong."""
    raw = await limits.body(request, limits.SMALL_BODY)
    tried = f"reading the body of {request.method} {request.url.path}"
    try:
        decode(raw, limits.SMALL_BODY)
        return model.model_validate_json(raw, strict=True)
    except NotCanonical as error:
        raise RefusedError("invalid_request", 422, tried, str(error), "Send one JSON object") from error
    except ValidationError as error:
        lines = [
            f"/{'/'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_PROBLEMS]
        ]
        raise RefusedError("invalid_request", 422, tried, "; ".join(lines), "See docs/api.md") from error


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """Return a whole number from the query. Raises `RefusedError` for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):  # noqa: PLR2004
        raise RefusedError(
            "invalid_request",
            422,
            f"reading the parameter {name}",
            "it is not such a number",
            f"Give {least} to {most}",
        )
    return int(text)


def flag(request: Request, name: str) -> bool:
    """Return a flag from the query: `true`, `false`, or absent for false. Raises `RefusedError` for anything else."""
    text = request.query_params.get(name, "false")
    if text not in {"true", "false"}:
        raise RefusedError(
            "invalid_request",
            422,
            f"reading the parameter {name}",
            "it is neither true nor false",
            "Write true or false",
        )
    return text == "true"


def answer(document: Any, status: int = 200) -> Response:
    """Return `document` as JSON."""
    return Response(
        orjson.dumps(document), status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )


def plain(model: BaseModel) -> dict[str, Any]:
    """Return a model as JSON without nulls, times in the one form that sorts."""
    found: Mapping[str, Any] = model.model_dump(exclude_none=True)
    return {name: to_text(value) if isinstance(value, datetime) else value for name, value in found.items()}


def described(model: type[BaseModel]) -> dict[str, Any]:
    """Return the part of the OpenAPI document that describes a body which FastAPI does not parse."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}
