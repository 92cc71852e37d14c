"""A running server with a registered model, and the key of the gate that asks about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live import subjects
from tests.live.load import Account, crowd
from tests.live.server import ProctorServer, running


@dataclass
class Gate:
    """A server, and whoever asks it."""

    server: ProctorServer
    key: str

    async def ask(self, *models: str) -> dict[str, object]:
        """Ask once about a deployment of `models`, or of the one that is allowed; return the decision."""
        told = await crowd(self.server.socket, self.key, [subjects.deployment(*(models or ("fraud",)))])
        assert len(told.decisions) == 1, f"{told.other} {self.server.tail()}"
        return told.decisions[0]

    async def crowd(self, callers: int) -> Account:
        """Let as many callers ask once, all at the same time."""
        return await crowd(self.server.socket, self.key, bodies(callers))


def bodies(callers: int) -> list[bytes]:
    """Return one question for each caller."""
    return [subjects.deployment("fraud", request_id=f"caller-{number}") for number in range(callers)]


@pytest.fixture
def gate(state_dir: Path, opa_binary: Path) -> Iterator[Gate]:
    with running(ProctorServer(state_dir, opa_binary)) as started:
        yield Gate(started, subjects.register(started, "fraud"))
