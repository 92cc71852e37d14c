from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.decide.ids import decision_id
from proctor.errors import StateError
from proctor.inventory.standing import StandingDecision, StandingDecisions
from proctor.plugins import Asking, Ended
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import EvidenceTier, Outcome
from tests.engine.identity.stores import START, Stores, stores

PAYMENTS, RATES = "urn:ol:s3%3A%2F%2Flake:payments", "urn:ol:s3%3A%2F%2Flake:rates"


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


def load(at: Stores) -> StandingDecisions:
    return StandingDecisions.load(at.database, at.ledger, at.hands.now)


def request(name: str, *urns: str, environment: str = "prod", **facts: Any) -> DecisionRequest:
    return DecisionRequest.model_validate(
        {
            "schema": "proctor/request/v1", "stage": "registration", "operation": "promote", "point": "mlflow-registry",
            "environment": environment, "subject": {"kind": "model_version", "name": name},
            "facts": {"models": [{"id": "models:/fraud/7"}], "datasets": [{"id": urn} for urn in urns], **facts},
        }
    )  # fmt: skip


def asking(tier: EvidenceTier | None = None) -> Asking:
    actor = Actor("person:00000000000a11ce", PrincipalKind.PERSON, "mlflow")
    caller = Caller(actor, frozenset({Role.GATE}), frozenset({"mlflow-registry"}), frozenset({"prod"}), frozenset())
    return Asking(caller, 2.0, "mlflow", tier, {"models/*/card": EvidenceTier.DECLARED})


def decision(outcome: Outcome = Outcome.ALLOW) -> Decision:
    return Decision(
        id=decision_id(), outcome=outcome, reason=Reason.COMPLIANT, message="", received_at=START, decided_at=START
    )


def names(found: list[StandingDecision]) -> list[str]:
    return [one.name for one in found]


async def test_what_rests_on_a_dataset_is_found_by_it(at: Stores) -> None:
    standing = load(at)
    await standing.remember(request("a", PAYMENTS, RATES), asking(), decision())
    await standing.remember(request("b", RATES), asking(), decision())
    await standing.remember(request("c"), asking(), decision())
    for found in (standing, load(at)):
        assert names(found.resting_on([PAYMENTS])) == ["a/registration/prod"]
        assert names(found.resting_on([RATES, "urn:ol:x:y"])) == ["a/registration/prod", "b/registration/prod"]
        assert found.resting_on([]) == []
        assert len(found.all()) == 3


async def test_a_later_decision_takes_the_place_of_the_one_before(at: Stores) -> None:
    standing = load(at)
    told: list[StandingDecision] = []
    standing.on_remember = told.append
    await standing.remember(request("a", PAYMENTS), asking(), decision())
    later = decision()
    await standing.remember(request("a", RATES), asking(), later)
    await standing.remember(request("a", PAYMENTS, environment="staging"), asking(), decision())
    for found in (standing, load(at)):
        one = found.get(("a", "registration", "prod"))
        assert one is not None
        assert (one.decision_id, one.datasets) == (later.id, frozenset({RATES}))
        assert names(found.resting_on([PAYMENTS])) == ["a/registration/staging"]
    assert names(told) == ["a/registration/prod", "a/registration/prod", "a/registration/staging"]


async def test_facts_and_their_tiers_are_kept_as_they_were_asked_with(at: Stores) -> None:
    standing = load(at)
    claim = {"claim": {"decision": decision_id()}}
    asked = request("a", PAYMENTS, **claim)
    await standing.remember(asked, asking(EvidenceTier.OBSERVED), decision())
    (kept,) = load(at).all()
    assert kept == standing.all()[0]
    assert kept.request == asked
    assert kept.asking.tier is EvidenceTier.OBSERVED
    assert kept.asking.tiers == {"models/*/card": EvidenceTier.DECLARED}
    assert kept.asking.caller.actor == asking().caller.actor


@pytest.mark.parametrize("outcome", [Outcome.DENY, Outcome.ERROR, Outcome.REQUIRE_APPROVAL])
async def test_a_refusal_never_stands(at: Stores, outcome: Outcome) -> None:
    standing = load(at)
    await standing.remember(request("a", PAYMENTS), asking(), decision(outcome))
    assert standing.all() == load(at).all() == []


async def test_what_is_not_on_disk_does_not_stand(at: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = load(at)
    told: list[StandingDecision] = []
    standing.on_remember = told.append

    async def full(*_: Any) -> int:
        raise StateError("writing", "the disk is full")

    monkeypatch.setattr(at.database, "awrite", full)
    with pytest.raises(StateError):
        await standing.remember(request("a", PAYMENTS), asking(), decision())
    assert standing.all() == told == []


def ended(item: str = "models:/fraud/7", after: timedelta = timedelta(seconds=1)) -> Ended:
    return Ended("a", "registration", "prod", item, "person:x", START + after, "the alias was deleted")


async def observations(at: Stores) -> list[dict[str, Any]]:
    return [dict(one.record) for one in at.ledger.history("a/registration/prod")]


async def test_what_was_taken_out_of_use_holds_no_longer_and_is_in_the_ledger(at: Stores) -> None:
    standing = load(at)
    gone: list[StandingDecision] = []
    standing.on_end = gone.append
    made = decision()
    await standing.remember(request("a", PAYMENTS), asking(), made)
    await standing.end(ended())
    assert standing.all() == load(at).all() == []
    assert [one.decision_id for one in gone] == [made.id]
    (seen,) = await observations(at)
    assert (seen["item"], seen["by"], seen["decision"]) == ("models:/fraud/7", "person:x", made.id)


@pytest.mark.parametrize("told", [ended("models:/fraud/6"), ended(after=-timedelta(seconds=1))])
async def test_what_holds_for_another_item_or_was_allowed_anew_stays(at: Stores, told: Ended) -> None:
    standing = load(at)
    await standing.remember(request("a"), asking(), decision())
    await standing.end(told)
    assert names(standing.all()) == names(load(at).all()) == ["a/registration/prod"]
    (seen,) = await observations(at)
    assert seen["decision"] is None
