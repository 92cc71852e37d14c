"""The register of models: what a reference stands for, and that nothing is known before it is on disk."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import LedgerError, NotFoundError, RefusedError
from proctor.inventory.deployments import Deployments
from proctor.inventory.models import Inventory
from proctor.inventory.provider import InventoryProvider
from proctor.ledger.clock import Clock
from proctor.ledger.writer import Ledger
from proctor.plugins import FactGroup, Question
from proctor.store.database import Database
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, PrincipalKind
from tests.live import databases

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
BY = "service:localoperator"
RISK = {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}


class Moments:
    """A clock that is a second later each time."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
async def opened(state_dir: Path) -> AsyncIterator[tuple[Database, Ledger]]:
    database = databases.opened(state_dir)
    ledger = Ledger.open(database, state_dir, clock=Clock())
    yield database, ledger
    await ledger.close()
    database.close()


@pytest.fixture
def inventory(opened: tuple[Database, Ledger]) -> Inventory:
    return Inventory.load(*opened, Moments())


async def test_a_version_is_found_under_its_registry_name(inventory: Inventory) -> None:
    await inventory.register(name="fraud", version="7", digest=A, by=BY)
    assert inventory.digest_for("models:/fraud/7") == A
    assert inventory.digest_for("models:/fraud/07") == A
    assert inventory.digest_for("models:/fraud/8") is None
    assert inventory.resolve("models:/fraud/7", B).versions == ()


async def test_what_can_move_stands_for_no_digest(inventory: Inventory) -> None:
    await inventory.register(
        name="fraud", version="7", digest=A, by=BY, uris=["s3://m/fraud/", "models:/fraud@champion"]
    )
    for uri in ("s3://m/fraud", "s3://m/fraud/", "models:/fraud@champion"):
        assert len(inventory.resolve(uri).versions) == 1
        assert inventory.digest_for(uri) is None


async def test_everything_survives_a_restart(inventory: Inventory, opened: tuple[Database, Ledger]) -> None:
    await inventory.register(name="fraud", version="7", digest=A, by=BY, author="person:alice", purpose="fraud", **RISK)
    await inventory.register(name="fraud", version="8", digest=B, by=BY)
    await inventory.allow("fraud", "7", ["prod", "dev"], by=BY)
    await inventory.withdraw("fraud", "8", by=BY)
    again = Inventory.load(*opened, Moments())
    assert again.list(withdrawn=True) == inventory.list(withdrawn=True)
    assert again.snapshot() == inventory.snapshot()
    assert again.get("fraud", "7").environments == ("dev", "prod")


async def test_each_change_is_an_entry_of_the_ledger(inventory: Inventory, opened: tuple[Database, Ledger]) -> None:
    version = await inventory.register(name="fraud", version="7", digest=A, by=BY)
    await inventory.allow("fraud", "7", ["prod"], by="person:bella")
    await inventory.disallow("fraud", "7", ["prod"], by=BY)
    await inventory.withdraw("fraud", "7", by=BY)
    history = opened[1].history(version.id)
    assert [entry.record["change"] for entry in history] == ["registered", "allowed", "disallowed", "withdrawn"]
    assert history[1].record["by"] == "person:bella"
    assert history[1].record["model"]["environments"][0]["name"] == "prod"
    assert {str(entry.kind) for entry in history} == {"model"}


async def test_what_the_ledger_did_not_take_is_not_known(opened: tuple[Database, Ledger]) -> None:
    class Broken:
        async def append(self, entry: object, *, also: object = ()) -> object:
            raise LedgerError("recording", "disk full")

    inventory = Inventory.load(opened[0], Broken(), Moments())
    with pytest.raises(LedgerError):
        await inventory.register(name="fraud", version="7", digest=A, by=BY)
    assert inventory.list() == []
    assert inventory.digest_for("models:/fraud/7") is None


async def test_a_snapshot_does_not_change(inventory: Inventory) -> None:
    before = inventory.snapshot()
    await inventory.register(name="fraud", version="7", digest=A, by=BY)
    assert before == {}
    assert set(inventory.snapshot()) == {"models:/fraud/7"}


class TestRefusals:
    async def test_a_version_does_not_change(self, inventory: Inventory) -> None:
        first = await inventory.register(name="fraud", version="7", digest=A, by=BY, **RISK)
        again = await inventory.register(name="fraud", version="7", digest=A, by=BY, **RISK)
        assert again.id == first.id
        assert again.registered_at > first.registered_at
        changes: list[dict[str, Any]] = [
            {"digest": B},
            {"exposure": "public"},
            {"author": "person:alice"},
            {"uris": ["s3://x"]},
        ]
        for change in changes:
            with pytest.raises(RefusedError) as refused:
                await inventory.register(**{"name": "fraud", "version": "7", "digest": A, "by": BY, **RISK, **change})
            assert refused.value.status == 409

    async def test_an_immutable_uri_has_one_owner(self, inventory: Inventory) -> None:
        await inventory.register(name="fraud", version="7", digest=A, by=BY)
        with pytest.raises(RefusedError, match="is registered under it"):
            await inventory.register(name="other", version="1", digest=B, by=BY, uris=["models:/fraud/7"])

    async def test_a_place_may_hold_one_version_after_another(self, inventory: Inventory) -> None:
        await inventory.register(name="fraud", version="7", digest=A, by=BY, uris=["s3://m"])
        await inventory.register(name="fraud", version="8", digest=B, by=BY, uris=["s3://m"])
        assert len(inventory.resolve("s3://m").versions) == 2
        assert [one.version for one in inventory.resolve("s3://m", B).versions] == ["8"]
        with pytest.raises(RefusedError):
            await inventory.register(name="copy", version="1", digest=B, by=BY, uris=["s3://m"])

    async def test_withdrawn_is_for_good(self, inventory: Inventory) -> None:
        await inventory.register(name="fraud", version="7", digest=A, by=BY)
        await inventory.allow("fraud", "7", ["prod"], by=BY)
        withdrawn = await inventory.withdraw("fraud", "7", by=BY)
        assert withdrawn.environments == ()
        assert inventory.resolve("models:/fraud/7").versions == ()
        for change in (
            inventory.allow("fraud", "7", ["prod"], by=BY),
            inventory.withdraw("fraud", "7", by=BY),
            inventory.register(name="fraud", version="7", digest=A, by=BY),
        ):
            with pytest.raises(RefusedError):
                await change

    @pytest.mark.parametrize(
        "change",
        [
            {"digest": "sha256:x"},
            {"digest": A.upper()},
            {"name": ""},
            {"name": "a/b"},
            {"version": "a@b"},
            {"author": "alice"},
            {"exposure": "everybody"},
            {"autonomy": ""},
            {"data_class": "PERSONAL"},
            {"uris": ["x"]},
            {"uris": [f"oci://r.io/m@{B}"]},
            {"uris": [f"s3://{n}" for n in range(51)]},
            {"uris": ["s3://" + "x" * 2000]},
        ],
    )
    async def test_values_out_of_the_vocabulary(self, inventory: Inventory, change: dict[str, Any]) -> None:
        with pytest.raises(RefusedError) as refused:
            await inventory.register(**{"name": "fraud", "version": "7", "digest": A, "by": BY, **change})
        assert refused.value.status == 422
        assert inventory.list(withdrawn=True) == []

    async def test_unknown_versions_and_environments(self, inventory: Inventory) -> None:
        with pytest.raises(NotFoundError):
            await inventory.allow("fraud", "7", ["prod"], by=BY)
        await inventory.register(name="fraud", version="7", digest=A, by=BY)
        with pytest.raises(RefusedError):
            await inventory.allow("fraud", "7", ["Prod"], by=BY)


def question(*items: dict[str, Any], environment: str = "prod") -> Question:
    actor = Actor("person:carol", PrincipalKind.PERSON, "kubernetes")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    return Question("deployment", "deploy", environment, None, actor, B, {"models": items}, now)


def item(uri: str, digest: str | None = None, *, also: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"id": uri, "reference": {"uris": [uri, *also]}} | ({"digest": digest} if digest else {})


class TestFacts:
    @pytest.fixture
    async def registered(self, inventory: Inventory) -> Inventory:
        await inventory.register(name="fraud", version="7", digest=A, by=BY, author="person:alice", **RISK)
        await inventory.allow("fraud", "7", ["prod"], by=BY)
        await inventory.register(name="tone", version="3", digest=B, by=BY, uris=["s3://tone", f"oci://r.io/tone@{B}"])
        await inventory.allow("tone", "3", ["prod"], by=BY)
        return inventory

    async def facts(self, inventory: Inventory, asked: Question) -> list[dict[str, FactGroup]]:
        found: list[dict[str, FactGroup]] = [{} for _ in asked.items["models"]]
        for group in await InventoryProvider(inventory).gather(asked):
            assert group.list_name == "models"
            assert group.observed_at <= asked.now
            found[group.index][group.group] = group
        return found

    async def allowance(
        self, inventory: Inventory, *items: dict[str, Any], environment: str = "prod"
    ) -> tuple[Any, Any]:
        [facts] = await self.facts(inventory, question(*items, environment=environment))
        values = facts["allowance"].values
        return values["digest_known"], values["digest_allowed"]

    async def test_a_versioned_reference(self, registered: Inventory) -> None:
        [facts] = await self.facts(registered, question(item("models:/fraud/7", A)))
        assert {name: dict(group.values) for name, group in facts.items()} == {
            "registration": {"registered": True, "matches": 1, "name": "fraud", "version": "7"},
            "allowance": {"digest_known": True, "digest_allowed": True},
            "authorship": {"author": "person:alice"},
            "risk": RISK,
        }
        assert {group.about for group in facts.values()} == {A}
        assert facts["allowance"].observed_at > facts["registration"].observed_at

    async def test_another_environment(self, registered: Inventory) -> None:
        assert await self.allowance(registered, item("models:/fraud/7", A), environment="staging") == (True, False)

    async def test_a_claim_that_equals_the_registered_digest(self, registered: Inventory) -> None:
        assert await self.allowance(registered, item("s3://tone", B)) == (True, True)
        assert await self.allowance(registered, item(f"oci://r.io/tone@{B}", B)) == (True, True)

    async def test_without_a_claim_a_place_stands_for_no_digest(self, registered: Inventory) -> None:
        [facts] = await self.facts(registered, question(item("s3://tone")))
        assert facts["registration"].values["registered"] is True
        assert facts["registration"].about == "s3://tone"
        assert facts["allowance"].values == {"digest_known": False, "digest_allowed": False}

    @pytest.mark.parametrize(
        "asked",
        [
            item("s3://tone", A),
            item("models:/fraud/7", B),
            item("s3://evil", B),
            item("models:/fraud/9", A),
            item("x", A),
            item("s3://tone", B, also=("s3://evil",)),
            item("s3://evil", B, also=("s3://tone",)),
            item("models:/fraud@champion", A),
        ],
    )
    async def test_a_digest_vouches_for_no_other_uri(self, registered: Inventory, asked: dict[str, Any]) -> None:
        [facts] = await self.facts(registered, question(asked))
        assert facts["registration"].values == {"registered": False, "matches": 0}
        assert facts["allowance"].values == {"digest_known": False, "digest_allowed": False}
        assert facts.keys() == {"registration", "allowance"}

    async def test_the_id_counts_beside_the_uris(self, registered: Inventory) -> None:
        lying = {"id": "s3://evil", "digest": B, "reference": {"uris": ["s3://tone"]}}
        assert await self.allowance(registered, lying) == (False, False)
        assert await self.allowance(registered, {"id": "models:/fraud/7", "digest": A}) == (True, True)

    async def test_a_claim_pins_no_alias(self, registered: Inventory) -> None:
        await registered.register(
            name="x", version="1", digest="sha256:" + "c" * 64, by=BY, uris=["models:/x@champion"]
        )
        await registered.allow("x", "1", ["prod"], by=BY)
        assert await self.allowance(registered, item("models:/x@champion", "sha256:" + "c" * 64)) == (False, False)

    async def test_two_versions_under_one_reference(self, registered: Inventory) -> None:
        await registered.register(name="tone", version="4", digest=A, by=BY, uris=["s3://tone"])
        [facts] = await self.facts(registered, question(item("s3://tone")))
        assert facts["registration"].values == {"registered": False, "matches": 2}

    async def test_two_names_of_two_versions(self, registered: Inventory) -> None:
        [facts] = await self.facts(registered, question(item("models:/fraud/7", None, also=("s3://tone",))))
        assert facts["registration"].values == {"registered": False, "matches": 2}

    async def test_a_withdrawn_version(self, registered: Inventory) -> None:
        await registered.withdraw("fraud", "7", by=BY)
        assert await self.allowance(registered, item("models:/fraud/7", A)) == (False, False)

    async def test_facts_stay_with_their_item(self, registered: Inventory) -> None:
        first, second = await self.facts(registered, question(item("s3://nothing"), item("models:/fraud/7", A)))
        assert first["registration"].values["registered"] is False
        assert second["registration"].values["registered"] is True

    async def test_half_of_the_risk_factors_is_none(self, registered: Inventory) -> None:
        await registered.register(name="half", version="1", digest=A, by=BY, exposure="internal", autonomy="advisory")
        [facts] = await self.facts(registered, question(item("models:/half/1", A)))
        assert "risk" not in facts
        assert "authorship" not in facts


class TestDeployments:
    def decision(self) -> Decision:
        now = datetime.now(UTC)
        return Decision.model_validate(
            {
                "id": "dec_" + "0" * 26,
                "outcome": "allow",
                "reason": "compliant",
                "message": "m",
                "received_at": now,
                "decided_at": now,
            }
        )

    async def test_what_was_deployed_survives_a_restart(self, opened: tuple[Database, Ledger]) -> None:
        deployments = Deployments.load(opened[0], Moments())
        assert deployments.known("ns/deployments.apps/a") is None
        for version in (1, 2, 2):
            await deployments.remember("ns/deployments.apps/a", {"facts": {"v": version}}, self.decision())
        again = Deployments.load(opened[0], Moments())
        assert again.known("ns/deployments.apps/a") == deployments.known("ns/deployments.apps/a") == {"facts": {"v": 2}}
        assert again.known("ns/deployments.apps/b") is None
