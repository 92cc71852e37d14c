"""The app factory: routes, gate and error handlers around the components."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from proctor import __version__
from proctor.errors import ProctorError
from proctor.server import problems
from proctor.server.access import ADAPTERS
from proctor.server.components import Components
from proctor.server.gate import Gate
from proctor.server.problems import Code
from proctor.server.routes import routers
from proctor.settings import Settings


def create_app(settings: Settings, *, components: Components | None = None) -> FastAPI:
    """Return the API as an ASGI app.

    Without `components` the lifespan assembles them from `settings` and stops them at the end; with them, whoever
    made them stops them. Until they are there, every call is answered `unavailable`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if components is not None:
            yield
            return
        from proctor.server.assembly import assemble  # noqa: PLC0415 (imports everything there is)

        assembled = await assemble(settings)
        try:
            _attach(app, assembled)
            yield
        finally:
            app.state.components = None
            await assembled.close()

    handlers: dict[Any, Any] = {
        ProctorError: _on_error,
        HTTPException: _on_http,
        RequestValidationError: _on_validation,
    }
    app = FastAPI(
        title="Proctor",
        description="Decides whether AI may go ahead.",
        version=__version__,
        lifespan=lifespan,
        # A redirect would cost an API server a round trip; adapters mount both forms.
        redirect_slashes=False,
        # Described in docs/api.md; nothing of it is served, because nobody could reach it without a credential.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        exception_handlers=handlers,
    )
    app.state.components = None
    for router in routers():
        app.include_router(router)
    app.add_middleware(Gate)
    if components is not None:
        _attach(app, components)
    return app


def _attach(app: FastAPI, components: Components) -> None:
    """Mount the adapters and let calls in."""
    for adapter in components.adapters:
        if adapter.router is not None:
            app.include_router(adapter.router, prefix=f"{ADAPTERS}{adapter.name}")
            components.access.add_adapter(adapter.name, adapter.unauthenticated)
        if adapter.fixed is not None:
            app.include_router(adapter.fixed)
            components.access.add_fixed([route.path for route in adapter.fixed.routes if isinstance(route, APIRoute)])
    app.state.components = components


async def _on_error(_: Request, error: Exception) -> Response:
    return problems.of(error) if isinstance(error, ProctorError) else problems.internal()


async def _on_http(request: Request, error: Exception) -> Response:
    """Answer what Starlette raises by itself. The gate knows all routes, so little is left for this."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    tried = f"{request.method} {request.url.path[:200]}"
    by_status = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.TOO_LARGE}
    code = by_status.get(status, Code.INVALID_REQUEST if status < 500 else Code.INTERNAL)  # noqa: PLR2004 (RFC 9110)
    return problems.problem(code, tried=tried, found=f"HTTP {status}")


async def _on_validation(request: Request, error: Exception) -> Response:
    found = "a parameter is not what it has to be"
    if isinstance(error, RequestValidationError) and error.errors():
        first = error.errors()[0]
        found = f"{'/'.join(map(str, first['loc']))}: {first['msg']}"
    return problems.problem(Code.INVALID_REQUEST, tried=f"{request.method} {request.url.path[:200]}", found=found)
