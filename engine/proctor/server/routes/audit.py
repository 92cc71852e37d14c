"""`/v1/audit`: what stands and would not be allowed, today or on a date. A dry run: nothing is recorded."""

from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from proctor.errors import RefusedError
from proctor.server.routes.exchange import answer, components, number

_MOST: Final = 200
"""Judged in one call: a second or two of work."""
_MAX_CURSOR: Final = 2000
_YEARS: Final = range(2020, 2100)
"""Those that `lib.time` takes for years."""


def router() -> APIRouter:
    """Return the route."""
    found = APIRouter(tags=["audit"])
    found.add_api_route("/v1/audit", audit, methods=["GET"], name="audit.read")
    return found


async def audit(request: Request) -> Response:
    """Judge a part of what stands (`limit`, 1 to 200; `after`, as the former part said) under the policy in force.

    `at`: as rules will be on that date, a UTC date or time. Returned are those that do not stand; `next` is null when
    all were judged.
    """
    parts = components(request)
    after = request.query_params.get("after", "")
    if len(after) > _MAX_CURSOR:
        tried = "reading the parameter after"
        raise RefusedError("invalid_request", 422, tried, "it is too long", "Send what `next` said")
    at = _moment(request.query_params.get("at"))
    rows, following, total = await parts.outlook.part(at, after, number(request, "limit", 100, 1, _MOST))
    policy = parts.policy.bundle
    return answer(
        {
            "policy": {"revision": policy.revision, "digest": policy.digest},
            "at": None if at is None else at.isoformat().replace("+00:00", "Z"),
            "judged": len(rows),
            "total": total,
            "rows": [row.document() for row in rows if row.state != "stands"],
            "next": following,
        }
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    tried = "reading the parameter at"
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedError("invalid_request", 422, tried, "it is no date", "Write 2027-12-02") from error
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if found.year not in _YEARS:
        raise RefusedError("invalid_request", 422, tried, "no such year is known to the rules", "Write 2027-12-02")
    return found
