"""An allowed promotion on a gated MLflow, against the same call on a plain one over the same database, in turns.

The target: what the gate adds is at most two of MLflow's own calls on loopback. It reads the version, the
logged model, the run that made it and the run that measured it (each about a tenth of such a call), and asks Proctor
once, who decides with OPA and syncs two transactions before it says yes.
"""

import statistics
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.bench.board import Board, pairs, spread
from tests.contract.mlflow.conftest import Data, World, data, locked, world
from tests.contract.mlflow.test_ways_around import promotable_versions
from tests.live.registry import MlflowServer, running_mlflow

__all__ = ["data", "locked", "world"]
# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
NAME = "bench"
ALIAS = "/api/2.0/mlflow/registered-models/alias"
ROUNDS = 5
CALLS = 24
LIMIT = 3.0
"""Gated by plain: the plain call itself, and at most two more of it."""


@pytest.fixture(scope="module")
def two(world: World, data: Data) -> list[str]:
    """Return two versions that may be promoted."""
    return promotable_versions(world, data, NAME, 2)


@pytest.fixture(scope="module")
def clients(world: World) -> Iterator[dict[str, httpx.Client]]:
    auth = ("alice", "alicepassword1234")
    with (
        running_mlflow(MlflowServer(world.mlflow.folder, {}, gated=False)) as plain,
        httpx.Client(base_url=world.mlflow.url, auth=auth, timeout=20) as gated_client,
        httpx.Client(base_url=plain.url, auth=auth, timeout=20) as plain_client,
    ):
        yield {"gated": gated_client, "plain": plain_client}


def test_an_allowed_promotion_costs_a_few_of_mlflows_own_calls(
    clients: dict[str, httpx.Client], two: list[str], board: Board
) -> None:
    took: dict[str, list[list[float]]] = {name: [] for name in clients}
    for turn in range(ROUNDS + 1):
        for found in took.values():
            found.append([])
        for call in range(CALLS):
            body = {"name": NAME, "alias": "champion", "version": two[call % 2]}
            for name, client in clients.items():
                started = time.perf_counter()
                answer = client.post(ALIAS, json=body)
                took[name][turn].append(time.perf_counter() - started)
                assert answer.status_code == 200, (name, answer.text)
    medians = {
        name: [statistics.median(one) for one in found[1:]] for name, found in took.items()
    }  # the first warms up
    for name, found in took.items():
        slowest = sorted(value for one in found[1:] for value in one)[-ROUNDS * CALLS // 100]
        board.note(
            f"promotion, {name} MLflow",
            f"p50 {statistics.median(medians[name]) * 1e3:.1f} ms p99 {slowest * 1e3:.1f} ms",
        )
    ratios = pairs(medians["gated"], medians["plain"])
    board.judge(
        "allowed promotion, gated by plain", ratios, LIMIT, at_least=False, noise=spread(medians["plain"])
    )  # fmt: skip
