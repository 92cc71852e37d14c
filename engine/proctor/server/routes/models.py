"""`/v1/models`: register model versions, allow them by environment, withdraw them."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from proctor.server.routes.exchange import Body, answer, caller, components, described, flag, read
from proctor.vocabulary.facts import Digest, PrincipalId, Word


class Registration(Body):
    """A model version. `inventory` checks what the fields say."""

    name: Word
    version: Word
    digest: Digest
    uris: Annotated[list[Word], Field(max_length=50)] = []
    author: PrincipalId | None = None
    purpose: Word | None = None
    exposure: Word | None = None
    autonomy: Word | None = None
    data_class: Word | None = None


class AllowanceBody(Body):
    """Where a version may be deployed."""

    environments: Annotated[list[Word], Field(min_length=1, max_length=100)]


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(prefix="/v1/models", tags=["models"])
    found.add_api_route("", register, methods=["POST"], name="models.register", openapi_extra=described(Registration))
    found.add_api_route("", registered, methods=["GET"], name="models.list")
    found.add_api_route(
        "/{name}/{version}/allowance",
        allow,
        methods=["POST"],
        name="models.allow",
        openapi_extra=described(AllowanceBody),
    )
    found.add_api_route("/{name}/{version}", withdraw, methods=["DELETE"], name="models.withdraw")
    return found


async def register(request: Request) -> Response:
    """Register a model version. It may run nowhere until it is allowed. Registering it again confirms it."""
    body = await read(request, Registration)
    made = await components(request).inventory.register(**body.model_dump(), by=caller(request).actor.id)
    return answer(made.document(), 201)


async def registered(request: Request) -> Response:
    """Return the registered versions (`withdrawn=true`: the withdrawn ones too)."""
    found = components(request).inventory.list(withdrawn=flag(request, "withdrawn"))
    return answer({"models": [version.document() for version in found]})


async def allow(request: Request, name: str, version: str) -> Response:
    """Allow a version's digest in these environments."""
    body = await read(request, AllowanceBody)
    by = caller(request).actor.id
    changed = await components(request).inventory.allow(name, version, body.environments, by=by)
    return answer(changed.document())


async def withdraw(request: Request, name: str, version: str) -> Response:
    """Withdraw a version: it is registered no longer, and allowed nowhere."""
    changed = await components(request).inventory.withdraw(name, version, by=caller(request).actor.id)
    return answer(changed.document())
