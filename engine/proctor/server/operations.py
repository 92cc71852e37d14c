"""The operations listener: is it alive, is it ready, how is it doing. No credential, nothing about anybody.

Its own port, so that it can be kept inside while the API is reachable from outside.
"""

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proctor import __version__
from proctor.errors import EngineError
from proctor.server import metrics
from proctor.server.components import Components


def create_operations(components: Components) -> Starlette:
    """Return the ASGI app of the operations listener."""

    async def live(_: Request) -> Response:
        """Say that the process answers. It says nothing of OPA: a restart would not mend that."""
        return _json({"alive": True, "version": __version__})

    async def ready(_: Request) -> Response:
        """Say whether decisions can be made, else why not."""
        troubles = await components.troubles()
        components.metrics.ready.set(0 if troubles else 1)
        return _json({"ready": not troubles, "reasons": troubles}, 503 if troubles else 200)

    async def scrape(_: Request) -> Response:
        """Return the metrics in Prometheus' text format."""
        measured = components.metrics
        measured.waiting.set(components.decisions.waiting)
        measured.ledger_size.set(components.ledger.head().size)
        measured.ledger_healthy.set(1 if components.ledger.healthy else 0)
        try:
            waiting, dead = await components.outbox.counts()
        except EngineError:
            # The other metrics matter most when the database does not answer.
            measured.outbox.clear()
        else:
            measured.outbox_depth({"waiting": waiting, "dead": dead})
        return Response(measured.render(), media_type=metrics.CONTENT_TYPE)

    return Starlette(
        routes=[
            Route("/health/live", live, methods=["GET"]),
            Route("/health/ready", ready, methods=["GET"]),
            Route("/metrics", scrape, methods=["GET"]),
        ]
    )


def _json(document: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(document), status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )
