"""The one table of routes: what exists, what each is called in rego/authz, and what needs no credential.

The gate reads this table before anything else, so a route that is not in it does not exist, whatever FastAPI thinks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ADAPTERS: Final = "/v1/adapters/"


@dataclass(frozen=True, slots=True)
class Route:
    """One route."""

    name: str
    """Its name in rego/authz."""
    method: str
    path: str
    open: str = ""
    """Why it needs no credential; empty: it needs one. What it answers carries no authority, and it is rate limited."""
    decides: bool = False
    """True: it answers with a decision, and so says in the form of its caller that there can be none now."""


ROUTES: Final = (
    Route("decisions.decide", "POST", "/v1/decisions", decides=True),
    Route("decisions.list", "GET", "/v1/decisions"),
    Route("decisions.read", "GET", "/v1/decisions/{decision_id}"),
    Route("decisions.explain", "GET", "/v1/decisions/{decision_id}/explanation"),
    Route("waivers.request", "POST", "/v1/waivers"),
    Route("waivers.list", "GET", "/v1/waivers"),
    Route("waivers.sign", "POST", "/v1/waivers/{waiver_id}/signature"),
    Route("waivers.revoke", "DELETE", "/v1/waivers/{waiver_id}"),
    Route("models.register", "POST", "/v1/models"),
    Route("models.list", "GET", "/v1/models"),
    Route("models.allow", "POST", "/v1/models/{name}/{version}/allowance"),
    Route("models.withdraw", "DELETE", "/v1/models/{name}/{version}"),
    Route("principals.add", "POST", "/v1/principals"),
    Route("principals.list", "GET", "/v1/principals"),
    Route("principals.deactivate", "DELETE", "/v1/principals/{principal_id}"),
    Route("principals.grant", "POST", "/v1/principals/{principal_id}/grants"),
    Route("principals.link", "POST", "/v1/principals/{principal_id}/aliases"),
    Route("keys.create", "POST", "/v1/keys"),
    Route("keys.list", "GET", "/v1/keys"),
    Route("keys.revoke", "DELETE", "/v1/keys/{prefix}"),
    Route("datasets.list", "GET", "/v1/datasets"),
    Route("violations.list", "GET", "/v1/violations"),
    Route("violations.read", "GET", "/v1/violations/{violation_id}"),
    Route("audit.read", "GET", "/v1/audit"),
    Route("ledger.checkpoint", "GET", "/v1/ledger/checkpoint"),
    Route("policy.read", "GET", "/v1/policy"),
    Route(
        "policy.bundle",
        "GET",
        "/v1/policy/bundle",
        open="an OPA sidecar pulls it; it is signed, holds no secret, and OPA believes the signature and not the reply",
    ),
)
"""All routes but those of adapters, which are `adapters.call` with POST, below `/v1/adapters/<name>/`."""

ADAPTER_CALL: Final = Route("adapters.call", "POST", ADAPTERS + "{name}/{rest}", decides=True)
ADAPTER_OPEN: Final = Route(
    "adapters.open",
    "POST",
    ADAPTERS + "{name}/{rest}",
    open="the adapter's docstring says why; its answers bind nobody but the system that asked",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the table says about a method and a path."""

    route: Route | None
    methods: frozenset[str] = frozenset()
    """Methods that this path has, when the asked one is not among them."""


class AccessTable:
    """Looks routes up."""

    def __init__(self) -> None:
        self._static: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        by_path: dict[str, dict[str, Route]] = {}
        for route in ROUTES:
            by_path.setdefault(route.path, {})[route.method] = route
        for path, methods in by_path.items():
            if "{" in path:
                self._patterns.append((_compiled(path), methods))
            else:
                self._static[path] = methods
        self._adapters: dict[str, tuple[re.Pattern[str], ...]] = {}
        self._fixed: frozenset[str] = frozenset()

    def add_adapter(self, name: str, unauthenticated: Sequence[str]) -> None:
        """Let calls through to the adapter `name`; those of the paths below its mount in `unauthenticated` openly."""
        self._adapters[name] = tuple(_compiled(path) for path in unauthenticated)

    def add_fixed(self, paths: Sequence[str]) -> None:
        """Let calls through to these whole paths, which a producer fixes; each needs the credential of an adapter call.

        Raises `ValueError` for a path that the table has, that another adapter has taken, or that is not a whole one.
        """
        taken = {
            path
            for path in paths
            if path in self._static or path in self._fixed or path.startswith("/v1/") or "{" in path
        }
        if taken:
            raise ValueError(f"{', '.join(sorted(taken))} belongs to somebody else")
        self._fixed |= frozenset(paths)

    def find(self, method: str, path: str) -> Found:
        """Return the route of `method` and `path`, the path's other methods, or nothing."""
        methods = self._static.get(path)
        if methods is None:
            if path.startswith(ADAPTERS):
                return self._adapter(method, path)
            if path in self._fixed:
                return _called(method, ADAPTER_CALL)
            methods = next((found for pattern, found in self._patterns if pattern.fullmatch(path)), None)
        if methods is None:
            return Found(None)
        route = methods.get(method)
        return Found(route) if route is not None else Found(None, frozenset(methods))

    def _adapter(self, method: str, path: str) -> Found:
        name, slash, rest = path.removeprefix(ADAPTERS).partition("/")
        unauthenticated = self._adapters.get(name)
        if unauthenticated is None or not slash:
            return Found(None)
        is_open = any(pattern.fullmatch(f"/{rest}") for pattern in unauthenticated)
        return _called(method, ADAPTER_OPEN if is_open else ADAPTER_CALL)


def _called(method: str, route: Route) -> Found:
    return Found(route) if method == route.method else Found(None, frozenset({route.method}))


def _compiled(path: str) -> re.Pattern[str]:
    """Return the pattern of a path template: `{name}` is one segment, everything else is literal."""
    parts = re.split(r"(\{[a-z_]+\})", path)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))


def authorised_routes() -> list[Route]:
    """Return the routes about which rego/authz is asked."""
    return [*(route for route in ROUTES if not route.open), ADAPTER_CALL]
