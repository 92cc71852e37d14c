"""The way of one decision against bare OPA: rate, latency, memory and processor time.

Both sides have the same bundle, the same authorisation and, where it says so, the same garbage collection; they share
two cores with each other and with the load generator.
"""

import pytest

from tests.bench.board import Board, pairs, spread
from tests.bench.conftest import Bench
from tests.bench.peers import Load, Target
from tests.live.server import cpu_seconds, rss

ROUNDS = 5
SECONDS = 2.0
CLIENTS = (1, 8, 32)


@pytest.fixture(scope="module")
def loads(bench: Bench) -> dict[tuple[str, int], list[Load]]:
    """Measure everything once, interleaved; the tests look at it from different sides."""
    targets = [bench.target, bench.bare.target("bare", bench.inputs), bench.console.target("console", bench.inputs)]
    dry = [request.replace("/v1/decisions ", "/v1/decisions?dry_run=true ", 1) for request in bench.target.requests]
    targets.append(Target("unrecorded", bench.target.socket, dry, bench.target.marker))
    found: dict[tuple[str, int], list[Load]] = {}
    for target in targets:
        target.press(8, 1.0)
    for number in range(ROUNDS):
        for clients in CLIENTS:
            for target in targets if number % 2 == 0 else reversed(targets):
                found.setdefault((target.name, clients), []).append(target.press(clients, SECONDS))
    return found


def _rates(loads: list[Load]) -> list[float]:
    return [load.rate for load in loads]


@pytest.mark.timeout(400)
def test_the_input_and_the_reference(bench: Bench, loads: dict[tuple[str, int], list[Load]], board: Board) -> None:
    board.note("input", f"{len(bench.inputs[0])} bytes, {len(bench.bare.decide(bench.inputs[0])['rules'])} rules")
    for name in ("bare", "console", "unrecorded", "proctor"):
        rows = [loads[name, clients] for clients in CLIENTS]
        cells = [f"{sorted(_rates(row))[ROUNDS // 2]:.0f}/s p50 {sorted(x.p50 for x in row)[ROUNDS // 2] * 1e3:.1f} ms"
                 for row in rows]  # fmt: skip
        board.note(f"{name} at c=1, 8, 32", "; ".join(cells))


@pytest.mark.parametrize(("clients", "least"), [(8, 0.40), (32, 0.45)])
def test_rate_of_recorded_decisions_against_bare_opa(
    loads: dict[tuple[str, int], list[Load]], board: Board, clients: int, least: float
) -> None:
    reference = _rates(loads["bare", clients])
    ratios = pairs(_rates(loads["proctor", clients]), reference)
    board.judge(f"rate, c={clients}, by bare OPA", ratios, least, at_least=True, noise=spread(reference))


def test_slowest_hundredth_against_bare_opa(loads: dict[tuple[str, int], list[Load]], board: Board) -> None:
    reference = [load.p99 for load in loads["bare", 32]]
    ratios = pairs([load.p99 for load in loads["proctor", 32]], reference)
    board.judge("p99, c=32, by bare OPA", ratios, 0.65, at_least=False, noise=spread(reference))


@pytest.mark.parametrize("clients", [8, 32])
def test_rate_without_the_ledger(loads: dict[tuple[str, int], list[Load]], board: Board, clients: int) -> None:
    ratios = pairs(_rates(loads["unrecorded", clients]), _rates(loads["bare", clients]))
    board.note(f"rate, c={clients}, dry runs (no ledger), by bare OPA", f"{sorted(ratios)[ROUNDS // 2]:.2f}x")


@pytest.mark.parametrize(("clients", "least"), [(8, 0.75), (32, 0.95)])
def test_rate_against_opa_with_its_decision_log(
    loads: dict[tuple[str, int], list[Load]], board: Board, clients: int, least: float
) -> None:
    reference = _rates(loads["console", clients])
    ratios = pairs(_rates(loads["proctor", clients]), reference)
    board.judge(f"rate, c={clients}, by OPA with console log", ratios, least, at_least=True, noise=spread(reference))


@pytest.mark.parametrize(("clients", "most"), [(8, 0.7), (32, 0.5)])
def test_slowest_hundredth_against_opa_with_its_decision_log(
    loads: dict[tuple[str, int], list[Load]], board: Board, clients: int, most: float
) -> None:
    reference = [load.p99 for load in loads["console", clients]]
    ratios = pairs([load.p99 for load in loads["proctor", clients]], reference)
    board.judge(f"p99, c={clients}, by OPA with console log", ratios, most, at_least=False, noise=spread(reference))


def test_a_lone_caller_against_opa_with_its_decision_log(
    loads: dict[tuple[str, int], list[Load]], board: Board
) -> None:
    reference = [load.p50 for load in loads["console", 1]]
    ratios = pairs([load.p50 for load in loads["proctor", 1]], reference)
    board.judge("p50, c=1, by OPA with console log", ratios, 1.8, at_least=False, noise=spread(reference))


@pytest.mark.timeout(120)
def test_memory_and_processor_time(bench: Bench, loads: dict[tuple[str, int], list[Load]], board: Board) -> None:
    (engine,) = bench.server.engines()
    service, opa = [], []
    for _ in range(4):
        before = cpu_seconds(bench.server.pid), cpu_seconds(engine)
        load = bench.target.press(8, 2.0)
        service.append((cpu_seconds(bench.server.pid) - before[0]) / load.count * 1e6)
        opa.append((cpu_seconds(engine) - before[1]) / load.count * 1e6)
    board.note("OPA's processor time a decision, c=8", f"{sorted(opa)[1]:.0f} us")
    board.judge("service's processor time a decision, c=8", service, 550, at_least=False, unit=" us")


def test_resident_memory_of_the_service(bench: Bench, board: Board) -> None:
    board.judge("service's resident memory", [bench.server.rss() / 1e6], 95, at_least=False, unit=" MB")


def test_resident_memory_of_opa(bench: Bench, board: Board) -> None:
    (engine,) = bench.server.engines()
    board.judge("OPA's resident memory, GOGC=400", [rss(engine) / 1e6], 110, at_least=False, unit=" MB")
