from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.vocabulary.datasets import canonical
from proctor.vocabulary.words import EvidenceTier
from proctor_adapters.openlineage import translate as module
from proctor_adapters.openlineage.translate import Heard, translate
from tests.adapters.openlineage.builders import ALL, NOW, SOURCE, dataset, dataset_event, run_event, tags

OWN = f"{SOURCE}#proctor_governance"


def said(event: dict[str, Any], asserts: frozenset[str] = ALL) -> dict[tuple[str, str], Any]:
    """Return values by group and source."""
    return {(fact.group, fact.source): fact.values for fact in translate(event, SOURCE, asserts).facts}


def test_a_fact_is_of_the_canonical_dataset_at_the_events_time_from_whoever_said_it() -> None:
    event = dataset_event(dataset("/payments/", "s3a://Lake", tags=tags(licence="MIT")), minutes=-60)
    (fact,) = [fact for fact in translate(event, SOURCE, ALL).facts if fact.group == "licence"]
    assert (fact.namespace, fact.name) == ("s3://lake", "payments")
    assert (fact.observed_at, fact.source) == (NOW - timedelta(hours=1), SOURCE)
    assert (fact.values, fact.tier) == ({"licence": "MIT"}, EvidenceTier.OBSERVED)


def test_what_the_key_may_not_assert_there_is_declared() -> None:
    limited = frozenset({"datasets/*/licence", "datasets/*/legal@s3://lake", "datasets/*/catalog@s3://other"})
    event = dataset_event(tags=tags(licence="MIT", lawful_basis="consent", pii="true"))
    tiers = {fact.group: fact.tier for fact in translate(event, SOURCE, limited).facts if fact.values is not None}
    observed, declared = EvidenceTier.OBSERVED, EvidenceTier.DECLARED
    assert tiers == {"licence": observed, "legal": observed, "catalog": declared, "sensitivity": declared}


def test_a_mention_says_that_the_dataset_is_known_and_touches_nothing_else() -> None:
    mention = run_event(inputs=[dataset()], outputs=[{"namespace": "s3://lake", "name": "out"}])
    assert {(fact.group, fact.name) for fact in translate(mention, SOURCE, ALL).facts} == {
        ("catalog", "payments"), ("catalog", "out"),
    }  # fmt: skip
    assert set(said(dataset_event(ownership={"owners": []}))) == {("catalog", SOURCE), ("ownership", SOURCE)}


def test_owners_are_named_and_what_names_nobody_is_left_out() -> None:
    owners = [{"name": "team:b"}, {"name": "team:a", "type": "MAINTAINER"}, {"name": " "}, {"name": 7}, {}, "x",
              {"name": "a\x00b"}]  # fmt: skip
    assert said(dataset_event(ownership={"owners": owners}))["ownership", SOURCE] == {"owners": ["team:a", "team:b"]}
    assert said(dataset_event(ownership={"owners": None}))["ownership", SOURCE] == {"owners": []}


def test_a_deleted_facet_takes_back_what_it_said() -> None:
    event = dataset_event(
        ownership={"_deleted": True, "owners": [{"name": "x"}]}, tags={"_deleted": True} | tags(pii="true")
    )
    found = said(event)
    assert found["ownership", SOURCE] is None
    assert found["sensitivity", SOURCE] is None
    assert ("sensitivity", OWN) not in found, "our own facet still holds"


def test_tags_that_are_no_longer_there_are_taken_back() -> None:
    found = said(dataset_event(tags=tags(pii="true")))
    assert found["sensitivity", SOURCE] is not None
    assert found["legal", SOURCE] is None


def test_each_of_two_facets_is_a_source_of_its_own() -> None:
    found = said(dataset_event(tags=tags(pii="true", licence="MIT"), proctor_governance={"lawful_basis": "contract"}))
    assert found["sensitivity", SOURCE] == {"personal": True, "special": False, "data_class": "personal"}
    assert found["sensitivity", OWN] is None
    assert (found["legal", SOURCE], found["legal", OWN]) == (None, {"basis": "contract"})
    alone = said(dataset_event(proctor_governance={"lawful_basis": "contract"}))
    assert ("sensitivity", SOURCE) not in alone, "the tags of an earlier event still hold"


@pytest.mark.parametrize(
    ("tagged", "own", "expected"),
    [
        (tags(pii="true"), {"pii": True}, True),
        (tags(pii="true"), {"pii": False}, None),
        (tags(("email", "pii", "true")), {"pii": False}, None),
        (tags(pii="perhaps"), {"pii": False}, None),
        (tags(pii="false"), {"pii": "perhaps"}, None),
    ],
)
def test_facets_that_disagree_prove_nothing(tagged: Any, own: Any, expected: bool | None) -> None:
    found = said(dataset_event(tags=tagged, proctor_governance=own))
    values = [found["sensitivity", source] for source in (SOURCE, OWN) if found["sensitivity", source] is not None]
    assert [value["personal"] for value in values] == ([] if expected is None else [expected])


def test_a_dropped_dataset_is_gone_with_all_that_was_said_of_it() -> None:
    found = said(dataset_event(lifecycleStateChange={"lifecycleStateChange": "DROP"}, tags=tags(pii="true")))
    assert set(found.values()) == {None}
    assert {group for group, _ in found} == {group.removeprefix("datasets/*/") for group in ALL}
    assert said(dataset_event(lifecycleStateChange={"lifecycleStateChange": "TRUNCATE"}))["catalog", SOURCE]


def test_a_renamed_dataset_is_gone_under_its_former_name_only() -> None:
    change = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "s3a://lake", "name": "/former"}}
    facts = translate(dataset_event(lifecycleStateChange=change), SOURCE, ALL).facts
    assert {fact.values is None for fact in facts if fact.name == "former"} == {True}
    assert [fact.group for fact in facts if fact.name == "payments" and fact.values] == ["catalog"]
    same = change | {"previousIdentifier": {"namespace": "s3a://lake", "name": "/payments/"}}
    assert said(dataset_event(lifecycleStateChange=same))["catalog", SOURCE] is not None


def test_other_names_come_from_symlinks_and_from_a_place_in_a_store() -> None:
    event = dataset_event(
        dataset(
            "bank.payments", "hive://metastore",
            symlinks={"identifiers": [
                {"namespace": "s3a://lake", "name": "/payments", "type": "LOCATION"},
                {"namespace": "hive://metastore:10000", "name": "bank.payments", "type": "TABLE"},
                {"namespace": "", "name": "x"}, {"name": "y"}, "z",
            ]},
            dataSource={"name": "lake", "uri": "s3://lake/warehouse/payments"},
        )
    )  # fmt: skip
    found = {said.source: said.aliases for said in translate(event, SOURCE, ALL).aliases}
    assert found == {
        f"{SOURCE}#symlinks": (("s3://lake", "payments"),),
        f"{SOURCE}#dataSource": (("s3://lake", "warehouse/payments"),),
    }


@pytest.mark.parametrize(
    "uri", ["postgres://db:5432/bank", "s3://lake", "", None, 7, "jdbc:hive2://h/x", "s3://lake/ "]
)
def test_a_server_that_many_datasets_share_is_nobodys_other_name(uri: Any) -> None:
    (said,) = translate(dataset_event(dataSource={"name": "x", "uri": uri}), SOURCE, ALL).aliases
    assert said.aliases == ()


def test_symlinks_that_are_gone_are_taken_back() -> None:
    for facet in ({"identifiers": []}, {"identifiers": None}, {"_deleted": True}):
        (said,) = translate(dataset_event(symlinks=facet), SOURCE, ALL).aliases
        assert said.aliases == ()
    assert translate(dataset_event(), SOURCE, ALL).aliases == []


def test_only_whoever_knows_both_names_joins_them() -> None:
    link = {"identifiers": [{"namespace": "s3://vault", "name": "secrets", "type": "x"}]}
    assert translate(dataset_event(symlinks=link), SOURCE, frozenset()).aliases == []
    here = frozenset({"datasets/*/catalog@s3://lake"})
    (said,) = translate(dataset_event(symlinks=link), SOURCE, here).aliases
    assert said.aliases == ()
    (said,) = translate(dataset_event(symlinks=link), SOURCE, here | {"datasets/*/catalog@s3://vault"}).aliases
    assert said.aliases == (("s3://vault", "secrets"),)


def test_what_can_not_be_taken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DATASETS", 3)
    monkeypatch.setattr(module, "MAX_EDGES", 2)
    heard = translate(run_event([dataset(f"in-{i}") for i in range(3)] + [dataset("")], [dataset("out")]), SOURCE, ALL)
    assert len(heard.edges) == 2
    assert len(heard.left_out) == 2
    (left_out,) = translate(dataset_event(dataset("a\x00b")), SOURCE, ALL).left_out
    assert "name nothing" in left_out


def test_thousands_of_inputs_and_outputs_do_not_take_long() -> None:
    many = [dataset(f"d-{number}") for number in range(1000)]
    heard = translate(run_event(many, many), SOURCE, frozenset(f"datasets/*/catalog@s3://b{i}" for i in range(20)))
    assert len(heard.edges) == module.MAX_EDGES
    assert len(heard.facts) == 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("aDROP.:/", max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["tags", "owners", "key", "value", "field", "fields", "inputs", "inputFields", "identifiers",
                         "namespace", "name", "facets", "uri", "lifecycleStateChange", "previousIdentifier"]),
        inner, max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip
FACETS = st.dictionaries(
    st.sampled_from(["ownership", "tags", "symlinks", "dataSource", "lifecycleStateChange", "lineage", "columnLineage",
                     "proctor_governance", "schema", "version"]),
    JSON, max_size=5,
)  # fmt: skip


@given(FACETS, JSON, JSON)
def test_whatever_facets_hold_an_event_translates_and_proves_no_more_than_it_says(
    facets: Any, read: Any, job: Any
) -> None:
    event = run_event(outputs=[dataset("out") | {"facets": facets}], inputs=read) | {
        "job": {"namespace": "n", "name": "j", "facets": job}
    }
    heard = translate(event, SOURCE, ALL)
    assert isinstance(heard, Heard)
    for fact in heard.facts:
        assert canonical(fact.namespace, fact.name).urn
        assert (
            fact.values is None
            or fact.group in {"catalog", "ownership"}
            or {"tags", "proctor_governance"} & set(facets)
        )
