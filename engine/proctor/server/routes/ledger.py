"""`/v1/ledger`: what an auditor keeps elsewhere."""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from proctor.server.routes.exchange import answer, components


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(prefix="/v1/ledger", tags=["ledger"])
    found.add_api_route("/checkpoint", checkpoint, methods=["GET"], name="ledger.checkpoint")
    return found


async def checkpoint(request: Request) -> Response:
    """Return a signed checkpoint of the ledger (C2SP signed note): as text, or as JSON where that is asked for.

    Kept elsewhere, it proves later that nothing was taken away or changed.
    """
    ledger = components(request).ledger
    head, note = ledger.head(), ledger.checkpoint()
    if "application/json" in request.headers.get("accept", ""):
        return answer({"size": head.size, "root": head.root, "checkpoint": note, "public_key": ledger.public_key})
    return PlainTextResponse(note)
