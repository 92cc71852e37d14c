"""How the API says no: `application/problem+json` (RFC 9457) with a closed set of codes, and never a traceback.

`/v1/decisions` is the exception: it answers 200 with a decision, whatever the outcome.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import orjson
import structlog
from starlette.responses import Response

from proctor.errors import EngineError, NotFoundError, PolicyError, ProctorError, RefusedError, UsageError

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_MAX_TEXT: Final = 1000
"""Characters of each sentence: parts of them can come from the caller."""


class Code(StrEnum):
    """Every `code` that a problem can have. Documented in docs/api.md."""

    UNAUTHENTICATED = "unauthenticated"
    """No credential, or none that is in force."""
    LOCKED_OUT = "locked_out"
    """Too many failed authentications from this address."""
    RATE_LIMITED = "rate_limited"
    """Too many calls of a route that needs no credential."""
    FORBIDDEN = "forbidden"
    """rego/authz does not allow this route to any of the caller's roles, or the thing belongs to somebody else."""
    PERSON_REQUIRED = "person_required"
    """Services don't decide what people decide."""
    SAME_PERSON = "same_person"
    """Whoever asked can't be the second person."""
    NOT_FOUND = "not_found"
    """No such route or thing."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """The route exists, with other methods."""
    CONFLICT = "conflict"
    """What is asked for contradicts what is there."""
    LIMIT_REACHED = "limit_reached"
    """There are as many of these as there may be."""
    INVALID_REQUEST = "invalid_request"
    """The body or a parameter is not what it has to be."""
    NOT_WAIVABLE = "not_waivable"
    """The rule excludes waivers."""
    TOO_LARGE = "too_large"
    """The body is larger than the limit."""
    TIMED_OUT = "timed_out"
    """The body did not arrive in time."""
    UNAVAILABLE = "unavailable"
    """Something that Proctor needs does not answer: OPA, the ledger, the database, the clock."""
    INTERNAL = "internal"
    """A defect in Proctor; the log has the details under the request id."""


STATUS: Final[Mapping[Code, int]] = {
    Code.UNAUTHENTICATED: 401,
    Code.LOCKED_OUT: 429,
    Code.RATE_LIMITED: 429,
    Code.FORBIDDEN: 403,
    Code.PERSON_REQUIRED: 403,
    Code.SAME_PERSON: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.LIMIT_REACHED: 409,
    Code.INVALID_REQUEST: 422,
    Code.NOT_WAIVABLE: 422,
    Code.TOO_LARGE: 413,
    Code.TIMED_OUT: 408,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}

_HEADERS: Final[Mapping[Code, Mapping[str, str]]] = {
    Code.UNAUTHENTICATED: {"WWW-Authenticate": 'Bearer realm="proctor"'}
}


def problem(
    code: Code,
    *,
    tried: str,
    found: str,
    remedy: str = "",
    reason: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer for `code`. `reason` is the decision's reason code where an engine error is behind it."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": str(code).replace("_", " ").capitalize(),
        "status": STATUS[code],
        "code": str(code),
        "detail": _bounded(f"{tried}: {found}." + (f" {remedy}." if remedy else "")),
        "tried": _bounded(tried),
        "found": _bounded(found),
        "remedy": _bounded(remedy),
    }
    if reason is not None:
        document["reason"] = reason
    return Response(
        orjson.dumps(document),
        STATUS[code],
        media_type=MEDIA_TYPE,
        headers={**_HEADERS.get(code, {}), "Cache-Control": "no-store", **(headers or {})},
    )


def of(error: ProctorError) -> Response:
    """Return the answer that stands for one of our own errors."""
    stated: dict[str, Any] = {"tried": error.tried, "found": error.found, "remedy": error.remedy}
    match error:
        case RefusedError() if error.code in _CODES:
            return problem(Code(error.code), **stated)
        case NotFoundError():
            return problem(Code.NOT_FOUND, **stated)
        case UsageError() | PolicyError():
            return problem(Code.INVALID_REQUEST, **stated)
        case EngineError():
            return problem(Code.UNAVAILABLE, **stated, reason=str(error.reason))
        case _:
            log.error("server.unmapped_error", kind=type(error).__name__, error=str(error))
            return internal()


def internal() -> Response:
    """Return the answer to a defect of ours: nothing of it leaves the log."""
    return problem(
        Code.INTERNAL, tried="answering", found="a defect in Proctor", remedy="Look for the request id in the log"
    )


_CODES: Final = frozenset(str(code) for code in Code)


def _bounded(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= _MAX_TEXT else plain[: _MAX_TEXT - 3] + "..."
