"""What evaluation costs as the policy grows and as the evidence gets worse: OPA alone, one caller."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from proctor.opa.bundle import build, policy_dir
from proctor.settings import PolicySettings
from proctor.vocabulary.canonical import canonical
from tests.bench import packs
from tests.bench.board import Board, interleaved, pairs, spread
from tests.bench.conftest import APPLYING, PROVIDED, Bench
from tests.bench.peers import Target, bare_opa

ROUNDS = 5
SECONDS = 1.0
OTHERS = 975
"""Rules that do not apply to a deployment: with the 25 that do, a thousand."""


def _p50(target: Target) -> Callable[[], float]:
    return lambda: target.press(1, SECONDS).p50


@pytest.mark.timeout(400)
def test_rules_that_do_not_apply_cost_nothing(bench: Bench, board: Board, tmp_path: Path, opa_binary: Path) -> None:
    pack = packs.write(tmp_path / "pack", APPLYING - PROVIDED, OTHERS)
    bundle = build(
        PolicySettings(packs=[pack]), opa_binary, policy_dir(None), tmp_path / "work", tmp_path / "keys" / "bundle.key"
    )
    # The provided rules of other stages don't apply either.
    assert len(bundle.index.rules) >= APPLYING + OTHERS
    with bare_opa(opa_binary, bundle.path, bundle.public_key_path, bench.folder, gogc=400) as large:
        for raw in bench.inputs[:4]:
            few, many = bench.bare.decide(raw), large.decide(raw)
            assert {**few, "policy": None} == {**many, "policy": None}
        few, many = interleaved(
            ROUNDS, _p50(bench.bare.target("25 rules", bench.inputs)), _p50(large.target("1000 rules", bench.inputs))
        )
    board.judge("OPA p50, 1000 rules by 25", pairs(many, few), 1.15, at_least=False, noise=spread(few))


@pytest.mark.timeout(200)
@pytest.mark.parametrize("copies", [1, 40])
def test_stale_evidence_costs_at_most_three_times_fresh(bench: Bench, board: Board, copies: int) -> None:
    fresh = [_copied(raw, copies) for raw in bench.inputs[:8]]
    stale = [_aged(raw) for raw in fresh]
    verdict = bench.bare.decide(stale[0])
    assert verdict["outcome"] == "deny"
    assert {finding["status"] for finding in verdict["findings"]} == {"not_evaluable"}
    assert bench.bare.decide(fresh[0])["outcome"] == "allow"
    passing, failing = interleaved(
        ROUNDS,
        _p50(bench.bare.target("fresh", fresh)),
        _p50(bench.bare.target("stale", stale, '"outcome":"deny"')),
    )
    what = f"OPA p50, all stale ({len(verdict['findings'])} findings, {len(stale[0]) // 1024} KB) by all pass"
    board.judge(what, pairs(failing, passing), 3.0, at_least=False, noise=spread(passing))


def _copied(raw: bytes, copies: int) -> bytes:
    """Return the input with every model and image `copies` times, each a different one."""
    document = json.loads(raw)
    for name in ("models", "images"):
        items: Sequence[dict[str, Any]] = document["facts"][name]
        document["facts"][name] = [_renamed(item, number) for item in items for number in range(copies)]
        document["subject"]["parts"][name] = [item["digest"] for item in document["facts"][name]]
    return canonical(document)


def _renamed(item: dict[str, Any], number: int) -> dict[str, Any]:
    other = f"sha256:{number:064x}" if number else item["digest"]
    found: dict[str, Any] = json.loads(json.dumps(item).replace(item["digest"], other))
    return found


def _aged(raw: bytes) -> bytes:
    """Return the input, asked so much later that no evidence is fresh any more."""
    document = json.loads(raw)
    document["context"]["now"] = "2060-01-01T00:00:00.000000Z"
    return canonical(document)
