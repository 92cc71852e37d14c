"""The local operator: whoever can open the private Unix socket, or runs the engine in the own process.

The socket lies in a directory that only the server's user can enter, so the kernel has authenticated the caller. A key
in the request is honoured all the same, because people sign waivers as themselves.
"""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role

LOCAL: Final = "proctor.local"
"""Key of the ASGI scope. A client can't set it: servers fill the scope, and headers stand elsewhere."""

LOCAL_OPERATOR_ID: Final = "service:localoperator"


class LocalOperator:
    """Wraps the app for a listener that only the local operator can reach."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Mark the call as local and pass it on."""
        await self._app({**scope, LOCAL: True}, receive, send)


def local_operator() -> Caller:
    """Return the caller of a local call without a key."""
    return Caller(
        actor=Actor(id=LOCAL_OPERATOR_ID, kind=PrincipalKind.SERVICE, authenticated_by="local-socket"),
        roles=frozenset({Role.ADMIN}),
        points=frozenset({"*"}),
        environments=frozenset({"*"}),
        credential="local-socket",
    )
