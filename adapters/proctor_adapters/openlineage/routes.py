"""The HTTP side: events in, one line out. Quick: an event is on disk when it is answered, and is worked through later.

The Python client takes 5xx for a reason to come again, and 4xx for final; it never waits for an answer's body.
"""

import zlib
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from proctor.vocabulary.canonical import NotCanonical, decode
from proctor_adapters.openlineage.translate import NoEventError, check
from proctor_adapters.openlineage.worker import Worker

MAX_BODY: Final = 2 * 1024 * 1024
"""Bytes on the wire. An event with a thousand columns has about 200 KB."""
MAX_EVENT: Final = 8 * 1024 * 1024
"""Bytes after decompression: a bomb is cut off here, not in memory."""
MAX_BATCH: Final = 500
PATHS: Final = ("/api/v1/lineage", "/api/v1/lineage/batch")


def routers(worker: Worker) -> tuple[APIRouter, APIRouter]:
    """Return the routes below the adapter's mount, and those whose paths the clients fix."""

    async def one(request: Request) -> Response:
        """Take one event (`POST /lineage`)."""
        try:
            event = check(decode(await _body(request), MAX_EVENT))
        except (NoEventError, NotCanonical, ClientDisconnect) as error:
            return _refused(str(error))
        await worker.take(event, request.state.caller)
        return Response(status_code=201)

    async def batch(request: Request) -> Response:
        """Take several events (`POST /lineage/batch`), each for itself."""
        try:
            events = decode(await _body(request), MAX_EVENT)
        except (NoEventError, NotCanonical, ClientDisconnect) as error:
            return _refused(str(error))
        if not isinstance(events, list) or len(events) > MAX_BATCH:
            return _refused(f"a batch is an array of at most {MAX_BATCH} events")
        failed: list[dict[str, Any]] = []
        for index, document in enumerate(events):
            try:
                await worker.take(check(document), request.state.caller)
            except NoEventError as error:
                failed.append({"index": index, "reason": str(error), "retriable": False})
        summary = {"received": len(events), "successful": len(events) - len(failed), "failed": len(failed)}
        status = "partial_success" if failed else "success"
        return JSONResponse({"status": status, "summary": summary, "failed_events": failed})

    own, fixed = APIRouter(), APIRouter()
    for path, handler in zip(("/lineage", "/lineage/batch"), (one, batch), strict=True):
        own.add_api_route(path, handler, methods=["POST"], response_class=Response)
    for path, handler in zip(PATHS, (one, batch), strict=True):
        fixed.add_api_route(path, handler, methods=["POST"], response_class=Response)
    return own, fixed


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            raise NoEventError(f"the body has more than {MAX_BODY} bytes")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return bytes(found)
    if encoding != "gzip":
        raise NoEventError("the content encoding is neither gzip nor identity")
    unpacker = zlib.decompressobj(wbits=31)  # a gzip header is expected: RFC 1952
    try:
        plain = unpacker.decompress(bytes(found), MAX_EVENT)
    except zlib.error as error:
        raise NoEventError(f"the body is no gzip: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise NoEventError(f"the body is cut off, or has more than {MAX_EVENT} bytes when it is unpacked")
    return plain


def _refused(why: str) -> Response:
    return JSONResponse({"error": why[:500]}, status_code=400)
