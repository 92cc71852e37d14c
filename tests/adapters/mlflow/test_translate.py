"""Evidence from MLflow as facts: which measurement speaks, what a card lacks, and where data came from."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.errors import SettingsError
from proctor.vocabulary.datasets import canonical
from proctor_adapters.mlflow import translate
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.models import LoggedInput, Measurement, VersionEvidence
from tests.adapters.mlflow.doubles import DIGEST, NOW, FakePeople, measurement, version

SETTINGS = MlflowSettings.read({})
PAYMENTS = canonical("s3://lake", "payments")
CARD = {"headings": SETTINGS.card_sections, "at": NOW.isoformat()}


def resolve(user: str | None) -> Any:
    return FakePeople().resolve("mlflow", user or "")


ALICE = resolve("alice")


def model(settings: MlflowSettings = SETTINGS, **fields: Any) -> Any:
    evidence = VersionEvidence.model_validate(version(**fields))
    lineage = translate.lineage(evidence.inputs, frozenset())
    request, _ = translate.promoted(
        evidence, lineage, "fraud-detection", DIGEST, "alias:champion", "prod", resolve=resolve, settings=settings
    )
    assert request.facts.models
    return request.facts.models[0]


def logged(uri: str = "s3://lake/payments", **fields: Any) -> LoggedInput:
    return LoggedInput.model_validate({"name": "p", "source_type": "s3", "source": json.dumps({"uri": uri})} | fields)


def best(*measurements: dict[str, Any], metrics: tuple[str, ...] = ("accuracy", "roc_auc")) -> Measurement | None:
    return translate.best([Measurement.model_validate(one) for one in measurements], ALICE, resolve, metrics)


def test_what_somebody_else_measured_goes_before_what_the_author_did_whenever_that_was() -> None:
    later = (NOW + timedelta(days=1)).isoformat()
    assert best(measurement("victor", value=0.5), measurement("alice", value=0.9, at=later)).value == 0.5  # type: ignore[union-attr]


@pytest.mark.parametrize("user", ["mallory", None])
def test_what_nobody_known_measured_does_not_count_and_hides_nothing(user: str | None) -> None:
    later = (NOW + timedelta(days=1)).isoformat()
    assert best(measurement(user)) is None
    assert best(measurement("victor", value=0.5), measurement(user, at=later)).value == 0.5  # type: ignore[union-attr]


def test_a_loss_that_was_logged_last_does_not_stand_for_the_accuracy() -> None:
    later = (NOW + timedelta(seconds=1)).isoformat()
    assert best(measurement(metric="accuracy"), measurement(metric="loss", at=later)).metric == "accuracy"  # type: ignore[union-attr]
    assert best(measurement(metric="loss")) is None
    by_order = best(measurement(metric="accuracy"), measurement(metric="roc_auc", at=later))
    assert by_order is not None
    assert by_order.metric == "accuracy"


def test_the_newest_of_one_metric_speaks_also_when_it_is_worse() -> None:
    later = (NOW + timedelta(days=1)).isoformat()
    for order in (1, -1):
        both = [measurement(value=0.9), measurement(value=0.4, at=later)][::order]
        assert best(*both).value == 0.4  # type: ignore[union-attr]


@given(st.permutations([0.1, 0.2, 0.3, 0.4]))
def test_the_order_in_which_mlflow_lists_them_does_not_matter(values: list[float]) -> None:
    found = best(*(measurement(value=one, at=(NOW + timedelta(hours=10 * one)).isoformat()) for one in values))
    assert found is not None
    assert found.value == 0.4


def test_metrics_are_chosen_by_purpose() -> None:
    settings = MlflowSettings.read({"metrics": {"*": ["accuracy"], "fraud-detection": ["roc_auc"]}})
    found = model(settings, measurements=[measurement(metric="accuracy"), measurement(metric="roc_auc", value=0.8)])
    assert (found.evaluation.metric, found.evaluation.value) == ("roc_auc", 0.8)
    assert model(settings, measurements=[measurement(metric="accuracy")]).evaluation is None


# --- Cards ----------------------------------------------------------------------------------------------------------


def test_a_whole_card_lacks_nothing_in_whatever_case() -> None:
    card = CARD | {"headings": [heading.upper() + " " for heading in SETTINGS.card_sections]}
    found = model(card=card).card
    assert (found.missing, found.mismatched) == ([], [])


@pytest.mark.parametrize("section", SETTINGS.card_sections)
def test_each_section_is_missed(section: str) -> None:
    headings = [one for one in SETTINGS.card_sections if one != section]
    assert model(card=CARD | {"headings": headings}).card.missing == [section]


@pytest.mark.parametrize(
    ("statement", "right", "wrong"),
    [
        ("name", "fraud", "other"), ("version", "1", "2"), ("purpose", "fraud-detection", "credit-scoring"),
        ("metric", "accuracy", "roc_auc"), ("value", "0.90", "0.95"),
    ],
)  # fmt: skip
def test_each_statement_of_a_card_is_held_against_the_registry(statement: str, right: str, wrong: str) -> None:
    for text, mismatched in ((right, []), (wrong, [statement])):
        card = CARD | {"statements": {statement.title(): text}}
        assert model(card=card, measurements=[measurement()]).card.mismatched == mismatched


def test_no_card_is_no_fact() -> None:
    assert model().card is None


# --- Lineage --------------------------------------------------------------------------------------------------------


def test_an_input_that_the_preflight_named_is_declared_by_its_version() -> None:
    found = translate.lineage([logged(version="7")], frozenset({PAYMENTS.digest("7")}))
    assert (found.urns, found.undeclared, found.unresolved) == ([PAYMENTS.urn], (), ())
    other = translate.lineage([logged(version="8")], frozenset({PAYMENTS.digest("7")}))
    assert other.undeclared == (PAYMENTS.urn,)


@pytest.mark.parametrize("uri", ["/home/alice/x.csv", "file:///tmp/x", "", "x"])
def test_what_no_catalog_could_know_is_unresolved(uri: str) -> None:
    found = translate.lineage([logged(uri), logged()], frozenset())
    assert len(found.unresolved) == 1
    assert found.inputs == 2


@given(st.lists(st.builds(logged, st.sampled_from(["s3://lake/payments", "s3a://LAKE/payments/", "s3://lake/b"]))))
def test_two_spellings_of_one_dataset_are_one_item(inputs: list[LoggedInput]) -> None:
    found = translate.lineage(inputs, frozenset())
    assert len(found.urns) == len(set(found.urns)) <= 2
    assert found.inputs == len(inputs)


# --- Configuration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "section",
    [
        {"targets": [{"environment": "prod"}]},
        {"targets": [{"alias": "a", "stage": "Production", "environment": "prod"}]},
        {"targets": [{"stage": "archived", "environment": "prod"}]}, {"targets": [{"alias": "a", "environment": "No"}]},
        {"budget": 0}, {"budget": 6}, {"unknown": 1}, {"metrics": {"*": []}},
    ],
)  # fmt: skip
def test_a_wrong_section_is_refused_with_the_page_that_explains_it(section: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"docs/mlflow\.md"):
        MlflowSettings.read(section)


def test_the_first_target_that_matches_holds() -> None:
    targets = [
        {"model": "credit-*", "alias": "Champion", "environment": "staging"},
        {"alias": "champion", "environment": "prod"},
    ]
    settings = MlflowSettings.read({"targets": targets})
    assert settings.environment("credit-x", "alias:champion") == "staging"
    assert settings.environment("fraud", "alias:champion") == "prod"
    assert settings.environment("fraud", "alias:other") is None


def test_a_table_without_its_catalogs_address_lives_where_the_operator_says() -> None:
    source = {"delta_table_name": "main.risk.loans", "delta_table_version": 3}
    table = LoggedInput(name="loans", source_type="delta_table", source=json.dumps(source))
    assert len(translate.lineage([table], frozenset()).unresolved) == 1
    found = translate.lineage([table], frozenset(), "unitycatalog://uc.example.com")
    assert found.unresolved == ()
    assert [item["id"] for item in found.items] == ["urn:ol:unitycatalog%3A%2F%2Fuc.example.com:main.risk.loans"]
