"""The table of permissions: whole, or as it was."""

import asyncio
import json
from typing import Any

import pytest

from proctor.errors import OpaError
from proctor.server.access import authorised_routes
from proctor.server.permissions import Permissions
from proctor.vocabulary.principal import Role
from proctor.vocabulary.reasons import Reason


class Opa:
    """Allows administrators everything; fails or hangs where a test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails_at = 0
        self.under_way = 0

    async def evaluate(self, entrypoint: str, input_bytes: bytes, deadline: float) -> dict[str, Any]:
        self.asked += 1
        number = self.asked
        self.under_way += 1
        try:
            await asyncio.sleep(0 if number == self.fails_at or not self.fails_at else 5)
        finally:
            self.under_way -= 1
        if number == self.fails_at:
            raise OpaError("asking", "it is gone")
        return {"allow": json.loads(input_bytes)["roles"] == [str(Role.ADMIN)]}


async def test_every_route_is_asked_for_with_every_role_once() -> None:
    opa = Opa()
    permissions = Permissions(opa)  # type: ignore[arg-type] # as much of one as is asked
    await permissions.learn("sha256:1")
    await permissions.learn("sha256:1")
    assert opa.asked == len(authorised_routes()) * len(Role)
    assert permissions._allowed == {(route.name, Role.ADMIN) for route in authorised_routes()}


async def test_a_failure_changes_nothing_and_ends_the_other_questions() -> None:
    opa = Opa()
    permissions = Permissions(opa)  # type: ignore[arg-type] # as much of one as is asked
    await permissions.learn("sha256:1")
    before, opa.asked, opa.fails_at = permissions._allowed, 0, 3
    with pytest.raises(OpaError, match="it is gone"):
        await permissions.learn("sha256:2")
    await asyncio.sleep(0.05)
    assert opa.under_way == 0, "nobody waits for an answer that is of no use"
    assert opa.asked <= 5
    assert (permissions._allowed, permissions.digest) == (before, "sha256:1")


@pytest.mark.parametrize("answer", [{}, {"allow": "true"}, {"allow": 1}, {"allow": True, "why": "x"}, {"deny": False}])
async def test_what_is_no_decision_is_none(answer: dict[str, Any]) -> None:
    opa = Opa()

    async def evaluate(*_: object) -> dict[str, Any]:
        return answer

    opa.evaluate = evaluate  # type: ignore[assignment]
    permissions = Permissions(opa)  # type: ignore[arg-type] # as much of one as is asked
    with pytest.raises(OpaError) as caught:
        await permissions.learn("sha256:1")
    assert caught.value.reason is Reason.ENGINE_BAD_SHAPE
    assert permissions.digest is None
