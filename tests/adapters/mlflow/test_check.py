"""A look ahead at a promotion: it states nothing, and says of each finding what only the gate could have judged."""

from typing import Any

import pytest
from pydantic import ValidationError

from proctor.errors import RefusedError
from proctor_adapters.mlflow.check import UNSEEN, Check, explained
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.models import CheckCall
from proctor_adapters.mlflow.translate import STATES
from tests.adapters.mlflow.doubles import GATE, World, decision, finding
from tests.adapters.mlflow.test_gate import hash_files


async def ask(world: World, **fields: Any) -> Any:
    call = CheckCall.model_validate({"name": "fraud", "version": "1"} | (fields or {"target": "alias:champion"}))
    return await Check(world.services, MlflowSettings.read(world.services.configuration)).ask(call, GATE)


async def test_it_asks_at_ci_as_whoever_asks_and_states_nothing() -> None:
    world = World()
    source = '{"uri": "s3://lake/payments"}'
    await hash_files(world, inputs=[{"source_type": "s3", "source": source, "version": "7"}])
    reply = await ask(world)
    (request, asking), = world.decider.asked  # fmt: skip
    assert (request.point, request.stage, request.operation) == ("ci", "registration", "promote")
    assert (request.environment, request.purpose) == ("prod", "fraud-detection")
    assert asking.caller is GATE
    assert asking.tiers == {}
    stated = request.facts.model_dump(mode="json", exclude_none=True)
    digest = world.models.digest("fraud", "1")
    assert stated == {
        "models": [{"id": "models:/fraud/1", "digest": digest}],
        "datasets": [{"id": "urn:ol:s3%3A%2F%2Flake:payments"}],
    }
    assert [one["id"] for one in reply["decisions"]] == [world.decider.answer.id]
    assert reply["notes"] == []


async def test_nothing_follows_from_an_allow() -> None:
    world = World()
    await hash_files(world)
    await ask(world)
    assert (world.models.allowances, world.standing.kept) == ({}, [])


async def test_what_proctor_does_not_know_is_asked_about_and_said() -> None:
    world = World()
    reply = await ask(world)
    (request, _), = world.decider.asked  # fmt: skip
    assert request.purpose is None
    assert request.facts.models is not None
    assert request.facts.models[0].digest is None
    assert "no version fraud/1" in reply["notes"][0]


async def test_changed_files_are_refused_as_the_gate_refuses_them() -> None:
    world = World()
    await hash_files(world)
    await world.violations.open("artifact_changed", "fraud/1", "fraud/1", {})
    with pytest.raises(RefusedError) as error:
        await ask(world)
    assert error.value.status == 409
    assert world.decider.asked == []


async def test_targets_mean_what_they_mean_to_the_gate() -> None:
    world = World()
    assert (await ask(world, target="stage:STAGING"))["decisions"]
    assert world.decider.asked[0][0].environment == "staging"
    ungoverned = await ask(world, target="alias:mine")
    assert ungoverned["decisions"] == []
    assert "alias:mine" in ungoverned["notes"][0]
    assert (await ask(world, environment="dev"))["decisions"]
    assert world.decider.asked[1][0].environment == "dev"
    partly = World(targets=[{"alias": "champion", "model": "credit-*", "environment": "prod"}])
    with pytest.raises(RefusedError):
        await ask(partly)


@pytest.mark.parametrize("fields", [{}, {"target": "alias:x", "environment": "prod"}, {"environment": "Not One"}])
def test_a_question_names_exactly_one_place(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CheckCall.model_validate({"name": "fraud", "version": "1"} | fields)


@pytest.mark.parametrize("group", [*STATES, "preflight"])
def test_a_finding_on_what_only_the_gate_sees_says_so(group: str) -> None:
    path = group.split("/")
    place: list[str | int] = [path[0], 0, path[2]] if len(path) > 1 else [group]
    unseen = finding("registration.x") | {"status": "not_evaluable", "why": [{"at": place, "gap": "absent"}]}
    failed = finding("registration.y") | {"status": "fail", "why": []}
    seen = unseen | {"why": [{"at": ["models", 0, "artifact"], "gap": "absent"}]}
    found = explained(decision("deny", [unseen, failed, seen])).findings
    assert [one.message.endswith("when the version is promoted") for one in found] == [True, False, False]
    assert found[0].message.startswith(str(unseen["message"]))
    assert path[-1] in UNSEEN
