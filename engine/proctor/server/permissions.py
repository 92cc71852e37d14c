"""What rego/authz allows, asked route by route and role by role when a policy comes into force.

The answers are kept for as long as that policy is in force, so the API stays reachable while OPA is down, and a call
costs a look-up instead of a question. Until they are there, everything is refused.
"""

import asyncio
from typing import Final

from proctor.errors import EngineError, OpaError, RefusedError
from proctor.opa.engine import PolicyEngine
from proctor.server.access import Route, authorised_routes
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.principal import Caller, Role
from proctor.vocabulary.reasons import Reason

ENTRYPOINT: Final = "authz/decision"
_TIMEOUT: Final = 10.0
"""Seconds for the whole table, about 150 questions of less than a millisecond."""


class Permissions:
    """The table for one policy digest."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine
        self._allowed: frozenset[tuple[str, Role]] = frozenset()
        self.digest: str | None = None
        """Digest of the policy that the table is of; None as long as there is none."""

    async def learn(self, digest: str) -> None:
        """Ask for every route and role under the policy `digest`. Raises `OpaError`, and then nothing has changed."""
        if self.digest == digest:
            return
        deadline = asyncio.get_running_loop().time() + _TIMEOUT
        permitted = asyncio.Semaphore(4)

        async def ask(route: Route, role: Role) -> tuple[str, Role] | None:
            question = canonical({"route": route.name, "method": route.method, "roles": [str(role)]})
            async with permitted:
                answer = await self._engine.evaluate(ENTRYPOINT, question, deadline)
            if set(answer) != {"allow"} or not isinstance(answer["allow"], bool):
                raise OpaError("reading rego/authz", "not a decision", reason=Reason.ENGINE_BAD_SHAPE)
            return (route.name, role) if answer["allow"] else None

        asking = [asyncio.create_task(ask(route, role)) for route in authorised_routes() for role in Role]
        try:
            answers = await asyncio.gather(*asking)
        finally:
            for task in asking:  # after the first failure the others would go on asking for nothing
                task.cancel()
        self._allowed = frozenset(answer for answer in answers if answer is not None)
        self.digest = digest

    def check(self, route: Route, caller: Caller) -> None:
        """Return if one of the caller's roles may use the route. Raises `RefusedError` or `EngineError`."""
        if self.digest is None:
            raise EngineError(
                f"authorising {route.name}", "OPA has not answered since the start",
                "Wait until /health/ready is green",
                Reason.ENGINE_UNAVAILABLE,
            )  # fmt: skip
        if not any((route.name, role) in self._allowed for role in caller.roles):
            roles = ", ".join(sorted(map(str, caller.roles))) or "no role"
            raise RefusedError(
                "forbidden", 403, f"{route.method} {route.path}", f"{caller.actor.id} has {roles}",
                "Use a key with a role that rego/authz/authz.rego lists for this route",
            )  # fmt: skip
