from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proctor.decide.ids import decision_id
from proctor.inventory.preflights import PreflightFacts
from proctor.plugins import FactGroup, Question
from proctor.store.moments import to_text
from proctor.vocabulary.principal import Actor, PrincipalKind
from proctor.vocabulary.words import EvidenceTier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE = Actor("person:00000000000a11ce", PrincipalKind.PERSON, "mlflow")
SUBJECT = "sha256:" + "5" * 64
CLAIM = decision_id()


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": CLAIM, "outcome": "allow", "stage": "training", "operation": "train", "point": "notebook",
        "purpose": "fraud", "actor": ALICE.id, "policy": {"revision": "r1", "digest": "sha256:0"},
        "decided_at": to_text(NOW - timedelta(hours=1)), **changes,
    }  # fmt: skip


async def gather(found: dict[str, Any] | None, claim: Any = CLAIM, actor: Actor = ALICE) -> list[FactGroup]:
    asked: list[str] = []

    def recorded(decision: str) -> dict[str, Any] | None:
        asked.append(decision)
        return found

    stated = {} if claim is None else {"claim": {"decision": claim}}
    question = Question("training", "run", "dev", None, actor, SUBJECT, {}, NOW, stated)
    groups = list(await PreflightFacts(recorded, timedelta(hours=12)).gather(question))
    assert asked in ([], [claim])
    return groups


async def values(found: dict[str, Any], actor: Actor = ALICE) -> dict[str, Any]:
    (group,) = await gather(found, actor=actor)
    return dict(group.values)


async def test_it_says_what_the_ledger_says_of_the_claim() -> None:
    (group,) = await gather(record())
    assert (group.list_name, group.group, group.about) == ("", "preflight", SUBJECT)
    assert group.values == {"allowed": True, "own": True, "current": True, "purpose": "fraud", "revision": "r1"}
    assert group.observed_at == NOW - timedelta(hours=1)
    assert PreflightFacts.tier is EvidenceTier.OBSERVED


@pytest.mark.parametrize("outcome", ["deny", "require_approval", "error"])
async def test_only_an_allow_allows(outcome: str) -> None:
    assert (await values(record(outcome=outcome)))["allowed"] is False


@pytest.mark.parametrize(
    ("age", "current"),
    [
        (timedelta(0), True),
        (timedelta(hours=12) - timedelta(microseconds=1), True),
        (timedelta(hours=12), False),
        (timedelta(days=9), False),
        (-timedelta(microseconds=1), False),
    ],
)
async def test_it_is_current_for_twelve_hours_and_not_before_it_was_given(age: timedelta, current: bool) -> None:
    assert (await values(record(decided_at=to_text(NOW - age))))["current"] is current


async def test_it_is_good_for_one_principal() -> None:
    bob = Actor("person:0000000000000b0b", PrincipalKind.PERSON, "mlflow")
    assert (await values(record(), bob))["own"] is False
    nobody = Actor("unresolved:mlflow", PrincipalKind.UNRESOLVED, "mlflow")
    assert (await values(record(actor=nobody.id), nobody))["own"] is False, "two strangers have one id"


@pytest.mark.parametrize(
    "claim",
    [None, "", "nonsense", "dec_short", 7, ["dec_"], CLAIM.upper(), CLAIM + "\n"],
    ids=["none", "empty", "nonsense", "short", "number", "list", "in capitals", "with a line's end"],
)
async def test_what_is_no_id_is_not_looked_up(claim: Any) -> None:
    assert await gather(record(), claim) == []


@pytest.mark.parametrize(
    "found",
    [
        None,
        record(stage="registration"),
        record(operation="run"),
        record(point="audit"),
        record(point="ci"),
        record(point="mlflow-registry"),
        {name: value for name, value in record().items() if name != "point"},
        {"kind": "waiver", "id": CLAIM},
    ],
)
async def test_what_is_no_decision_on_a_plan_proves_nothing(found: dict[str, Any] | None) -> None:
    assert await gather(found) == []
