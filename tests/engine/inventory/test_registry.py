from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import NotFoundError, RefusedError
from proctor.inventory.datasets import Datasets
from proctor.inventory.models import Inventory
from proctor.inventory.provider import InventoryProvider
from proctor.inventory.records import ModelVersion
from proctor.inventory.registry import Registry
from proctor.plugins import DatasetFact, FactGroup, Question, RegisteredVersion
from proctor.settings import PurposeSettings
from proctor.vocabulary.datasets import canonical
from proctor.vocabulary.principal import Actor, PrincipalKind
from proctor.vocabulary.words import EvidenceTier
from tests.engine.identity.stores import START, Stores, stores

GATE, ALICE, BOB = "service:00000000000009a7", "person:00000000000a11ce", "person:0000000000000b0b"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PAYMENTS = canonical("s3://lake", "payments")
MODEL = "models:/m-" + "7" * 32
URIS = ("models:/fraud/7", MODEL)
HASHED_AT = START + timedelta(minutes=5)


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


class Parts:
    def __init__(self, at: Stores) -> None:
        self.at = at
        self.inventory = Inventory.load(at.database, at.ledger, at.hands.now)
        self.datasets = Datasets.load(at.database, at.ledger, at.hands.now)
        self.purposes = {"fraud": PurposeSettings(exposure="internal", autonomy="supervised")}
        self.registry = Registry(self.inventory, self.datasets, lambda: self.purposes)

    async def sensitive(self, data_class: str, minutes: int = 0) -> None:
        values = {"personal": True, "special": False, "data_class": data_class}
        moment = START + timedelta(minutes=minutes)
        known = (PAYMENTS.namespace, PAYMENTS.name, "sensitivity", values, moment, "x:y", EvidenceTier.OBSERVED)
        await self.datasets.record([DatasetFact(*known)])

    async def facts(self, uri: str, digest: str | None = None) -> dict[str, FactGroup]:
        item = {"id": uri} | ({"digest": digest} if digest else {})
        actor = Actor(ALICE, PrincipalKind.PERSON, "mlflow")
        now = START + timedelta(days=1)
        asked = Question("deployment", "deploy", "prod", None, actor, B, {"models": [item]}, now)
        return {group.group: group for group in await InventoryProvider(self.inventory).gather(asked)}

    def reloaded(self) -> ModelVersion:
        return Inventory.load(self.at.database, self.at.ledger, self.at.hands.now).get("fraud", "7")


@pytest.fixture
def parts(at: Stores) -> Parts:
    return Parts(at)


def version(**changes: Any) -> RegisteredVersion:
    known: dict[str, Any] = {
        "name": "fraud", "version": "7", "digest": A, "uris": URIS, "unsafe_files": ["b.pkl", "a.pkl"], "files": 4,
        "observed_at": HASHED_AT, "author": ALICE, "purpose": "fraud", "datasets": [PAYMENTS.urn],
    }  # fmt: skip
    return RegisteredVersion(**known | changes)


async def test_a_version_is_registered_with_what_its_purpose_and_data_amount_to(parts: Parts) -> None:
    await parts.sensitive("personal")
    await parts.registry.register(version(), GATE)
    found = parts.inventory.get("fraud", "7")
    assert found == parts.reloaded()
    assert (found.digest, found.uris, found.author, found.purpose) == (A, URIS, ALICE, "fraud")
    assert (found.exposure, found.autonomy, found.data_class) == ("internal", "supervised", "personal")
    assert (found.files, found.unsafe_files, found.hashed_at) == (4, ("a.pkl", "b.pkl"), HASHED_AT)
    assert (found.datasets, found.registered_by) == ((PAYMENTS.urn,), GATE)


async def test_what_is_not_known_of_it_stays_unknown(parts: Parts) -> None:
    await parts.registry.register(version(purpose="churn", author=None), GATE)
    found = parts.inventory.get("fraud", "7")
    assert (found.exposure, found.autonomy, found.data_class, found.author) == (None, None, None, None)
    assert not {"risk", "authorship"} & (await parts.facts("models:/fraud/7", A)).keys()


async def test_the_same_digest_confirms_and_what_was_true_then_stays(parts: Parts) -> None:
    await parts.sensitive("internal")
    await parts.registry.register(version(), GATE)
    await parts.registry.allow("fraud", "7", ["prod"], ALICE)
    first = parts.inventory.get("fraud", "7")
    await parts.sensitive("special", 1)
    parts.purposes["fraud"] = PurposeSettings(exposure="public", autonomy="autonomous")
    parts.at.hands.advance(60)
    await parts.registry.register(version(observed_at=HASHED_AT + timedelta(hours=1)), GATE)
    again = parts.inventory.get("fraud", "7")
    assert again == parts.reloaded()
    assert (again.exposure, again.autonomy, again.data_class) == ("internal", "supervised", "internal")
    assert again.allowances == first.allowances
    assert (again.id, again.hashed_at) == (first.id, HASHED_AT + timedelta(hours=1))
    assert again.registered_at > first.registered_at


async def test_other_files_are_refused_and_change_nothing(parts: Parts) -> None:
    await parts.registry.register(version(), GATE)
    first = parts.inventory.get("fraud", "7")
    with pytest.raises(RefusedError, match="another digest") as refused:
        await parts.registry.register(version(digest=B), GATE)
    assert refused.value.status == 409
    assert parts.inventory.get("fraud", "7") == parts.reloaded() == first


async def test_hashing_adds_what_was_not_known_when_only_a_digest_was_stated(parts: Parts) -> None:
    await parts.inventory.register(name="fraud", version="7", digest=A, by=BOB, exposure="public")
    await parts.inventory.allow("fraud", "7", ["prod"], by=BOB)
    assert not parts.registry.hashed("fraud", "7")
    await parts.sensitive("personal")
    await parts.registry.register(version(), GATE)
    found = parts.inventory.get("fraud", "7")
    assert found == parts.reloaded()
    assert (found.author, found.purpose, found.files) == (ALICE, "fraud", 4)
    assert (found.exposure, found.autonomy, found.data_class) == ("public", "supervised", "personal")
    assert (found.registered_by, found.environments, found.uris) == (BOB, ("prod",), URIS)
    assert parts.inventory.digest_for(MODEL) == A
    await parts.registry.register(version(author=None, purpose=None, uris=URIS[:1]), GATE)
    assert parts.inventory.get("fraud", "7").author == ALICE, "not to know is no contradiction"


async def test_hashing_contradicts_nothing_that_was_stated(parts: Parts) -> None:
    await parts.inventory.register(name="fraud", version="7", digest=A, by=BOB, author=BOB)
    with pytest.raises(RefusedError, match="another author") as refused:
        await parts.registry.register(version(), GATE)
    assert refused.value.status == 409
    assert parts.reloaded().files is None


async def test_hashing_takes_no_uri_from_another_version(parts: Parts) -> None:
    await parts.inventory.register(name="fraud", version="7", digest=A, by=BOB)
    await parts.inventory.register(name="other", version="1", digest=B, by=BOB, uris=[MODEL])
    with pytest.raises(RefusedError, match="is registered under it"):
        await parts.registry.register(version(), GATE)
    assert parts.inventory.digest_for(MODEL) == B


async def test_only_what_was_hashed_is_verified(parts: Parts) -> None:
    await parts.registry.register(version(), GATE)
    facts = await parts.facts("models:/fraud/7", A)
    assert facts["artifact"].values == {"files": 4, "unsafe_files": ["a.pkl", "b.pkl"]}
    assert (facts["artifact"].tier, facts["artifact"].observed_at) == (EvidenceTier.VERIFIED, HASHED_AT)
    assert facts["purpose"].values == {"declared": "fraud"}
    assert {facts[name].tier for name in facts.keys() - {"artifact"}} == {None}, "as strong as the inventory itself"
    await parts.inventory.register(name="tone", version="1", digest=B, by=BOB)
    assert "artifact" not in await parts.facts("models:/tone/1", B)
    assert "artifact" not in await parts.facts("models:/fraud/7", B)


async def test_the_registry_answers_for_what_is_in_force(parts: Parts) -> None:
    assert parts.registry.digest("fraud", "7") is None
    assert parts.registry.allowed_in("fraud", "7") == ()
    with pytest.raises(NotFoundError):
        await parts.registry.allow("fraud", "7", ["prod"], ALICE)
    await parts.registry.register(version(), GATE)
    await parts.registry.allow("fraud", "7", ["prod"], ALICE)
    assert parts.registry.digest("fraud", "7") == A
    assert parts.registry.hashed("fraud", "7")
    assert tuple(parts.registry.allowed_in("fraud", "7")) == ("prod",)
    await parts.inventory.withdraw("fraud", "7", by=BOB)
    assert parts.registry.digest("fraud", "7") is None
    assert tuple(parts.registry.allowed_in("fraud", "7")) == ()
