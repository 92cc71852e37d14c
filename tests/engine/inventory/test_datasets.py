from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from proctor.errors import RefusedError
from proctor.inventory.catalog import CatalogFacts
from proctor.inventory.datasets import Datasets
from proctor.plugins import DatasetFact, LineageEdge, Question
from proctor.store.tables import lineage_edges
from proctor.vocabulary.datasets import canonical
from proctor.vocabulary.principal import Actor, PrincipalKind
from proctor.vocabulary.words import EvidenceTier
from tests.engine.identity.stores import START, Stores, stores

PAYMENTS = canonical("s3://lake", "payments")
BY = "service:localoperator"


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


def load(at: Stores) -> Datasets:
    return Datasets.load(at.database, at.ledger, at.hands.now)


def fact(group: str, values: Mapping[str, Any] | None, minutes: int = 0, **changes: Any) -> DatasetFact:
    known: dict[str, Any] = {
        "namespace": PAYMENTS.namespace, "name": PAYMENTS.name, "group": group, "values": values,
        "observed_at": START + timedelta(minutes=minutes), "source": "openlineage:service:x",
        "tier": EvidenceTier.OBSERVED,
    }  # fmt: skip
    return DatasetFact(**known | changes)


PERSONAL = {"personal": True, "special": False, "data_class": "personal"}


async def test_the_newest_word_wins_and_survives_a_restart(at: Stores) -> None:
    register = load(at)
    await register.record([fact("licence", {"licence": "MIT"}, 2)])
    await register.record([fact("licence", {"licence": "GPL"}, 1)])
    for found in (register, load(at)):
        known = found.known(PAYMENTS.urn)
        assert known is not None
        assert known["licence"].values == {"licence": "MIT"}
        assert known["licence"].observed_at == START + timedelta(minutes=2)
    await register.record([fact("licence", None, 3)])
    known = load(at).known(PAYMENTS.urn)
    assert known is not None
    assert known["licence"].values is None


async def test_only_changes_are_recorded_and_told(at: Stores) -> None:
    register = load(at)
    told: list[frozenset[str]] = []
    register.on_change = told.append
    await register.record([fact("licence", {"licence": "MIT"}), fact("sensitivity", PERSONAL)])
    size = at.ledger.head().size
    await register.record([fact("licence", {"licence": "MIT"}, 5), fact("legal", None)])
    assert at.ledger.head().size == size
    assert told == [frozenset({PAYMENTS.urn})]


async def test_the_ledger_holds_no_owners_name(at: Stores) -> None:
    await load(at).record([fact("ownership", {"owners": ["olga@example.com"]})])
    (entry,) = at.ledger.recent("dataset", 10)
    assert "olga" not in str(entry.record)
    assert entry.record["group"] == "ownership"


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("nonsense", {}),
        ("licence", {}),
        ("licence", {"licence": ""}),
        ("licence", {"licence": "MIT", "more": 1}),
        ("ownership", {"owners": [""]}),
        ("sensitivity", {"personal": "yes and no", "special": False, "data_class": "personal"}),
    ],
)
async def test_what_the_vocabulary_does_not_have_is_refused_and_nothing_is_recorded(
    at: Stores, group: str, values: dict[str, Any]
) -> None:
    register = load(at)
    with pytest.raises(RefusedError):
        await register.record([fact("licence", {"licence": "MIT"}), fact(group, values)])
    assert register.known(PAYMENTS.urn) is None


async def test_the_class_of_several_is_the_most_sensitive_with_the_weakest_tier(at: Stores) -> None:
    register = load(at)
    other = canonical("s3://lake", "public-rates")
    public = {"personal": False, "special": False, "data_class": "public"}
    await register.record(
        [
            fact("sensitivity", PERSONAL, 1),
            fact("sensitivity", public, 0, name=other.name, tier=EvidenceTier.DECLARED),
        ]
    )
    assert register.data_class([PAYMENTS.urn, other.urn]) == ("personal", EvidenceTier.DECLARED, START)
    assert register.data_class([PAYMENTS.urn, "urn:ol:x:unknown"]) is None
    assert register.data_class([]) is None


async def test_edges_keep_the_newest_run(at: Stores) -> None:
    register = load(at)
    ends = ("postgres://db:5432", "bank.public.t"), (PAYMENTS.namespace, PAYMENTS.name)
    await register.connect([LineageEdge(*ends, "etl/load", "run-2", START)])
    await register.connect([LineageEdge(*ends, "etl/load", "run-1", START - timedelta(hours=1))])
    (row,) = at.database.read(select(lineage_edges))
    assert row.run == "run-2"


def question(*urns: str) -> Question:
    return Question(
        stage="training", operation="train", environment="dev", purpose="fraud",
        actor=Actor("person:0123456789abcdef", PrincipalKind.PERSON, "api-key"), subject_digest="sha256:1",
        items={"datasets": [{"id": urn, "digest": f"sha256:{i}"} for i, urn in enumerate(urns)]}, now=START,
    )  # fmt: skip


async def groups(at: Stores, register: Datasets, *urns: str) -> dict[tuple[int, str], Any]:
    people = at.register()
    await people.load()
    found = await CatalogFacts(register, people).gather(question(*urns))
    return {(group.index, group.group): group for group in found}


async def test_an_owner_counts_while_somebody_is_active_behind_the_name(at: Stores) -> None:
    register, people = load(at), at.register()
    olga = await people.add(PrincipalKind.PERSON, "Olga", [], [], BY)
    await people.link(olga.id, "catalog", "team:payments", BY)
    await register.record([fact("ownership", {"owners": ["team:payments", "team:nobody"]})])
    found = (await groups(at, register, PAYMENTS.urn))[0, "ownership"]
    assert found.values == {"owners": ["team:payments", "team:nobody"], "active_owners": [olga.id]}
    assert (found.about, found.source, found.tier) == ("sha256:0", "openlineage:service:x", EvidenceTier.OBSERVED)
    await people.deactivate(olga.id, BY)
    found = (await groups(at, register, PAYMENTS.urn))[0, "ownership"]
    assert found.values["active_owners"] == []


async def test_another_basis_than_consent_needs_none_unless_the_catalog_says_so(at: Stores) -> None:
    register = load(at)
    await register.record([fact("legal", {"basis": "contract"}, tier=EvidenceTier.DECLARED)])
    found = (await groups(at, register, PAYMENTS.urn))[0, "consent"]
    assert found.values == {"status": "not-required", "purposes": [], "withdrawn": 0}
    assert found.tier is EvidenceTier.DECLARED, "as weak as what it follows from"
    await register.record([fact("legal", {"basis": "consent"}, 1)])
    assert (0, "consent") not in await groups(at, register, PAYMENTS.urn)
    stated = {"status": "withdrawn", "purposes": [], "withdrawn": 3}
    await register.record([fact("legal", {"basis": "contract"}, 2), fact("consent", stated, 2)])
    assert (await groups(at, register, PAYMENTS.urn))[0, "consent"].values["status"] == "withdrawn"


async def test_that_a_dataset_is_unknown_is_known_and_nothing_else(at: Stores) -> None:
    found = await groups(at, load(at), PAYMENTS.urn)
    assert set(found) == {(0, "catalog")}
    assert found[0, "catalog"].values == {"known": False, "confidence": "none"}


async def test_a_dropped_dataset_is_known_no_longer(at: Stores) -> None:
    register = load(at)
    await register.record([fact("catalog", {"known": True, "confidence": "exact"})])
    assert (await groups(at, register, PAYMENTS.urn))[0, "catalog"].values["known"] is True
    await register.record([fact("catalog", None, 1)])
    assert (await groups(at, register, PAYMENTS.urn))[0, "catalog"].values["known"] is False
