from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proctor.identity.provider import PrincipalFacts
from proctor.plugins import Question
from proctor.vocabulary.principal import Actor, PrincipalKind
from tests.engine.identity.stores import START, Stores, stores


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


def _question(actor: str) -> Question:
    return Question(
        stage="deployment", operation="deploy", environment="prod", purpose=None,
        actor=Actor(actor, PrincipalKind.PERSON, "kubernetes"), subject_digest="sha256:0", items={}, now=START,
    )  # fmt: skip


async def test_deployer_says_where_and_about_whom(at: Stores) -> None:
    register = at.register()
    ada = await register.add(PrincipalKind.PERSON, "Ada", [], ["staging"], "service:localoperator")
    provider = PrincipalFacts(register, lambda: ["dev", "staging", "prod"])
    group, _ = await provider.gather(_question(ada.id))
    assert (group.list_name, group.group, group.about) == ("", "deployer", ada.id)
    assert group.values == {"environments": ["staging"]}
    assert group.observed_at == START


async def test_a_star_is_spelled_out_because_rules_compare_names(at: Stores) -> None:
    register = at.register()
    ops = await register.add(PrincipalKind.SERVICE, "ops", [], ["*"], "service:localoperator")
    group, _ = await PrincipalFacts(register, lambda: ["dev", "prod"]).gather(_question(ops.id))
    assert group.values == {"environments": ["dev", "prod"]}


async def test_trainer_says_for_what_and_on_what_from_now_on(at: Stores) -> None:
    register = at.register()
    ada = await register.add(
        PrincipalKind.PERSON, "Ada", [], [], "service:localoperator", purposes=["fraud"], data_classes=["personal"]
    )
    provider = PrincipalFacts(register, lambda: ["prod"], lambda: ["churn", "fraud"])
    _, group = await provider.gather(_question(ada.id))
    assert (group.group, group.about) == ("trainer", ada.id)
    assert group.values == {"purposes": ["fraud"], "data_classes": ["personal"]}
    await register.grant(ada.id, purposes=["*"], data_classes=["*"], by="service:localoperator")
    _, group = await provider.gather(_question(ada.id))
    assert group.values["purposes"] == ["churn", "fraud"]
    assert set(group.values["data_classes"]) == {"public", "internal", "personal", "special"}
    again = at.register()
    await again.load()
    reloaded = again.principal(ada.id)
    assert reloaded is not None
    assert (reloaded.purposes, reloaded.data_classes) == (("*",), ("*",))


async def test_nothing_is_said_of_strangers_and_the_deactivated(at: Stores) -> None:
    register = at.register()
    ada = await register.add(PrincipalKind.PERSON, "Ada", [], ["prod"], "service:localoperator")
    await register.deactivate(ada.id, "service:localoperator")
    provider = PrincipalFacts(register, lambda: ["prod"])
    for actor in (ada.id, "unresolved:kubernetes", "person:0123456789abcdef"):
        assert await provider.gather(_question(actor)) == []
