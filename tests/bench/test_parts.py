"""Parts that people or clusters wait for: the command line, canonical bytes, a new policy, a killed OPA."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proctor.vocabulary.canonical import canonical
from tests.bench.board import Board, interleaved, pairs, spread
from tests.bench.conftest import Bench, bodies
from tests.live.load import pressing
from tests.live.server import ProctorServer, wait_for

SWITCHES = 3
KILLS = 7


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - began


def test_the_version_costs_little_more_than_python_itself(board: Board) -> None:
    proctor = str(Path(sys.executable).with_name("proctor"))
    ours, python = interleaved(
        15, lambda: _seconds(proctor, "--version"), lambda: _seconds(sys.executable, "-c", "pass")
    )
    board.judge("proctor --version by python -c pass", pairs(ours, python), 1.5, at_least=False, noise=spread(python))


def test_canonical_bytes(bench: Bench, board: Board) -> None:
    """Of a document of 4 KB. The fastest of many in each round: whatever else runs here only makes it slower."""
    document = json.loads(bench.inputs[0])
    assert canonical(document) == bench.inputs[0]

    def fastest(work: Callable[[], object]) -> float:
        def once() -> float:
            began = time.perf_counter()
            for _ in range(50):
                work()
            return (time.perf_counter() - began) / 50 * 1e6

        return min(once() for _ in range(40)) * 4096 / len(bench.inputs[0])

    # The strict decoder of Python's own library, to tell how steady this machine is.
    ours, reference = interleaved(5, lambda: fastest(lambda: canonical(document)),
                                  lambda: fastest(lambda: json.loads(bench.inputs[0])))  # fmt: skip
    board.judge("canonical bytes of 4 KB", ours, 25, at_least=False, unit=" us", noise=spread(reference))


@pytest.mark.timeout(180)
async def test_a_new_policy_costs_no_call(bench: Bench, board: Board) -> None:
    server = bench.server
    rule = bench.folder / "pack/governance/rules/deployment/model_0000/model_0000.rego"
    original = rule.read_text(encoding="utf-8")
    async with pressing(server.socket, bench.key, bodies()[:4]) as told:
        try:
            for number in range(SWITCHES):
                rule.write_text(original.replace("Bench model_0000", f"Bench model, take {number}"), encoding="utf-8")
                await _switched(server)
                await told.hear_more(40)
        finally:
            rule.write_text(original, encoding="utf-8")
        await _switched(server)
        await told.hear_more(40)
    assert len({decision["policy"]["revision"] for decision in told.decisions}) == SWITCHES + 1
    failed = sum(1 for decision in told.decisions if decision["reason"] != "compliant")
    what = f"failed calls of {len(told.decisions)} during {SWITCHES + 1} switches of policy"
    board.judge(what, [failed + told.unanswered + len(told.other)], 0, at_least=False, unit="")


async def _switched(server: ProctorServer) -> None:
    def revision() -> str:
        return str(server.call("GET", "/v1/policy")[1]["revision"])

    before = await asyncio.to_thread(revision)
    server.signal(signal.SIGHUP)
    await asyncio.to_thread(wait_for, lambda: revision() != before, 60, server.tail, 0.1)


@pytest.mark.timeout(120)
async def test_the_gap_after_a_killed_opa(bench: Bench, board: Board) -> None:
    """From the kill to the first allow, seen by four callers that ask again and again."""
    gaps = []
    async with pressing(bench.server.socket, bench.key, bodies()[:4], pause=0.002) as told:
        for _ in range(KILLS):
            await told.hear_more(40)
            # After a switch of policy, the former child still finishes its calls.
            await asyncio.to_thread(wait_for, lambda: len(bench.server.engines()) == 1, 30, bench.server.tail)
            (victim,) = bench.server.engines()
            before = len(told.decisions)
            os.kill(victim, signal.SIGKILL)
            began = time.perf_counter()
            await told.hear(lambda since=before: told.since(since)["engine_unavailable"] > 0)
            await told.hear(lambda: told.decisions[-1]["reason"] == "compliant")
            gaps.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(10.5)  # a child that lived so long is restarted without more back-off
    board.judge("gap after a killed OPA", gaps, 150, at_least=False, unit=" ms")
