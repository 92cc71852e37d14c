"""The gate's answers: what is asked, whose word it is, what follows from an allow, and that failures are a no."""

from typing import Any

import pytest

from proctor.errors import RefusedError, SettingsError, StateError
from proctor.inventory import records
from proctor.plugins import Services
from proctor.vocabulary.words import EvidenceTier
from proctor_adapters.mlflow import create, gate
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.gate import Gate
from proctor_adapters.mlflow.models import GateCall, ManifestCall, PendingCall, Reply, RetiredCall
from tests.adapters.mlflow.doubles import (
    DIGEST,
    GATE,
    NOW,
    PREFLIGHT,
    FakeDecider,
    FakePeople,
    FakePreflights,
    World,
    decision,
    finding,
    measurement,
    version,
)

FILE = {"path": "MLmodel", "sha256": "0" * 64, "size": 1, "unsafe": False}
OTHER = FILE | {"sha256": "1" * 64}


async def promote(world: World, target: str = "alias:champion", **fields: Any) -> Reply:
    call = {"action": "promote", "target": target, "user": "alice", "version": version(**fields)}
    return await world.gate.ask(GateCall.model_validate(call), GATE)


async def hash_files(world: World, *files: Any, **fields: Any) -> bool:
    call = {"version": version(**fields), "files": list(files) or [FILE], "hashed_at": NOW}
    return (await world.gate.manifest(ManifestCall.model_validate(call), GATE)).changed


async def touch(world: World, action: str, **fields: Any) -> Reply:
    return await world.gate.ask(GateCall.model_validate({"action": action, **fields}), GATE)


# --- Runs -----------------------------------------------------------------------------------------------------------


async def test_a_run_is_asked_about_as_whoever_starts_it_with_no_more_rights_than_the_gate() -> None:
    world = World()
    await touch(world, "create_run", user="alice", preflight=PREFLIGHT)
    (request, asking), = world.decider.asked  # fmt: skip
    assert (request.stage, request.operation, request.point) == ("training", "run", "mlflow-registry")
    assert asking.caller.actor.id == "person:alice"
    assert asking.caller.asserts == frozenset()
    assert asking.caller.environments == GATE.environments


@pytest.mark.parametrize("user", [None, "mallory", ""])
async def test_an_unknown_user_and_nobody_are_nobody(user: str | None) -> None:
    world = World()
    await touch(world, "create_run", **({} if user is None else {"user": user}))
    assert world.decider.asked[0][1].caller.actor.id == "unresolved:mlflow"


# --- Promotion ------------------------------------------------------------------------------------------------------


async def test_an_allowed_promotion_is_remembered_and_its_digest_allowed_once() -> None:
    world = World()
    await hash_files(world)
    first, again = await promote(world), await promote(world)
    assert (first.allowed, first.governed, again.allowed) == (True, True, True)
    assert world.models.allowances == {("fraud", "1"): ["prod"]}
    assert len(world.standing.kept) == 2
    request = world.decider.asked[0][0]
    assert (request.operation, request.environment, request.purpose) == ("promote", "prod", "fraud-detection")
    assert request.facts.models
    assert request.facts.models[0].digest == world.models.digest("fraud", "1")


async def test_a_refusal_says_each_rule_with_its_cure_and_leaves_nothing_behind() -> None:
    findings = [finding("registration.card_complete"), finding("registration.signature_present", "warn")]
    world = World(decision("deny", findings))
    await hash_files(world)
    reply = await promote(world)
    assert not reply.allowed
    assert "[registration.card_complete]" in reply.message
    assert "Mend registration.card_complete" in reply.message
    assert "signature_present" not in reply.message
    assert reply.message.endswith(f"[{reply.decision}]")
    assert (world.models.allowances, world.standing.kept) == ({}, [])


@pytest.mark.parametrize("broken", ["standing", "models"])
async def test_an_allow_that_cannot_be_written_down_is_a_no(broken: str) -> None:
    world = World()
    await hash_files(world)
    getattr(world, broken).fault = StateError("writing", "disk full")
    reply = await promote(world)
    assert not reply.allowed
    assert "disk full" in reply.message


async def test_without_a_digest_an_allow_is_a_no() -> None:
    reply = await promote(World())
    assert not reply.allowed
    assert "no such version" in reply.message


@pytest.mark.parametrize("target", ["alias:Champion", "ALIAS:CHAMPION", "stage:Production", "stage:pRODUCTION"])
async def test_targets_are_compared_without_case(target: str) -> None:
    world = World()
    await hash_files(world)
    assert (await promote(world, target)).governed
    assert world.decider.asked[0][0].environment == "prod"


async def test_an_alias_that_no_target_names_is_nobodys_business() -> None:
    world = World()
    reply = await promote(world, "alias:scratch")
    assert (reply.allowed, reply.governed, world.decider.asked) == (True, False, [])


async def test_a_protected_alias_on_a_model_without_an_environment_is_an_error() -> None:
    world = World(targets=[{"model": "credit-*", "alias": "champion", "environment": "prod"}])
    reply = await promote(world)
    assert not reply.allowed
    assert "adapters.mlflow.targets" in reply.message


async def test_what_is_known_to_be_changed_is_not_promoted() -> None:
    world = World()
    await hash_files(world)
    assert await hash_files(world, OTHER)
    reply = await promote(world)
    assert not reply.allowed
    assert "not those that were registered" in reply.message
    assert world.decider.asked == []
    assert not await hash_files(world)
    assert (await promote(world)).allowed


@pytest.mark.parametrize("fields", [{"preflight": "x" * 3000}, {"run_id": "r" * 3000}])
async def test_a_value_that_the_vocabulary_does_not_have_is_a_no_with_words(fields: dict[str, Any]) -> None:
    reply = await promote(World(), **fields)
    assert not reply.allowed
    assert "can't be asked" in reply.message


async def test_an_error_of_the_engine_is_a_no() -> None:
    world = World()
    world.decider.fault = StateError("deciding", "the ledger is gone")
    assert "the ledger is gone" in (await promote(world)).message
    assert not (await touch(world, "register")).allowed


# --- Tiers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "tier"),
    [("victor", EvidenceTier.OBSERVED), ("alice", EvidenceTier.DECLARED)],
)
async def test_what_the_author_measured_is_only_declared(user: str | None, tier: EvidenceTier) -> None:
    world = World()
    await hash_files(world)
    await promote(world, measurements=[measurement(user)])
    assert world.decider.asked[0][1].tiers["models/*/evaluation"] == tier


async def test_of_an_unknown_author_nobody_is_known_to_be_somebody_else() -> None:
    world = World()
    await hash_files(world)
    await promote(world, user=None, measurements=[measurement("victor")])
    assert world.decider.asked[0][1].tiers["models/*/evaluation"] == EvidenceTier.DECLARED


async def test_a_validation_by_nobody_is_none() -> None:
    world = World()
    await hash_files(world)
    await promote(world, validator="mallory", validated_at=NOW.isoformat())
    await promote(world, validator="victor", validated_at=NOW.isoformat())
    without, with_one = (asked[0].facts.models[0].validation for asked in world.decider.asked)  # type: ignore[index]
    assert without is None
    assert with_one is not None
    assert with_one.validator == "person:victor"


# --- Files ----------------------------------------------------------------------------------------------------------


async def test_files_that_changed_open_a_violation_and_register_nothing() -> None:
    world = World()
    await hash_files(world)
    before = world.models.digest("fraud", "1")
    assert await hash_files(world, OTHER)
    detail = world.violations.opened["artifact_changed", "fraud/1"]
    assert (detail["registered"], world.models.digest("fraud", "1")) == (before, before)
    assert detail["found"] != before
    assert set(detail) == {"registered", "found"}, "the same files, found again, are no update"


async def test_two_versions_of_one_logged_model_are_both_registered() -> None:
    world = World()
    await hash_files(world)
    await hash_files(world, version="2")
    assert world.models.versions["fraud", "1"].uris == ["models:/fraud/1", "models:/m-" + "0" * 32]
    assert world.models.versions["fraud", "2"].uris == ["models:/fraud/2"]


async def test_a_refusal_of_the_inventory_is_not_hidden() -> None:
    world = World()
    await hash_files(world, version="2", model_id=None)
    world.models.versions["x", "1"] = world.models.versions.pop(("fraud", "2"))
    with pytest.raises(RefusedError):
        await hash_files(world, version="2", model_id=None)


async def test_a_path_out_of_the_root_is_refused() -> None:
    with pytest.raises(RefusedError, match="no path below the root"):
        await hash_files(World(), FILE | {"path": "../x"})


async def test_files_of_what_is_registered_stay_and_what_rests_on_a_run_stays_while_it_is_in_use() -> None:
    world = World()
    files, rests = {"versions": [["fraud", "1"]]}, {"supporting": [["fraud", "1"]]}
    assert (await touch(world, "write_artifact", **files)).allowed
    await hash_files(world)
    assert not (await touch(world, "write_artifact", **files)).allowed
    assert (await touch(world, "write_artifact", **rests)).allowed
    assert (await touch(world, "remove", **files)).allowed
    await promote(world)
    for call in (("write_artifact", rests), ("remove", files)):
        assert not (await touch(world, call[0], **call[1])).allowed


async def test_what_is_hashed_again_is_what_is_new_in_use_or_changed() -> None:
    world = World()
    for name in ("quiet", "used", "changed"):
        await hash_files(world, name=name, model_id=None)
    await promote(world, name="used", model_id=None)
    await hash_files(world, OTHER, name="changed", model_id=None)
    call = PendingCall(versions=[(name, "1") for name in ("quiet", "used", "changed", "new")])
    assert [name for name, _ in (await world.gate.pending(call)).versions] == ["used", "changed", "new"]


def test_the_names_that_are_taken_are_those_that_the_inventory_keeps() -> None:
    assert records.MODEL_NAME is gate.MODEL_NAME


@pytest.mark.parametrize("name", ["modèle", "a+b", "-x", "x" * 201])
async def test_a_name_that_nobody_could_keep_is_refused_when_a_version_is_made(name: str) -> None:
    world = World()
    reply = await touch(world, "register", version=version(name=name))
    assert not reply.allowed
    assert "can't be kept" in reply.message
    assert world.decider.asked == []


# --- Making it ------------------------------------------------------------------------------------------------------


def test_a_server_that_lends_too_little_is_told_so_at_its_start() -> None:
    with pytest.raises(SettingsError, match="lends no inventory"):
        Gate(Services(FakeDecider(decision()), FakePeople(), {}), MlflowSettings.read({}))


def test_the_adapter_says_what_it_states() -> None:
    adapter = create(World().services)
    assert adapter.router is not None
    found = {route.path for route in adapter.router.routes}  # type: ignore[attr-defined]
    assert found == {"/check", "/gate", "/manifest", "/pending", "/retired"}
    assert DIGEST not in adapter.extras["states"]
    assert "models/*/authorship" not in adapter.extras["states"]


async def test_what_was_taken_out_of_use_is_told_for_what_a_target_names() -> None:
    world = World()
    left = [["fraud", "1"], ["fraud", "2"]]
    for target in ("stage:Production", "alias:nobodys"):
        await world.gate.retired(
            RetiredCall.model_validate({"versions": left, "target": target, "user": "alice", "at": NOW.isoformat()})
        )
    found = [(one.subject, one.environment, one.item, one.by) for one in world.standing.ended]
    assert found == [("fraud as production", "prod", f"models:/fraud/{number}", "person:alice") for number in "12"]


@pytest.mark.parametrize(("files", "allowed"), [("same", True), ("unknown", True), ("changed", False)])
async def test_files_that_were_written_since_they_were_hashed_are_not_promoted(files: str, allowed: bool) -> None:
    world = World()
    await hash_files(world)
    reply = await promote(world, files=files)
    assert (reply.allowed, "manifest_pending" in reply.message) == (allowed, not allowed)


async def test_a_preflight_is_read_once_because_a_record_never_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    read: list[str] = []
    original = FakePreflights.read

    async def count(self: FakePreflights, decision: str) -> Any:
        read.append(decision)
        return await original(self, decision)

    monkeypatch.setattr(FakePreflights, "read", count)
    for claimed in (PREFLIGHT, PREFLIGHT, "dec_none", "dec_none"):
        await world.gate._preflight(claimed)
    assert read == [PREFLIGHT, "dec_none", "dec_none"]
