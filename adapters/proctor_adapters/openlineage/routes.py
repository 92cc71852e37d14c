"""The HTTP side: events in, one line out. Quick: an event is on disk when it is answered, and is worked through later.

The Python client takes 5xx for a reason to come again and 4xx for final, and a 503 only with `Retry-After`; it reads no
answer's body.
"""

import asyncio
import zlib
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from proctor.bodies import read_body
from proctor.errors import EngineError
from proctor_adapters.openlineage.events import NoEventError, check, decode
from proctor_adapters.openlineage.worker import LARGE, Worker, now

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes on the wire. An event with a thousand columns has about 200 KB."""
MAX_EVENT: Final = 8 * 1024 * 1024
"""Bytes after decompression: a bomb is cut off here, not in memory."""
MAX_BATCH: Final = 500
RETRY_AFTER: Final = 5
"""Seconds until a sender may come again."""
PATHS: Final = ("/api/v1/lineage", "/api/v1/lineage/batch")


class TooLargeError(ValueError):
    """The body is larger than the receiver takes."""


def routers(worker: Worker) -> tuple[APIRouter, APIRouter]:
    """Return the routes below the adapter's mount, and those whose paths the clients fix."""

    async def one(request: Request) -> Response:
        """Take one event (`POST /lineage`): 201 for a new one, 200 for one that was sent before."""
        try:
            new = await worker.take(check(await _document(request), now()), request.state.caller)
        except (NoEventError, TooLargeError, ClientDisconnect, EngineError) as error:
            return _refused(error)
        return Response(status_code=201 if new else 200)

    async def batch(request: Request) -> Response:
        """Take several events (`POST /lineage/batch`), each for itself."""
        failed: list[dict[str, Any]] = []
        try:
            events = _array(await _document(request))
            for index, document in enumerate(events):
                try:
                    await worker.take(check(document, now()), request.state.caller)
                except NoEventError as error:
                    failed.append({"index": index, "reason": str(error)[:500], "retriable": False})
        except (NoEventError, TooLargeError, ClientDisconnect, EngineError) as error:
            # What was taken of it is taken: sent again, it is the same events.
            return _refused(error)
        counts = {"received": len(events), "successful": len(events) - len(failed), "failed": len(failed)}
        summary = {**counts, "retriable": 0, "non_retriable": len(failed)}
        status = "partial_success" if failed else "success"
        return JSONResponse({"status": status, "summary": summary, "failed_events": failed})

    own, fixed = APIRouter(), APIRouter()
    for path, handler in zip(("/lineage", "/lineage/batch"), (one, batch), strict=True):
        own.add_api_route(path, handler, methods=["POST"], response_class=Response)
    for path, handler in zip(PATHS, (one, batch), strict=True):
        fixed.add_api_route(path, handler, methods=["POST"], response_class=Response)
    return own, fixed


def _array(document: Any) -> list[Any]:
    if not isinstance(document, list) or len(document) > MAX_BATCH:
        raise NoEventError(f"a batch is an array of at most {MAX_BATCH} events")
    return document


async def _document(request: Request) -> Any:
    raw, whole = await read_body(request.stream(), MAX_BODY)
    if not whole:
        raise TooLargeError(f"the body has more than {MAX_BODY} bytes")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if len(raw) > LARGE or encoding != "identity":
        return await asyncio.to_thread(_read, raw, encoding)
    return _read(raw, encoding)


def _read(raw: bytes, encoding: str) -> Any:
    return decode(_plain(raw, encoding))


def _plain(raw: bytes, encoding: str) -> bytes:
    """Return the body without its encoding, never more than `MAX_EVENT` bytes of it."""
    if encoding == "identity":
        return raw
    if encoding not in {"gzip", "x-gzip"}:  # RFC 9110 section 8.4.1.3 has them equal
        raise NoEventError("the content encoding is neither gzip nor identity")
    unpacker = zlib.decompressobj(wbits=31)  # a gzip header is expected: RFC 1952
    try:
        plain = unpacker.decompress(raw, MAX_EVENT)
    except zlib.error as error:
        raise NoEventError(f"the body is no gzip: {error}") from error
    if unpacker.unconsumed_tail:
        raise TooLargeError(f"the body has more than {MAX_EVENT} bytes when it is unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise NoEventError("the gzip body is cut off, or followed by something else")
    return plain


def _refused(error: Exception) -> Response:
    match error:
        case EngineError():
            headers = {"Retry-After": str(RETRY_AFTER)}
            return JSONResponse({"error": str(error)[:500]}, status_code=503, headers=headers)
        case TooLargeError():
            return JSONResponse({"error": str(error)}, status_code=413)
        case _:
            return JSONResponse({"error": str(error)[:500] or "the body did not arrive"}, status_code=400)
