from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from proctor.errors import LedgerError, RefusedError
from proctor.inventory.aliases import MAX_NAMES
from proctor.inventory.catalog import CatalogFacts
from proctor.inventory.datasets import Datasets
from proctor.plugins import DatasetAliases, DatasetFact, LineageEdge, Question
from proctor.store.tables import dataset_facts, lineage_edges
from proctor.vocabulary.datasets import Dataset, canonical
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


# --- Whose word counts ------------------------------------------------------------------------------------------------

DECLARED = {"source": "openlineage:service:job", "tier": EvidenceTier.DECLARED}
OTHER = {"source": "openlineage:service:other"}


def licence(register: Datasets) -> Any:
    return register.facts(PAYMENTS.urn)["licence"].values


async def test_a_weaker_word_of_somebody_else_never_pushes_a_stronger_one_aside(at: Stores) -> None:
    register = load(at)
    await register.record(
        [fact("licence", {"licence": "MIT"}, 1), fact("catalog", {"known": True, "confidence": "exact"})]
    )
    await register.record(
        [
            fact("licence", {"licence": "GPL"}, 9, **DECLARED),
            fact("licence", None, 9, **DECLARED),
            fact("catalog", {"known": True, "confidence": "exact"}, 9, **DECLARED),
            fact("catalog", None, 9, **DECLARED),
        ]
    )
    assert licence(register) == {"licence": "MIT"}
    assert register.facts(PAYMENTS.urn)["catalog"].tier is EvidenceTier.OBSERVED


async def test_a_stronger_word_counts_although_a_weaker_one_claims_to_be_newer(at: Stores) -> None:
    register = load(at)
    await register.record([fact("licence", {"licence": "GPL"}, 9, **DECLARED)])
    await register.record([fact("licence", {"licence": "MIT"}, 1)])
    assert licence(register) == {"licence": "MIT"}


async def test_a_source_that_may_say_less_than_it_could_replaces_its_own_word(at: Stores) -> None:
    register = load(at)
    await register.record([fact("licence", {"licence": "MIT"}, 1)])
    await register.record([fact("licence", {"licence": "MIT"}, 2, tier=EvidenceTier.DECLARED)])
    assert register.facts(PAYMENTS.urn)["licence"].tier is EvidenceTier.DECLARED


async def test_only_whoever_said_it_takes_it_back(at: Stores) -> None:
    register = load(at)
    await register.record([fact("licence", {"licence": "MIT"}, 1)])
    await register.record([fact("licence", None, 2, **OTHER)])
    assert licence(register) == {"licence": "MIT"}
    await register.record([fact("licence", None, 3)])
    assert "licence" not in register.facts(PAYMENTS.urn)


async def test_that_a_dataset_is_gone_may_be_said_by_whoever_may_say_that_it_is_there(at: Stores) -> None:
    register = load(at)
    await register.record([fact("catalog", {"known": True, "confidence": "exact"})])
    await register.record([fact("catalog", None, 1, **OTHER)])
    assert (await groups(at, register, PAYMENTS.urn))[0, "catalog"].values["known"] is False


async def test_what_is_said_again_is_as_of_now_and_no_news(at: Stores) -> None:
    register = load(at)
    await register.record([fact("licence", {"licence": "MIT"}, 1)])
    size, told = at.ledger.head().size, list[frozenset[str]]()
    register.on_change = told.append
    await register.record([fact("licence", {"licence": "MIT"}, 9)])
    for found in (register, load(at)):
        assert found.facts(PAYMENTS.urn)["licence"].observed_at == START + timedelta(minutes=9)
    assert (at.ledger.head().size, told) == (size, [])
    await register.record([fact("licence", {"licence": "GPL"}, 5)])
    assert licence(register) == {"licence": "MIT"}, "it came late, and was overtaken"


async def test_a_word_that_was_taken_back_before_it_arrived_does_not_count(at: Stores) -> None:
    register = load(at)
    await register.record([fact("licence", None, 5), fact("catalog", None, 5)])
    for again in (register, load(at)):
        await again.record([fact("licence", {"licence": "MIT"}, 3), fact("catalog", KNOWN, 3, **OTHER)])
        assert again.facts(PAYMENTS.urn) == {}
    await register.record([fact("licence", {"licence": "MIT"}, 1, **OTHER)])
    assert licence(register) == {"licence": "MIT"}, "another source has taken nothing back"


async def test_of_two_words_in_one_batch_the_newer_counts_in_either_order(at: Stores) -> None:
    for order in (1, -1):
        register = load(at)
        name = f"both-{order}"
        words = [fact("licence", {"licence": text}, minute, name=name) for text, minute in (("MIT", 1), ("GPL", 2))]
        await register.record(words[::order])
        urn = canonical(PAYMENTS.namespace, name).urn
        assert register.facts(urn)["licence"].values == {"licence": "GPL"}
        assert load(at).facts(urn)["licence"].values == {"licence": "GPL"}


async def test_what_the_ledger_did_not_take_is_not_known_and_can_be_said_again(at: Stores) -> None:
    class Refusing:
        refused = True

        async def append(self, entry: Any, *, also: Any = ()) -> object:
            if self.refused and entry.record.get("group", "edges") in {"licence", "edges"}:
                raise LedgerError("recording", "the disk is full")
            return await at.ledger.append(entry, also=also)

    ledger = Refusing()
    register = Datasets.load(at.database, ledger, at.hands.now)
    told: list[frozenset[str]] = []
    register.on_change = told.append
    facts = [fact("licence", {"licence": "MIT"}), fact("sensitivity", PERSONAL)]
    edge = LineageEdge(("postgres://db:5432", "t"), (PAYMENTS.namespace, PAYMENTS.name), "etl/load", "run", START)
    with pytest.raises(LedgerError):
        await register.record(facts)
    with pytest.raises(LedgerError):
        await register.connect([edge])
    assert set(register.facts(PAYMENTS.urn)) == set(load(at).facts(PAYMENTS.urn)) == {"sensitivity"}
    assert told == [frozenset({PAYMENTS.urn})]
    ledger.refused = False
    await register.record(facts)
    await register.connect([edge])
    assert licence(load(at)) == {"licence": "MIT"}
    assert len(at.database.read(select(lineage_edges))) == 1


async def test_the_ledger_names_owners_as_it_names_people(at: Stores) -> None:
    register = Datasets.load(at.database, at.ledger, at.hands.now, lambda owner: f"shown-{len(owner)}")
    await register.record([fact("ownership", {"owners": ["olga@example.com", "team:x"]})])
    (entry,) = at.ledger.recent("dataset", 10)
    assert entry.record["owners"] == ["shown-16", "shown-6"]
    assert "olga" not in str(entry.record)


# --- Other names ------------------------------------------------------------------------------------------------------

TABLE = canonical("hive://metastore", "bank.payments")


def named(
    *aliases: Dataset, minutes: int = 0, of: Dataset = TABLE, source: str = "openlineage:service:x"
) -> DatasetAliases:
    names = [(alias.namespace, alias.name) for alias in aliases]
    return DatasetAliases(of.namespace, of.name, names, START + timedelta(minutes=minutes), source)


def of_table(group: str, values: Mapping[str, Any] | None, minutes: int = 0, **changes: Any) -> DatasetFact:
    return fact(group, values, minutes, namespace=TABLE.namespace, name=TABLE.name, **changes)


KNOWN = {"known": True, "confidence": "exact"}


async def test_a_dataset_is_known_by_its_other_names_and_says_so(at: Stores) -> None:
    register = load(at)
    told: list[frozenset[str]] = []
    await register.record([of_table("catalog", KNOWN), of_table("legal", {"basis": "contract"})])
    register.on_change = told.append
    await register.link([named(PAYMENTS)])
    assert told == [frozenset({PAYMENTS.urn, TABLE.urn})]
    for found in (register, load(at)):
        facts = found.facts(PAYMENTS.urn)
        assert facts["catalog"].values == {"known": True, "confidence": "alias"}
        assert facts["legal"].values == {"basis": "contract"}
        assert found.facts(TABLE.urn)["catalog"].values == KNOWN
    await register.record([of_table("legal", {"basis": "consent"}, 1)])
    assert told[-1] == frozenset({PAYMENTS.urn, TABLE.urn}), "who rests on either name is judged again"


async def test_a_dataset_is_as_sensitive_as_under_its_worst_name(at: Stores) -> None:
    public = {"personal": False, "special": False, "data_class": "public"}
    for mild, bad in ((TABLE, PAYMENTS), (PAYMENTS, TABLE)):
        register = load(at)
        for dataset, values in ((mild, public), (bad, PERSONAL)):
            await register.record([fact("sensitivity", values, 5, namespace=dataset.namespace, name=dataset.name)])
        await register.link([named(PAYMENTS)])
        for urn in (PAYMENTS.urn, TABLE.urn):
            assert register.facts(urn)["sensitivity"].values == PERSONAL
            assert register.data_class([urn]) == ("personal", EvidenceTier.OBSERVED, START + timedelta(minutes=5))


async def test_a_name_that_the_catalog_no_longer_gives_is_taken_back_by_it_alone(at: Stores) -> None:
    register = load(at)
    await register.record([of_table("catalog", KNOWN)])
    await register.link([named(PAYMENTS, minutes=5)])
    await register.link([named(minutes=9, source="openlineage:service:other"), named(minutes=4)])
    assert "catalog" in register.facts(PAYMENTS.urn)
    await register.link([named(minutes=6)])
    for found in (register, load(at)):
        assert "catalog" not in found.facts(PAYMENTS.urn)
        assert found.names(TABLE.urn) == (TABLE.urn,)


async def test_a_name_that_points_at_itself_or_round_in_a_circle_is_harmless(at: Stores) -> None:
    register = load(at)
    await register.record([of_table("catalog", KNOWN)])
    folded = Dataset(TABLE.namespace, TABLE.name.upper())
    await register.link([named(TABLE, folded), named(PAYMENTS), named(TABLE, of=PAYMENTS)])
    assert register.facts(TABLE.urn)["catalog"].values == KNOWN
    assert set(register.names(PAYMENTS.urn)) - {folded.urn} == {PAYMENTS.urn, TABLE.urn}


async def test_a_set_of_names_has_a_limit_and_the_rest_of_the_catalogs_word_counts(at: Stores) -> None:
    register = load(at)
    many = [canonical("s3://lake", f"part-{number:02}") for number in range(MAX_NAMES + 3)]
    with pytest.raises(RefusedError, match=f"more than {MAX_NAMES}"):
        await register.link([named(*many)])
    assert len(register.names(TABLE.urn)) == MAX_NAMES
    assert len(load(at).names(TABLE.urn)) == MAX_NAMES


async def test_two_sets_that_are_small_alone_are_not_joined_into_one_that_is_too_large(at: Stores) -> None:
    register = load(at)
    one = [canonical("s3://lake", f"one-{number}") for number in range(MAX_NAMES - 2)]
    other = [canonical("s3://lake", f"other-{number}") for number in range(MAX_NAMES - 2)]
    await register.link([named(*one), named(*other, of=PAYMENTS)])
    with pytest.raises(RefusedError):
        await register.link([named(*one, PAYMENTS)])
    assert PAYMENTS.urn not in register.names(TABLE.urn)


async def test_spellings_that_the_platform_does_not_tell_apart_are_one_dataset(at: Stores) -> None:
    register = load(at)
    await register.record([of_table("catalog", KNOWN)])
    shouted = Dataset(TABLE.namespace, "BANK.Payments")
    assert register.facts(shouted.urn)["catalog"].values == {"known": True, "confidence": "alias"}
    other = Dataset(PAYMENTS.namespace, PAYMENTS.name.upper())
    await register.record([fact("catalog", KNOWN)])
    assert register.facts(other.urn) == {}


async def test_a_text_that_is_no_name_is_an_unknown_dataset(at: Stores) -> None:
    found = await groups(at, load(at), "payments.csv")
    assert found[0, "catalog"].values == {"known": False, "confidence": "none"}


async def test_an_edge_that_is_drawn_again_is_no_news_for_the_ledger_and_survives_a_restart(at: Stores) -> None:
    ends = ("postgres://db:5432", "bank.public.t"), (PAYMENTS.namespace, PAYMENTS.name)
    await load(at).connect([LineageEdge(*ends, "etl/load", "run-1", START)])
    size = at.ledger.head().size
    register = load(at)
    await register.connect([LineageEdge(*ends, "etl/load", "run-0", START - timedelta(hours=1))])
    await register.connect([LineageEdge(*ends, "etl/load", "run-2", START + timedelta(hours=1))])
    assert at.ledger.head().size == size
    (row,) = at.database.read(select(lineage_edges))
    assert row.run == "run-2"
    assert at.database.read(select(dataset_facts)) == []
