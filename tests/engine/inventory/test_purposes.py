from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from proctor.inventory.datasets import Datasets
from proctor.inventory.models import Inventory
from proctor.inventory.provider import InventoryProvider
from proctor.inventory.purposes import PlannedRisk, PurposeFacts
from proctor.plugins import DatasetFact, FactGroup, FactProvider, Question
from proctor.settings import PurposeSettings
from proctor.vocabulary.datasets import Dataset, canonical
from proctor.vocabulary.principal import Actor, PrincipalKind
from proctor.vocabulary.words import EvidenceTier
from tests.engine.identity.stores import START, Stores, stores

BY = "service:localoperator"
PURPOSES = {"fraud": PurposeSettings(exposure="partner", autonomy="supervised")}
PAYMENTS, RATES = canonical("s3://lake", "payments"), canonical("s3://lake", "rates")
SUBJECT, DIGEST = "sha256:" + "5" * 64, "sha256:" + "a" * 64
NEW = "models:/fraud/new"


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


@pytest.fixture
def datasets(at: Stores) -> Datasets:
    return Datasets.load(at.database, at.ledger, at.hands.now)


@pytest.fixture
def planned(datasets: Datasets) -> PlannedRisk:
    return PlannedRisk(datasets, lambda: PURPOSES)


@pytest.fixture
def inventory(at: Stores) -> Inventory:
    return Inventory.load(at.database, at.ledger, at.hands.now)


async def told(
    datasets: Datasets, dataset: Dataset, data_class: str, tier: EvidenceTier = EvidenceTier.OBSERVED, minutes: int = 0
) -> None:
    values = {"personal": True, "special": False, "data_class": data_class}
    moment = START + timedelta(minutes=minutes)
    await datasets.record(
        [DatasetFact(dataset.namespace, dataset.name, "sensitivity", values, moment, "openlineage:x", tier)]
    )


def question(stage: str = "training", purpose: str | None = "fraud", uris: Sequence[str] = (NEW,)) -> Question:
    items: dict[str, Any] = {"datasets": [{"id": PAYMENTS.urn}, {"id": RATES.urn}]}
    if stage != "training":
        items["models"] = [{"id": uri} for uri in uris]
    actor = Actor("person:00000000000a11ce", PrincipalKind.PERSON, "api-key")
    return Question(stage, "promote", "prod", purpose, actor, SUBJECT, items, START + timedelta(hours=1))


async def risk(provider: FactProvider, asked: Question) -> list[FactGroup]:
    return [group for group in await provider.gather(asked) if group.group == "risk"]


async def test_a_run_has_the_factors_of_its_purpose_and_of_its_worst_dataset(
    datasets: Datasets, planned: PlannedRisk
) -> None:
    await told(datasets, PAYMENTS, "special", minutes=2)
    await told(datasets, RATES, "public", minutes=1)
    (group,) = await risk(PurposeFacts(planned), question())
    assert group.values == {"exposure": "partner", "autonomy": "supervised", "data_class": "special"}
    assert (group.list_name, group.about) == ("", SUBJECT)
    assert (group.observed_at, group.tier) == (START + timedelta(minutes=1), EvidenceTier.OBSERVED)


async def test_one_dataset_of_unknown_class_leaves_the_class_unknown(datasets: Datasets, planned: PlannedRisk) -> None:
    await told(datasets, PAYMENTS, "public")
    (group,) = await risk(PurposeFacts(planned), question())
    assert group.values == {"exposure": "partner", "autonomy": "supervised"}


@pytest.mark.parametrize("purpose", [None, "", "Fraud", "churn"])
async def test_nothing_is_known_of_a_purpose_that_nobody_configured(planned: PlannedRisk, purpose: str | None) -> None:
    assert await risk(PurposeFacts(planned), question(purpose=purpose)) == []


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (EvidenceTier.DECLARED, EvidenceTier.DECLARED),
        (EvidenceTier.OBSERVED, EvidenceTier.OBSERVED),
        (EvidenceTier.VERIFIED, EvidenceTier.OBSERVED),
    ],
)
async def test_it_is_as_weak_as_the_weakest_behind_it(
    datasets: Datasets, planned: PlannedRisk, said: EvidenceTier, counts: EvidenceTier
) -> None:
    await told(datasets, PAYMENTS, "public", said)
    await told(datasets, RATES, "public", EvidenceTier.VERIFIED)
    (group,) = await risk(PurposeFacts(planned), question())
    assert group.tier is counts


async def test_a_version_that_is_not_registered_yet_has_them_too(
    datasets: Datasets, planned: PlannedRisk, inventory: Inventory
) -> None:
    for dataset in (PAYMENTS, RATES):
        await told(datasets, dataset, "internal")
    provider = InventoryProvider(inventory, planned)
    (group,) = await risk(provider, question("registration"))
    assert group.values == {"exposure": "partner", "autonomy": "supervised", "data_class": "internal"}
    assert (group.list_name, group.index, group.about) == ("models", 0, NEW)
    assert group.tier is EvidenceTier.OBSERVED
    assert await risk(PurposeFacts(planned), question("registration")) == []


async def test_a_question_can_not_make_a_registered_version_milder(
    datasets: Datasets, planned: PlannedRisk, inventory: Inventory
) -> None:
    for dataset in (PAYMENTS, RATES):
        await told(datasets, dataset, "public")
    factors = {"exposure": "public", "autonomy": "autonomous", "data_class": "special"}
    await inventory.register(name="fraud", version="7", digest=DIGEST, by=BY, **factors)
    await inventory.register(name="fraud", version="8", digest="sha256:" + "b" * 64, by=BY)
    await inventory.register(name="fraud", version="9", digest="sha256:" + "c" * 64, by=BY, **factors)
    await inventory.withdraw("fraud", "9", by=BY)
    uris = ("models:/fraud/7", "models:/fraud/8", "models:/fraud/9")
    provider = InventoryProvider(inventory, planned)
    (only,) = await risk(provider, question("registration", uris=uris))
    assert (only.index, dict(only.values)) == (0, factors), "the others: not declared, and withdrawn"


@pytest.mark.parametrize("stage", ["deployment", "runtime"])
async def test_what_runs_without_being_registered_has_no_known_risk(
    datasets: Datasets, planned: PlannedRisk, inventory: Inventory, stage: str
) -> None:
    for dataset in (PAYMENTS, RATES):
        await told(datasets, dataset, "public")
    assert await risk(InventoryProvider(inventory, planned), question(stage)) == []
