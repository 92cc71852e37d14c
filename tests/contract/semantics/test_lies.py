"""An OPA that lies: whatever it changes in a verdict, the pipeline counts again and believes no allow that is none."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from proctor.ledger.cases import CaseStore
from proctor.vocabulary.canonical import decode, digest_bytes
from proctor.vocabulary.decision import Decision
from tests.contract.semantics.worlds import Tampering, World, asking_as, gate, statuses
from tests.live import subjects
from tests.live.documents import changed, paths

REFUSALS = {"verdict_mismatch", "engine_foreign_revision", "engine_bad_shape", "policy_problem", "engine_no_rules"}
PINNED = "deployment.image_pinned"
LIMITS = "deployment.resource_limits_set"
Lie = Callable[[dict[str, Any]], Any]


def _request(*, pinned: bool = True, limited: bool = True, images: int = 1, **more: Any) -> bytes:
    request = json.loads(subjects.deployment("fraud", images=images))
    request["facts"]["images"][0]["reference"]["pinned"] = pinned
    request["facts"]["workload"]["unlimited_containers"] = [] if limited else ["spec/0"]
    return json.dumps(request | more).encode()


def _told(world: World, request: bytes, lie: Lie) -> Decision:
    with world.engine(Tampering(world, lie)):
        return world.decide(request)


ALLOWED = _request()
DENIED = _request(pinned=False)
ASKED = _request(limited=False)
VALUES: list[Any] = [..., None, 0, 1, 99, -1, True, "", "x", "allow", [], {}, ["x"], "warn", "waived", "pass", "low"]


def _verdict(world: World, request: bytes) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []
    _told(world, request, lambda verdict: seen.append(copy.deepcopy(verdict)))
    return seen[0]


class _Saying:
    """An engine that says what it is told to say."""

    def __init__(self) -> None:
        self.verdict: Any = None

    async def evaluate(self, *_: Any) -> Any:
        return self.verdict


def _each_change_told(world: World, request: bytes) -> list[tuple[Any, Any, Decision]]:
    """Return path, value and decision for every single change of the verdict on a request; nothing is recorded."""
    verdict = _verdict(world, request)
    engine = _Saying()

    async def ask_all() -> list[tuple[Any, Any, Decision]]:
        found = []
        for path in paths(verdict):
            for value in VALUES:
                engine.verdict = changed(verdict, (path, value))
                decision = await world.components.decisions.decide(request, asking_as(gate(), dry_run=True))
                found.append((path, value, decision))
        return found

    with world.engine(engine):
        return world.run(ask_all(), limit=50)


@pytest.mark.parametrize("request_", [DENIED, ASKED], ids=["denied", "asked"])
def test_row_22_no_single_change_of_a_verdict_makes_an_allow(request_: bytes, provided: World) -> None:
    """Every field of the verdict, every list element, taken out or replaced: what was refused stays refused."""
    honest = provided.decide(request_)
    assert honest.outcome != "allow"
    told = _each_change_told(provided, request_)
    reasons = set()
    for path, value, decision in told:
        assert decision.outcome != "allow", (path, value)
        if decision.reason != honest.reason:
            assert decision.outcome == "error", (path, value)
            reasons.add(str(decision.reason))
    assert len(told) > 500
    assert reasons <= REFUSALS
    assert {"verdict_mismatch", "engine_foreign_revision", "engine_bad_shape"} <= reasons


def test_row_22_an_allow_is_believed_as_a_whole_or_not_at_all(provided: World) -> None:
    """A change in an allowed verdict is an error, unless it only concerns what is told and not what was found."""
    verdict = _verdict(provided, ALLOWED)
    assert verdict["outcome"] == "allow"
    told = {("tier", name) for name in ("unknown", "value", "unscored", "at", "factors", "points")}
    for path, value, decision in _each_change_told(provided, ALLOWED):
        if decision.outcome == "allow":
            assert changed(verdict, (path, value)) == verdict or path[:2] in told, (path, value)
        else:
            assert decision.outcome == "error"
            assert str(decision.reason) in REFUSALS, (path, value)


def _dropped(verdict: dict[str, Any]) -> None:
    verdict.update(outcome="allow", findings=[])


def _dropped_with_its_place(verdict: dict[str, Any]) -> None:
    _dropped(verdict)
    verdict["rules"][PINNED]["places"] -= 1


def _dropped_with_its_rule(verdict: dict[str, Any]) -> None:
    _dropped(verdict)
    del verdict["rules"][PINNED]


def _effect(effect: str, **more: Any) -> Lie:
    def lie(verdict: dict[str, Any]) -> None:
        verdict["outcome"] = "allow"
        for finding in verdict["findings"]:
            finding.update(effect=effect, **more)

    return lie


def _moved(verdict: dict[str, Any]) -> None:
    _effect("warn")(verdict)
    for finding in verdict["findings"]:
        finding["rule"] = LIMITS


LIES: dict[str, Lie] = {
    "the finding is dropped": _dropped,
    "the finding is dropped with its place": _dropped_with_its_place,
    "the finding is dropped with its rule": _dropped_with_its_rule,
    "the finding only warns": _effect("warn"),
    "the finding is a dry run": _effect("dryrun"),
    "the finding has no effect": _effect("none"),
    "the finding is waived by nobody": _effect("waived"),
    "the finding is waived by what was not sent": _effect("waived", by="wvr_0123456789abcdef"),
    "the finding is approved by what was not sent": _effect("approved", by="apr_0123456789abcdef"),
    "the finding is at no place of the request": _effect("deny", at=["images", 7]),
    "the finding is of another rule": _moved,
    "all is well": lambda verdict: verdict.update(outcome="allow"),
    "an approval is enough": lambda verdict: verdict.update(outcome="require_approval"),
    "the policy is another one": lambda verdict: verdict["policy"].update(revision="0123456789abcdef"),
    "the policy has no revision": lambda verdict: verdict["policy"].update(revision=""),
    "a rule was not judged": lambda verdict: verdict["rules"].pop(LIMITS) and None,
    "no rule was judged": lambda verdict: verdict.update(rules={}, findings=[], outcome="allow"),
    "a rule more was judged": lambda verdict: verdict["rules"].update(x={"places": 1, "compliant": 1, "exempt": 0}),
    "problems are no obstacle": lambda verdict: verdict.update(
        outcome="allow", problems=[{"code": "bad_clock", "detail": "x"}]
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_row_22_a_lie_is_an_error_with_its_own_reason(lie: Lie, provided: World) -> None:
    decision = _told(provided, DENIED, lie)
    assert decision.outcome == "error"
    foreign = "the policy" in next(name for name, one in LIES.items() if one is lie)
    assert decision.reason == ("engine_foreign_revision" if foreign else "verdict_mismatch"), decision.message


def _waive(provided: World, item: list[str], subject: str) -> dict[str, Any]:
    return {
        "id": "wvr_1", "rule": PINNED, "subject_digest": subject, "environment": "prod", "item": item,
        "from": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z",
        "requested_by": "person:alice", "signed_by": "person:bruno",
    }  # fmt: skip


def test_row_22_a_waiver_of_one_image_is_not_lent_to_another(provided: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The liar names the waived item at the place of another one: an item is what stands at its place."""
    both = json.loads(_request(pinned=False, images=2))
    both["facts"]["images"][1]["reference"]["pinned"] = False
    request = json.dumps(both).encode()
    denied = provided.decide(request)
    first, second = sorted((f for f in denied.findings if f.rule == PINNED), key=lambda f: str(f.at))
    assert denied.subject is not None
    now = provided.components.clock.now()
    waiver = _waive(provided, first.item, denied.subject.digest) | {
        "from": now.strftime("%Y-%m-%dT00:00:00Z"), "until": f"{now.year + 1}-01-01T00:00:00Z",
    }  # fmt: skip
    waiver["until"] = f"{now:%Y-%m-%d}T23:59:59.999999Z"
    monkeypatch.setattr(provided.components.waivers, "matching", lambda *_: [waiver])
    honest = provided.decide(request)
    assert sorted(statuses(honest, PINNED)) == ["fail deny", "fail waived"], "the waiver is good for the first"

    def lend(verdict: dict[str, Any]) -> None:
        verdict["outcome"] = "allow"
        for finding in verdict["findings"]:
            finding.update(effect="waived", by="wvr_1", item=first.item)

    decision = _told(provided, request, lend)
    assert second.item != first.item
    assert (decision.outcome, decision.reason) == ("error", "verdict_mismatch")


def test_row_38_a_liar_can_not_waive_two_items_of_one_name(provided: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Rego proves, that the name is the only one, is counted again as well."""
    both = json.loads(_request(pinned=False, images=2))
    both["facts"]["images"][1]["id"] = both["facts"]["images"][0]["id"]
    request = json.dumps(both).encode()
    denied = provided.decide(request)
    assert denied.subject is not None
    (finding,) = [f for f in denied.findings if f.rule == PINNED]
    now = provided.components.clock.now()
    waiver = _waive(provided, finding.item, denied.subject.digest) | {
        "from": now.strftime("%Y-%m-%dT00:00:00Z"), "until": f"{now:%Y-%m-%d}T23:59:59.999999Z",
    }  # fmt: skip
    monkeypatch.setattr(provided.components.waivers, "matching", lambda *_: [waiver])
    assert provided.decide(request).outcome == "deny"
    decision = _told(provided, request, _effect("waived", by="wvr_1"))
    assert (decision.outcome, decision.reason) == ("error", "verdict_mismatch")


# --- What OPA was asked ----------------------------------------------------------------------------------------------


def test_row_20_opa_gets_the_very_bytes_that_are_digested_and_kept(provided: World) -> None:
    """A digest over another spelling of the document would stand for something that OPA has never seen."""
    watching = Tampering(provided, lambda _: None)
    request = json.loads(_request(purpose="Zürich 🦊 \x7f", request_id="é"))
    request["facts"]["models"][0]["reference"]["paths"] = ["spëc/é", " ", 'a\\b"c']
    with provided.engine(watching):
        decision = provided.decide(json.dumps(request).encode())
    assert decision.outcome == "allow", decision.message
    (raw,) = watching.asked
    assert decision.input_digest == digest_bytes(raw)
    assert decode(raw)["purpose"] == "Zürich 🦊 \x7f"  # type: ignore[index,call-overload]
    store = CaseStore(
        provided.components.ledger._database, provided.components.settings.state_dir, provided.components.clock,
        timedelta(days=1),
    )  # fmt: skip
    assert store.open(decision.input_digest).raw == raw
