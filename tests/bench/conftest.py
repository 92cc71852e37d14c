"""One server, its peers and the board, for all benchmarks of a run; the table comes at the end."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from proctor.ledger.cases import CaseStore
from proctor.ledger.clock import Clock
from proctor.store.database import Database
from tests.bench import packs
from tests.bench.board import Board
from tests.bench.peers import Bare, Target, bare_opa, http
from tests.live import subjects
from tests.live.server import ProctorServer, running

_BOARD = Board()
APPLYING = 25
"""Rules that apply to a deployment: the provided ones and generated ones."""
PROVIDED = 12
MODELS = ("fraud",)
VARIANTS = 64
"""Different requests, so that nobody profits from asking the same again."""


@pytest.fixture(scope="session")
def board() -> Board:
    return _BOARD


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _BOARD.rows:
        terminalreporter.section("ratios: medians of interleaved rounds (lowest .. highest)")
        for line in _BOARD.lines():
            terminalreporter.write_line(line)


@dataclass
class Bench:
    """The server under measurement, and the inputs that it sent to OPA."""

    server: ProctorServer
    key: str
    target: Target
    inputs: Sequence[bytes]
    bare: Bare
    console: Bare
    """Bare OPA with Go's default garbage collection and its decision log on: what people run."""
    bundle: Path
    folder: Path


def bodies() -> list[bytes]:
    """Return the questions: allowed, about 4 KB of input, each with its own id."""
    return [
        subjects.deployment(*MODELS, request_id=f"bench-{number:04d}", images=1, purpose="credit-scoring")
        for number in range(VARIANTS)
    ]


@pytest.fixture(scope="session")
def bench(opa_binary: Path) -> Iterator[Bench]:
    state_dir = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # TMPDIR may be long, and sockets live in it
    pack = packs.write(state_dir / "pack", APPLYING - PROVIDED)
    server = ProctorServer(state_dir, opa_binary, {"policy": {"packs": [str(pack)]}})
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, state_dir)
        stack.enter_context(running(server))
        key = subjects.register(server, *MODELS)
        decisions = []
        for body in bodies():
            status, decision = server.call("POST", "/v1/decisions", body, key=key)
            assert (status, decision["outcome"]) == (200, "allow"), decision
            decisions.append(decision)
        assert len(decisions[0]["rules"]) == APPLYING
        inputs = _inputs(server, [decision["input_digest"] for decision in decisions])
        (bundle,) = (state_dir / "bundles").glob("*.tar.gz")
        public = state_dir / "keys" / "bundle.pub"
        bare = stack.enter_context(bare_opa(opa_binary, bundle, public, state_dir, gogc=400))
        console = stack.enter_context(bare_opa(opa_binary, bundle, public, state_dir, gogc=None, console=True))
        for peer in (bare, console):  # answers before speeds
            for raw, decision in zip(inputs, decisions, strict=True):
                verdict = peer.decide(raw)
                assert verdict["outcome"] == decision["outcome"]
                assert verdict["rules"] == decision["rules"]
                assert verdict["policy"]["revision"] == decision["policy"]["revision"]
        target = Target(
            "proctor", server.socket, [http("/v1/decisions", body, key) for body in bodies()], '"outcome":"allow"'
        )
        yield Bench(server, key, target, inputs, bare, console, bundle, state_dir)


def _inputs(server: ProctorServer, digests: Sequence[str]) -> list[bytes]:
    """Return the canonical bytes that OPA was sent, from the server's own case store."""
    database = Database.open(f"sqlite:///{server.state_dir / 'proctor.db'}")
    try:
        store = CaseStore(database, server.state_dir, Clock(), timedelta(days=1))
        found = [store.open(digest).raw for digest in digests]
    finally:
        database.close()
    return [raw for raw in found if raw is not None]
