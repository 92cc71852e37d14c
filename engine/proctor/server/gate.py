"""The gate in front of every route: which route, who calls, may they. Nothing of a body is read before that.

It also gives each call its request id, counts it, and turns whatever a route could not handle into a problem.
"""

import re
import secrets
import time
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proctor.errors import ProctorError, RefusedError
from proctor.server import limits, problems
from proctor.server.access import ADAPTER_OPEN, Route
from proctor.server.components import Components
from proctor.server.local import LOCAL, local_operator
from proctor.server.problems import Code
from proctor.vocabulary.principal import Caller

log = structlog.get_logger(__name__)

REQUEST_ID: Final = "x-request-id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HARD_LIMIT: Final = 128 * 1024 * 1024
"""Bytes after which a body is cut off that a route reads without a limit of its own. Larger than what routes drain."""


class Gate:
    """ASGI middleware. Finds the components in `app.state`, where the lifespan puts them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # There are no WebSockets; ASGI says that closing before accepting is a 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get(REQUEST_ID))
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        components: Components | None = getattr(scope["app"].state, "components", None)
        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                stale = await components.following.arrive() if components is not None and components.following else None
                answer = self._admit(scope, headers, components, stale)
                if answer is None and components is not None:
                    await self._app(scope, limits.bounded(receive, _HARD_LIMIT), sending)
                    return
            except ProctorError as error:
                answer = problems.of(error)
            except limits.ClientDisconnect:
                return
            except Exception:
                # The last resort: a defect of ours ends here as a problem, and its details in the log.
                log.exception("server.internal_error", method=scope["method"], path=scope["path"])
                if started:
                    raise
                answer = problems.internal()
            await (answer or problems.internal())(scope, receive, sending)

    def _admit(
        self, scope: Scope, headers: Headers, components: Components | None, stale: ProctorError | None
    ) -> Response | None:
        """Return None when the call may go on, with `route` and `caller` in its state; else the answer.

        `stale` says why nobody knows whether the registers in memory still hold.
        """
        if components is None:
            return problems.problem(
                Code.UNAVAILABLE, tried="answering", found="the server is starting or stopping", remedy="Try again"
            )
        method, path = scope["method"], scope["path"]
        found = components.access.find(method, path)
        tried = f"{method} {path[:200]}"
        if found.route is None:
            if found.methods:
                return problems.problem(
                    Code.METHOD_NOT_ALLOWED, tried=tried, found=f"this path has {', '.join(sorted(found.methods))}",
                    headers={"Allow": ", ".join(sorted(found.methods))},
                )  # fmt: skip
            return problems.problem(
                Code.NOT_FOUND, tried=tried, found="there is no such route", remedy="See docs/api.md"
            )
        state = scope.setdefault("state", {})
        state["route"] = found.route.name
        if stale is not None and not found.route.decides and not found.route.open:
            return problems.of(stale)
        if found.route.open:
            return self._admit_open(scope, found.route, components)
        caller = _caller(scope, headers, components)
        components.permissions.check(found.route, caller)
        state["caller"] = caller
        return None

    def _admit_open(self, scope: Scope, route: Route, components: Components) -> Response | None:
        client = _client(scope)
        if scope.get(LOCAL) or components.buckets.take(client, time.monotonic()):
            return None
        components.metrics.rate_limited.labels(route=route.name).inc()
        if route is ADAPTER_OPEN:
            # An API server takes a 429 for a failed call, which its failurePolicy may turn into an admission: the
            # adapter says no in the form that its peer understands.
            scope["state"]["over_limit"] = True
            return None
        return problems.problem(
            Code.RATE_LIMITED, tried=f"{route.method} {route.path}", found="too many calls from this address",
            remedy="Call less often",
        )  # fmt: skip


def _caller(scope: Scope, headers: Headers, components: Components) -> Caller:
    header = headers.get("authorization")
    if header is None and scope.get(LOCAL):
        return local_operator()
    try:
        return components.register.authenticate(header, _client(scope))
    except RefusedError as error:
        components.metrics.authentication_failures.labels(code=error.code).inc()
        raise


def _client(scope: Scope) -> str:
    """Return the peer's address as the kernel knows it. What a proxy says about others is not believed."""
    if scope.get(LOCAL):
        return "local"
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _request_id(given: str | None) -> str:
    return given if given is not None and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
