"""How a replay keeps count, goes on where it stopped, and tells who is behind a flip."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from proctor.decide.runners.runner import in_order
from proctor.errors import NotFoundError, StateError
from proctor.opa.index import Index, pattern
from proctor.policy import flips, replaying
from proctor.policy.flips import Flip, Standing
from proctor.policy.replaying import Outcome, Tally
from proctor.policy.resuming import Progress
from proctor.vocabulary.decision import Finding
from proctor.vocabulary.words import Outcome as Word
from tests.engine.decide import policies

QUESTION = {"before": "sha256:a", "against": "sha256:b", "ledger": "leaf"}


class Here:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def map(self, work: Callable[[Any], Any], pieces: Iterable[Any]) -> Iterator[Any]:
        return map(work, pieces)


def outcome(number: int) -> Outcome:
    flip = Flip(f"dec_{number}", "allow -> deny", ("a", "b"), "no", unrecorded=number % 3 == 0)
    return Outcome(number, {"replayable": 2, "expired": 1}, flips=(flip,), changed=1)


def done(tally: Tally, numbers: Iterable[int]) -> Tally:
    for _ in replaying.run(Here(), outcome, numbers, tally):  # type: ignore[arg-type] # any piece will do
        pass
    return tally


@pytest.mark.parametrize("stop", [0, 1, 5, 9])
def test_what_is_gone_on_with_counts_as_if_it_had_never_stopped(stop: int, tmp_path: Path) -> None:
    whole = done(Tally(), range(10))
    file = Progress(tmp_path / "replays", QUESTION)
    file.save(done(Tally(), range(stop)))
    resumed = done(file.load(), range(stop, 10))
    assert resumed == whole
    assert whole.counts == {"replayable": 20, "expired": 10}
    assert (whole.flipped, whole.unrecorded, whole.changed) == (10, 4, 10)
    assert {key: group["count"] for key, group in whole.groups.items()} == {
        "allow -> deny a": 6, "allow -> deny b": 6, "allow -> deny a ?": 4, "allow -> deny b ?": 4,
    }  # fmt: skip
    assert file.path.stat().st_mode & 0o077 == 0, "it holds messages"
    file.done()
    with pytest.raises(NotFoundError):
        file.load()


@pytest.mark.parametrize("name", sorted(QUESTION))
def test_another_question_is_another_replay(name: str, tmp_path: Path) -> None:
    Progress(tmp_path, QUESTION).save(Tally())
    with pytest.raises(NotFoundError):
        Progress(tmp_path, QUESTION | {name: "other"}).load()


@pytest.mark.parametrize(
    "spoil", [lambda d: d.pop("tally"), lambda d: d["tally"].update(x=1), lambda d: d.update(format=2)]
)
def test_a_damaged_file_is_never_gone_on_with(spoil: Callable[[Any], Any], tmp_path: Path) -> None:
    file = Progress(tmp_path, QUESTION)
    file.save(Tally())
    document = json.loads(file.path.read_bytes())
    spoil(document)
    file.path.write_text(json.dumps(document))
    with pytest.raises(StateError):
        file.load()


class Promised:
    def __init__(self, value: int, held: set[int]) -> None:
        self.value, self.held = value, held
        held.add(value)

    def result(self) -> int:
        self.held.discard(self.value)
        return self.value

    def cancel(self) -> None:
        self.held.discard(self.value)


def test_results_come_in_order_and_few_are_under_way() -> None:
    held: set[int] = set()
    taken: list[int] = []
    most = 0

    def source() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    for number in in_order(lambda piece: Promised(piece, held), source(), 4):
        most = max(most, len(held))
        assert len(taken) <= number + 5, "taken from the source no faster than results are"
    assert most <= 4
    iterator = in_order(lambda piece: Promised(piece, held), source(), 4)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined] # a generator
    assert held == set(), "whoever leaves drops what was under way"


# --- Flips -----------------------------------------------------------------------------------------------------------

ALLOWED = Standing(Word.ALLOW, {}, frozenset())


def denied(*rules: str, unrecorded: frozenset[str] = frozenset()) -> Standing:
    return Standing(Word.DENY, {rule: f"{rule} fails" for rule in rules}, frozenset(), unrecorded)


def test_the_rule_behind_a_flip_is_the_one_that_blocks_on_one_side_only() -> None:
    assert flips.flip("x", ALLOWED, ALLOWED) is None
    assert flips.flip("x", denied("a"), denied("b")) is None, "the outcome is the same"
    stricter = flips.flip("x", Standing(Word.REQUIRE_APPROVAL, {"a": "asks"}, frozenset()), denied("a", "b"))
    assert stricter == Flip("x", "require_approval -> deny", ("b",), "b fails", unrecorded=False)
    looser = flips.flip("x", denied("a"), ALLOWED)
    assert looser == Flip("x", "deny -> allow", ("a",), "a fails", unrecorded=False)
    harder = flips.flip("x", Standing(Word.REQUIRE_APPROVAL, {"a": "asks"}, frozenset()), denied("a"))
    assert harder is not None
    assert harder.rules == ("a",)


def test_a_flip_rests_on_unrecorded_facts_only_if_every_rule_behind_it_does() -> None:
    one = flips.flip("x", ALLOWED, denied("a", unrecorded=frozenset("a")))
    both = flips.flip("x", ALLOWED, denied("a", "b", unrecorded=frozenset("a")))
    assert one is not None
    assert both is not None
    assert (one.unrecorded, both.unrecorded) == (True, False)


DOCUMENT = {"stage": "deployment", "subject": {"kind": "deployment"}, "operation": "deploy"}


def finding(group: str, field: str | None, status: str = "not_evaluable") -> Finding:
    gap = {"at": ["models", 0, group], "gap": "missing" if field else "absent", "field": field}
    return Finding.model_validate(
        {
            "rule": "deployment.a", "title": "A rule", "severity": "high", "at": ["models", 0], "item": ["m"],
            "status": status, "effect": "deny", "message": "m", "remediation": "r",
            "why": [] if status == "fail" else [gap],
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "excused"),
    [
        (finding("card", None), True),
        (finding("registration", "matches"), True),
        (finding("registration", "registered"), False),
        (finding("registration", None), False),
        (finding("card", None, "fail"), False),
    ],
)
def test_only_what_the_recording_policy_did_not_take_along_is_excused(found: Finding, excused: bool) -> None:
    asks = [
        {"at": "registration", "fields": {"registered": "boolean", "matches": "number"}},
        {"at": "card", "fields": {"missing": "strings"}},
    ]
    then = policies.make_index(policies.rule("deployment.a"))
    now = policies.make_index(policies.rule("deployment.a", evidence=asks))
    wanted = frozenset({"deployment.a"} if excused else ())
    assert flips.unrecorded([found], DOCUMENT, then, now) == wanted
    assert flips.unrecorded([found], DOCUMENT, now, now) == frozenset(), "it asked for all of it"


def test_a_message_is_any_text_only_where_its_value_is_not_known() -> None:
    template = "model {id} by {ownership.owners} ({registration.matches})"
    made = pattern(template, {"id": "m.1", "registration": {"matches": 2}}, {}, lambda path: path[0] == "ownership")
    assert re.fullmatch(made, "model m.1 by anybody, at all (2)")
    assert not re.fullmatch(made, "model mx1 by anybody (2)")
    assert not re.fullmatch(made, "model m.1 by anybody (3)")


def test_an_index_without_such_a_question_has_declared_nothing() -> None:
    index: Index = policies.make_index(policies.rule("deployment.a"))
    other = {"stage": "data", "subject": {"kind": "dataset"}, "operation": "publish"}
    assert flips.unrecorded([finding("registration", None)], other, index, index) == frozenset()
