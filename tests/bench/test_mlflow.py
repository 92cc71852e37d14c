"""An allowed promotion on a gated MLflow, against the same call on a plain one over the same database, in turns.

The target: what the gate adds is at most two of MLflow's own calls on loopback. It reads the version, the
logged model, the run that made it and the run that measured it (each about a tenth of such a call), and asks Proctor
once, who decides with OPA and syncs two transactions before it says yes.
"""

import statistics
import time
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import mlflow
import pytest
from mlflow import MlflowClient

from tests.bench.board import Board, pairs, spread
from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World, data, world
from tests.contract.mlflow.test_story import CARD, evaluate_into
from tests.contract.mlflow.test_ways_around import train, versions
from tests.live.registry import MlflowServer, running_mlflow

__all__ = ["data", "world"]
# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
NAME = "bench"
ALIAS = "/api/2.0/mlflow/registered-models/alias"
ROUNDS = 5
CALLS = 24
LIMIT = 3.0
"""Gated by plain: the plain call itself, and at most two more of it."""


@pytest.fixture(scope="module")
def promotable(world: World, data: Data) -> list[str]:
    """Return two versions that may be promoted."""
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    run, info, model = train(world, data, "alice", NAME)
    grant = {"username": "victor", "resource_type": "experiment", "resource_id": run.info.experiment_id}
    world.mlflow.rest("POST", "/api/3.0/mlflow/users/permissions/grant", grant | {"permission": "EDIT"})
    evaluate_into(world, data, "victor", SimpleNamespace(info=info, model=model), NAME, "fit")
    with world.as_user("alice"):
        card = CARD.replace("name: fraud", f"name: {NAME}")
        MlflowClient().log_text(run.info.run_id, card, "governance/model_card.md")
        found = [mlflow.register_model(info.model_uri, NAME).version for _ in range(2)]
    catalog.eventually(lambda: set(found) <= set(versions(world, NAME)))
    return found


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
    clients: dict[str, httpx.Client], promotable: list[str], board: Board
) -> None:
    took: dict[str, list[list[float]]] = {name: [] for name in clients}
    for turn in range(ROUNDS + 1):
        for found in took.values():
            found.append([])
        for call in range(CALLS):
            body = {"name": NAME, "alias": "champion", "version": promotable[call % 2]}
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
