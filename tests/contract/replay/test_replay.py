"""Every decision of the samples is made again to the byte, in this process, in others and on Dask."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from proctor.decide.runners.cluster import DaskCluster
from proctor.decide.runners.here import InProcess
from proctor.decide.runners.pool import ProcessPool
from proctor.decide.runners.runner import Runner
from proctor.errors import EngineError, PolicyError
from proctor.ledger.recordings import Recording, State
from proctor.policy import replaying
from proctor.policy.pieces import LOST, Piece, Policies, cut
from proctor.policy.replaying import Outcome, Tally
from tests.contract.replay.conftest import Kept


def everything(_: Mapping[str, Any]) -> bool:
    return True


def pieces(kept: Kept, after: int = -1) -> Iterator[Piece]:
    assert kept.tools.binary is not None
    return cut(kept, Policies(kept.bundle, kept.tools.binary), kept.tools, after, everything)


def replayed(kept: Kept, work: Callable[[Piece], Outcome] | None = None, runner: Runner | None = None) -> Tally:
    tally = Tally()
    with runner or InProcess() as started:
        for _ in replaying.run(started, work or replaying.reproducing_work(), pieces(kept), tally):
            pass
    return tally


def test_every_story_reproduces_to_the_byte(kept: Kept) -> None:
    tally = replayed(kept)
    assert tally.differences == []
    assert tally.counts["replayable"] > 12
    assert tally.decisions == len(kept.recordings)


SPOILT: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("outcome", lambda record: record.update(outcome="allow"), "/outcome"),
    ("tier", lambda record: record["tier"].update(value="low"), "/tier/value"),
    ("count", lambda record: next(iter(record["rules"].values())).update(places=77), "/rules/"),
    ("finding gone", lambda record: record["findings"].pop(), "/findings/"),
    ("effect", lambda record: record["findings"][0].update(effect="warn"), "/findings/0/effect"),
    ("severity", lambda record: record["findings"][0].update(severity="info"), "/findings/0/severity"),
    ("words", lambda record: record["findings"][0].update(message="all is well"), "/findings/0/message"),
    ("sentence", lambda record: record.update(message="denied"), "/message"),
    ("actor", lambda record: record.update(actor="person:abcd"), "/actor"),
    ("fact", lambda record: record["facts"][0].update(tier="verified"), "/facts/"),
    ("rule digest", lambda record: record["rule_digests"].popitem(), "/rule_digests/"),
    ("stage", lambda record: record.update(stage="runtime"), "/stage"),
]


@pytest.mark.parametrize(("spoil", "path"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_a_record_that_says_anything_else_is_found(spoil: Any, path: str, kept: Kept) -> None:
    """Each part of a record is compared: what is spoilt is named, and nothing else."""
    one = next(one for one in kept.recordings if one.record["outcome"] == "deny" and one.record["findings"] and one.raw)
    record = copy.deepcopy(dict(one.record))
    spoil(record)
    tally = replayed(kept.only([replace(one, record=record)]))
    assert tally.differing == 1
    (found,) = tally.differences
    assert found["path"].startswith(path)
    assert found["id"] == one.id


def test_what_cannot_be_made_again_is_counted(kept: Kept) -> None:
    first, second, third, fourth = [one for one in kept.recordings if one.raw][:4]
    foreign = copy.deepcopy(dict(fourth.record))
    foreign["policy"]["digest"] = "sha256:" + "0" * 64
    tally = replayed(
        kept.only(
            [
                first,
                Recording(1001, second.record, State.EXPIRED),
                Recording(1002, third.record, State.MASKED),
                Recording(1003, foreign, State.REPLAYABLE, fourth.raw),
                Recording(1004, third.record, State.UNJUDGED),
            ]
        )
    )
    assert tally.counts == {"replayable": 1, "expired": 1, "masked": 1, LOST: 1, "unjudged": 1}
    assert (tally.last, tally.lost, tally.differing) == (1004, 1, 0)


def test_a_bundle_that_is_not_what_its_digest_says_is_refused(kept: Kept) -> None:
    one = next(one for one in kept.recordings if one.raw)
    record = copy.deepcopy(dict(one.record))
    record["policy"]["digest"] = "sha256:" + "1" * 64
    other = kept.only([replace(one, record=record)])
    other.bundles = {record["policy"]["digest"]: kept.built.path.read_bytes()}
    with pytest.raises(PolicyError, match="what is inside has the digest"):
        replayed(other)


@pytest.mark.timeout(240)  # processes start, and on a busy machine that takes its time
@pytest.mark.parametrize("make", [lambda: ProcessPool(2), lambda: DaskCluster(workers=2)], ids=["processes", "dask"])
def test_every_runner_finds_the_same(make: Callable[[], Runner], kept: Kept) -> None:
    many = _many(kept, 250)
    spoilt = dict(many.recordings[125].record) | {"outcome": "error"}
    many.recordings[125] = replace(many.recordings[125], record=spoilt)
    here = replayed(many)
    assert (here.differing, here.decisions) == (1, 250)
    assert replayed(many, runner=make()) == here


def _many(kept: Kept, count: int) -> Kept:
    """Return as many records, made from the stories, each at a place of its own."""
    judged = [one for one in kept.recordings if one.raw]
    return kept.only([replace(judged[number % len(judged)], index=number) for number in range(count)])


def test_a_runner_that_is_not_started_says_so() -> None:
    with pytest.raises(EngineError, match="not started"):
        next(ProcessPool(1).map(len, ["x"]))
    with pytest.raises(EngineError, match="not started"):
        next(DaskCluster().map(len, ["x"]))
