"""Stamping and gathering: the provider gives the tier, and a provider's group is never taken from the caller."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from proctor.errors import EngineError
from proctor.evidence.gather import Providers, references
from proctor.plugins import Asking, FactGroup, Question
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import EvidenceTier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACTOR = Actor("person:abcd", PrincipalKind.PERSON, "test")


def asking(*asserts: str, tier: EvidenceTier | None = None) -> Asking:
    caller = Caller(ACTOR, frozenset({Role.GATE}), frozenset({"*"}), frozenset({"*"}), frozenset(asserts))
    return Asking(caller, 1.0, "caller:test", tier)


def question(facts: dict[str, Any]) -> Question:
    items = {"models": facts.get("models", [])}
    return Question("deployment", "deploy", "prod", None, ACTOR, "sha256:" + "f" * 64, items, NOW)


@dataclass
class Stub:
    provides: Sequence[str]
    groups: Sequence[FactGroup] = ()
    name: str = "stub"
    tier: EvidenceTier = EvidenceTier.VERIFIED
    failure: Exception | None = None
    delay: float = 0
    asked: list[Question] = field(default_factory=list)

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        self.asked.append(question)
        await asyncio.sleep(self.delay)
        if self.failure:
            raise self.failure
        return self.groups


async def gathered(providers: Providers, facts: dict[str, Any], how: Asking) -> tuple[dict[str, Any], list[str]]:
    deadline = asyncio.get_running_loop().time() + 0.2
    return await providers.gather(facts, question(facts), how, deadline)


async def test_a_stated_group_is_declared_unless_the_credential_may_assert_it() -> None:
    for asserts, tier in (((), "declared"), (("models/*/reference",), "observed"), (("models/*/risk",), "declared")):
        facts: dict[str, Any] = {"models": [{"id": "m", "reference": {"mutable": False}}]}
        found, _ = await gathered(Providers([]), facts, asking(*asserts))
        assert found["models"][0]["reference"]["evidence"]["tier"] == tier
        assert found["models"][0]["reference"]["evidence"]["about"] == "m"


async def test_the_adapter_in_process_sets_the_tier_of_all_its_facts() -> None:
    found, _ = await gathered(Providers([]), {"workload": {"kind": "Pod"}}, asking(tier=EvidenceTier.OBSERVED))
    assert found["workload"]["evidence"]["tier"] == "observed"
    assert found["workload"]["evidence"]["about"] == "sha256:" + "f" * 64


@pytest.mark.parametrize("failure", [None, EngineError("asking", "it is down")])
async def test_a_group_that_a_provider_owns_is_never_taken_from_the_caller(failure: Exception | None) -> None:
    provider = Stub(["models/*/allowance"], failure=failure)
    facts: dict[str, Any] = {"models": [{"id": "m", "allowance": {"digest_allowed": True}}]}
    found, failures = await gathered(Providers([provider]), facts, asking("models/*/allowance"))
    assert "allowance" not in found["models"][0]
    assert bool(failures) == (failure is not None)


async def test_a_provider_that_hangs_ends_with_the_budget_and_is_named() -> None:
    with pytest.raises(EngineError, match="while stub was asked") as refused:
        await gathered(Providers([Stub(["deployer"], delay=5)]), {}, asking())
    assert refused.value.reason is Reason.DEADLINE_EXCEEDED


async def test_a_provided_group_carries_the_providers_tier_and_time() -> None:
    group = FactGroup("models", 0, "risk", {"exposure": "public"}, "m", datetime(2025, 5, 5, tzinfo=UTC))
    found, _ = await gathered(Providers([Stub(["models/*/risk"], [group])]), {"models": [{"id": "m"}]}, asking())
    evidence = found["models"][0]["risk"]["evidence"]
    assert (evidence["tier"], evidence["source"]) == ("verified", "stub")
    assert evidence["observed_at"] == "2025-05-05T00:00:00.000000Z"
    assert evidence["fetched_at"] == "2026-01-01T00:00:00.000000Z"
    assert [r["group"] for r in references(found)] == ["models/0/risk"]


def test_one_group_has_one_provider() -> None:
    with pytest.raises(ValueError, match="is provided by"):
        Providers([Stub(["deployer"], name="a"), Stub(["deployer"], name="b")])
