"""`/v1/decisions`: ask, and look at what was decided."""

import asyncio
import re
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from proctor.decide.explain import explain
from proctor.errors import NotFoundError, RefusedError
from proctor.plugins import Asking
from proctor.server import limits
from proctor.server.problems import Code
from proctor.server.routes.exchange import answer, caller, components, flag, number
from proctor.vocabulary.canonical import MAX_BYTES

_ID: Final = re.compile(r"dec_[0-9a-z]{26}")
MAX_LISTED: Final = 1000


def router() -> APIRouter:
    """Return the routes."""
    found = APIRouter(prefix="/v1/decisions", tags=["decisions"])
    described = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
    found.add_api_route("", decide, methods=["POST"], name="decisions.decide", openapi_extra=described)
    found.add_api_route("", recent, methods=["GET"], name="decisions.list")
    found.add_api_route("/{decision_id}", read, methods=["GET"], name="decisions.read")
    found.add_api_route("/{decision_id}/explanation", explanation, methods=["GET"], name="decisions.explain")
    return found


async def decide(request: Request) -> Response:
    """Decide on one request (rego/schemas/request.json). Always 200 with the decision, whatever its outcome.

    The bytes go to the door as they came. A body that is too large is refused there too: as a decision.
    """
    parts = components(request)
    who = caller(request)
    asking = Asking(
        caller=who,
        budget=parts.settings.server.budget,
        source=f"caller:{who.actor.id}",
        dry_run=flag(request, "dry_run"),
    )
    try:
        raw = await limits.body(request, min(parts.settings.server.max_body, MAX_BYTES))
    except RefusedError as error:
        if error.code != Code.TOO_LARGE:
            raise
        # A part of a document could be a valid document, so nothing of this one gets to the door: only its size does.
        raw = bytes(MAX_BYTES + 1)
    decision = await parts.decisions.decide(raw, asking)
    return Response(orjson.dumps(decision.record() | {"recorded": decision.recorded}), media_type="application/json")


async def recent(request: Request) -> Response:
    """Return the newest decisions (`limit`, 1 to 1000; default 50)."""
    limit = number(request, "limit", 50, 1, MAX_LISTED)
    found = await asyncio.to_thread(components(request).ledger.recent, "decision", limit)
    return answer({"decisions": [entry.record for entry in found]})


async def read(request: Request, decision_id: str) -> Response:
    """Return one decision as it was recorded."""
    return answer(await _record(request, decision_id))


async def explanation(request: Request, decision_id: str) -> Response:
    """Explain one decision: as text, or as JSON where that is asked for."""
    record = await _record(request, decision_id)
    text = explain(record)
    if "application/json" in request.headers.get("accept", ""):
        return answer({"id": decision_id, "explanation": text.splitlines(), "decision": record})
    return PlainTextResponse(text)


async def _record(request: Request, decision_id: str) -> dict[str, Any]:
    record = None
    if _ID.fullmatch(decision_id):
        record = await asyncio.to_thread(components(request).ledger.get, decision_id)
    if record is None:
        raise NotFoundError(
            f"looking for the decision {decision_id[:60]!r}", "the ledger has none",
            "A dry run is not recorded; see 'proctor decisions list'",
        )  # fmt: skip
    return record
