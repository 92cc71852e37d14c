"""`/v1/principals` and `/v1/keys`: who people and services are, and their credentials."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from proctor.identity.keys import SCHEME, ApiKey
from proctor.identity.people import DEFAULT_DAYS
from proctor.identity.principals import Principal
from proctor.server.routes.exchange import Body, answer, caller, components, described, read
from proctor.vocabulary.facts import PrincipalId, Word
from proctor.vocabulary.principal import PrincipalKind, Role

Few = Annotated[list[Word], Field(max_length=100)]


class PrincipalBody(Body):
    """A person or a service."""

    kind: Literal["person", "service"]
    name: Word
    roles: Annotated[list[Role], Field(max_length=20)] = []
    environments: Few = []
    """Environments that the principal may deploy to; `*` for all."""
    purposes: Few = []
    """Purposes for which the principal may train; `*` for all that are configured."""
    data_classes: Few = []
    """Classes of data that the principal may train on; `*` for all."""


class GrantsBody(Body):
    """What a principal may train from now on; it takes the place of what was granted before."""

    purposes: Few
    data_classes: Few


class AliasBody(Body):
    """A login of another system."""

    system: Word
    name: Word


class KeyBody(Body):
    """A key. What is not named, it may not do."""

    principal: PrincipalId
    kind: Literal["plain", "gate", "catalog"] | None = None
    """None: `gate` for a key that asserts facts, else `plain`."""
    roles: Annotated[list[Role], Field(max_length=20)] = []
    points: Few = []
    environments: Few = []
    asserts: Few = []
    expires_in_days: int = DEFAULT_DAYS


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(tags=["identity"])
    people, keys = "/v1/principals", "/v1/keys"
    found.add_api_route(people, add, methods=["POST"], name="principals.add", openapi_extra=described(PrincipalBody))
    found.add_api_route(people, principals, methods=["GET"], name="principals.list")
    found.add_api_route(f"{people}/{{principal_id}}", deactivate, methods=["DELETE"], name="principals.deactivate")
    found.add_api_route(
        f"{people}/{{principal_id}}/grants",
        grant,
        methods=["POST"],
        name="principals.grant",
        openapi_extra=described(GrantsBody),
    )
    found.add_api_route(
        f"{people}/{{principal_id}}/aliases",
        link,
        methods=["POST"],
        name="principals.link",
        openapi_extra=described(AliasBody),
    )
    found.add_api_route(keys, create_key, methods=["POST"], name="keys.create", openapi_extra=described(KeyBody))
    found.add_api_route(keys, list_keys, methods=["GET"], name="keys.list")
    found.add_api_route(f"{keys}/{{prefix}}", revoke_key, methods=["DELETE"], name="keys.revoke")
    return found


async def add(request: Request) -> Response:
    """Add a person or a service; the answer holds the minted id."""
    body = await read(request, PrincipalBody)
    made = await components(request).register.add(
        PrincipalKind(body.kind), body.name, body.roles, body.environments, caller(request).actor.id,
        purposes=body.purposes, data_classes=body.data_classes,
    )  # fmt: skip
    return answer(_principal(made, ()), 201)


async def principals(request: Request) -> Response:
    """Return all principals with their logins."""
    found = components(request).register.principals()
    return answer({"principals": [_principal(principal, logins) for principal, logins in found]})


async def deactivate(request: Request, principal_id: str) -> Response:
    """Make a principal nobody: its keys and logins count no more, from this moment."""
    changed = await components(request).register.deactivate(principal_id, caller(request).actor.id)
    return answer(_principal(changed, ()))


async def grant(request: Request, principal_id: str) -> Response:
    """Set for which purposes and on which classes of data a principal may train."""
    body = await read(request, GrantsBody)
    changed = await components(request).register.grant(
        principal_id, purposes=body.purposes, data_classes=body.data_classes, by=caller(request).actor.id
    )
    return answer(_principal(changed, ()))


async def link(request: Request, principal_id: str) -> Response:
    """Link a login of another system to a principal, for ever."""
    body = await read(request, AliasBody)
    await components(request).register.link(principal_id, body.system, body.name, caller(request).actor.id)
    return answer({"principal": principal_id, "system": body.system, "name": body.name}, 201)


async def create_key(request: Request) -> Response:
    """Make a key. Its text is in this answer and nowhere else."""
    body = await read(request, KeyBody)
    key, text = await components(request).register.create_key(
        body.principal,
        kind=body.kind or ("gate" if body.asserts else "plain"),
        roles=body.roles,
        points=body.points,
        environments=body.environments,
        asserts=body.asserts,
        days=body.expires_in_days,
        by=caller(request).actor.id,
    )
    return answer(_key(key) | {"key": text}, 201)


async def list_keys(request: Request) -> Response:
    """Return all keys, without their secrets."""
    return answer({"keys": [_key(key) for key in components(request).register.issued()]})


async def revoke_key(request: Request, prefix: str) -> Response:
    """Revoke a key, from this moment. `prefix` with or without `prk_`."""
    changed = await components(request).register.revoke_key(prefix.removeprefix(f"{SCHEME}_"), caller(request).actor.id)
    return answer(_key(changed))


def _principal(principal: Principal, logins: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return principal.row() | {"aliases": [{"system": system, "name": name} for system, name in logins]}


def _key(key: ApiKey) -> dict[str, Any]:
    return key.public()
