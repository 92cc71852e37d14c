"""`/v1/waivers`: request, sign as the second person, revoke, list."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from proctor.server.routes.exchange import answer, caller, components, described, plain, read
from proctor.vocabulary.waiver import Waiver, WaiverRequest


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(prefix="/v1/waivers", tags=["waivers"])
    found.add_api_route(
        "", request_waiver, methods=["POST"], name="waivers.request", openapi_extra=described(WaiverRequest)
    )
    found.add_api_route("", recent, methods=["GET"], name="waivers.list")
    found.add_api_route("/{waiver_id}/signature", sign, methods=["POST"], name="waivers.sign")
    found.add_api_route("/{waiver_id}", revoke, methods=["DELETE"], name="waivers.revoke")
    return found


async def request_waiver(request: Request) -> Response:
    """Request a waiver. It covers nothing until a second person has signed it. `reason` is recorded for good."""
    wanted = await read(request, WaiverRequest)
    waiver = await components(request).waivers.request(wanted, caller(request))
    return answer(_document(request, waiver), 201)


async def recent(request: Request) -> Response:
    """Return all waivers, the latest request first."""
    return answer({"waivers": [_document(request, waiver) for waiver in components(request).waivers.waivers()]})


async def sign(request: Request, waiver_id: str) -> Response:
    """Sign a waiver that another person requested."""
    return answer(_document(request, await components(request).waivers.sign(waiver_id, caller(request))))


async def revoke(request: Request, waiver_id: str) -> Response:
    """Revoke a waiver, from this moment."""
    return answer(_document(request, await components(request).waivers.revoke(waiver_id, caller(request))))


def _document(request: Request, waiver: Waiver) -> dict[str, Any]:
    return plain(waiver) | {"state": components(request).waivers.state(waiver)}
