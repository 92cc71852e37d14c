from datetime import UTC, datetime
from typing import Any

import pytest

from proctor_adapters.openlineage import governance
from tests.adapters.openlineage.builders import NOW, tags


def read(group: str, facet: dict[str, Any], *, created: bool = False) -> Any:
    return governance.values(governance.of_tags(facet["tags"]), group, NOW, created=created)


def sensitive(*columns: tuple[str, str, str], **values: str) -> tuple[bool, bool, str] | None:
    found = read("sensitivity", tags(*columns, **values))
    return None if found is None else (found["personal"], found["special"], found["data_class"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"pii": "true"}, (True, False, "personal")),
        ({"pii": "TRUE "}, (True, False, "personal")),
        ({"pii": "false"}, (False, False, "internal")),
        ({"pii": "false", "data_class": "public"}, (False, False, "public")),
        ({"special": "true"}, (True, True, "special")),
        ({"data_class": "special"}, (True, True, "special")),
        ({"data_class": "personal"}, (True, False, "personal")),
        ({"pii": "true", "special": "false"}, (True, False, "personal")),
    ],
)
def test_sensitivity_is_as_the_tags_say(values: dict[str, str], expected: tuple[bool, bool, str]) -> None:
    assert sensitive(**values) == expected


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"special": "false"},
        {"data_class": "public"},
        {"data_class": "secret", "pii": "true"},
        {"data_class": "", "pii": "false"},
        {"pii": "yes"},
        {"pii": "0"},
        {"pii": "true", "special": "maybe"},
        {"pii": "true", "data_class": "internal"},
        {"pii": "false", "data_class": "personal"},
        {"pii": "true", "special": "false", "data_class": "special"},
        {"pii": "true", "special": "true", "data_class": "personal"},
    ],
)
def test_what_is_unreadable_or_contradicts_itself_proves_nothing(values: dict[str, str]) -> None:
    assert sensitive(**values) is None


@pytest.mark.parametrize(
    ("column", "dataset", "expected"),
    [
        (("email", "pii", "true"), {"pii": "false"}, (True, False, "personal")),
        (("email", "pii", "true"), {}, (True, False, "personal")),
        (("health", "special", "true"), {"pii": "true"}, (True, True, "special")),
        (("health", "data_class", "special"), {"pii": "false"}, (True, True, "special")),
        (("email", "data_class", "personal"), {"pii": "false"}, (True, False, "personal")),
        (("amount", "pii", "false"), {"pii": "true"}, (True, False, "personal")),
        (("amount", "pii", "false"), {}, None),
        (("email", "pii", "true"), {"pii": "false", "data_class": "public"}, None),
        (("email", "pii", "perhaps"), {"pii": "false"}, None),
        (("email", "data_class", ""), {"pii": "false"}, None),
    ],
)
def test_a_dataset_is_as_sensitive_as_its_worst_column(
    column: tuple[str, str, str], dataset: dict[str, str], expected: Any
) -> None:
    assert sensitive(column, **dataset) == expected


def test_a_key_with_two_values_has_none_and_twice_the_same_is_one() -> None:
    for other in ("true", "false"):
        facet = {"tags": [*tags(pii="false")["tags"], *tags(pii=other)["tags"], *tags(pii="false")["tags"]]}
        assert (read("sensitivity", facet) is None) is (other == "true")
    withdrawn = {"consent_status": "given", "consent_purposes": "x"}
    facet = {"tags": [*tags(**withdrawn, consent_withdrawn="5")["tags"], *tags(consent_withdrawn="0")["tags"]]}
    assert read("consent", facet) is None


@pytest.mark.parametrize(
    ("text", "basis"),
    [
        ("consent", "consent"),
        ("dpv:Consent", "consent"),
        ("eu-gdpr:A6-1-f", "legitimate-interests"),
        ("https://w3id.org/dpv#LegalObligation", "legal-obligation"),
        ("legitimate_interests", "legitimate-interests"),
        ("Public Task", "public-task"),
        ("vital-interests", "vital-interests"),
        ("because", "because"),
    ],
)
def test_a_lawful_basis_may_be_spelt_as_the_privacy_vocabulary_spells_it(text: str, basis: str) -> None:
    assert read("legal", tags(lawful_basis=text)) == {"basis": basis}


@pytest.mark.parametrize(
    ("group", "values", "expected"),
    [
        ("legal", {"lawful_basis": " "}, None),
        ("licence", {"licence": "MIT"}, {"licence": "MIT"}),
        ("licence", {"licence": "M\x00IT"}, None),
        ("purposes", {"purpose": "b, a,,b"}, {"permitted": ["a", "b"]}),
        ("purposes", {"purpose": ""}, {"permitted": []}),
        ("purposes", {}, None),
        (
            "consent",
            {"consent_status": "given", "consent_purposes": "x"},
            {"status": "given", "purposes": ["x"], "withdrawn": 0},
        ),
        ("consent", {"consent_status": "given", "consent_purposes": "x", "consent_withdrawn": "none"}, None),
        ("consent", {"consent_status": "given", "consent_purposes": "x", "consent_withdrawn": "-1"}, None),
        ("consent", {"consent_status": "given"}, None),
        ("consent", {"consent_purposes": "x"}, None),
    ],
)
def test_tags_become_the_vocabularys_values_or_nothing(group: str, values: dict[str, str], expected: Any) -> None:
    assert read(group, tags(**values)) == expected


@pytest.mark.parametrize(
    ("values", "until"),
    [
        ({"retention_until": "2027-01-31"}, datetime(2027, 1, 31, tzinfo=UTC)),
        ({"retention_until": "2027-01-31T12:00:00+02:00"}, datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ({"retention_days": "30", "collected_at": "2026-01-01"}, datetime(2026, 1, 31, tzinfo=UTC)),
        (
            {"retention_until": "2026-01-15", "retention_days": "30", "collected_at": "2026-01-01"},
            datetime(2026, 1, 15, tzinfo=UTC),
        ),
        ({"retention_days": "30"}, None),
        ({"retention_days": "thirty", "collected_at": "2026-01-01"}, None),
        ({"retention_until": "2027-01-31", "retention_days": "30"}, None),
        ({"retention_until": "2027-01-31T12:00:00"}, None),
        ({"retention_until": "soon"}, None),
        ({"retention_days": "99999", "collected_at": "2026-01-01"}, None),
        ({"collected_at": "2026-01-01"}, None),
    ],
)
def test_retention_ends_at_a_time_that_no_later_event_moves(values: dict[str, str], until: datetime | None) -> None:
    found = read("retention", tags(**values))
    assert (None if found is None else datetime.fromisoformat(found["until"])) == until


def test_the_event_that_creates_a_dataset_starts_its_retention() -> None:
    found = read("retention", tags(retention_days="30"), created=True)
    assert found == {"until": "2026-12-25T12:00:00+00:00"}
    assert read("retention", tags(pii="true"), created=True) is None


def test_our_own_facet_holds_json_instead_of_text() -> None:
    facet = {"_producer": "x", "pii": True, "purpose": ["a"], "consent_withdrawn": 3, "consent_status": "given",
             "consent_purposes": ["a", "b"]}  # fmt: skip
    stated = governance.of_facet(facet)
    assert governance.values(stated, "sensitivity", NOW, created=False) == {
        "personal": True, "special": False, "data_class": "personal",
    }  # fmt: skip
    assert governance.values(stated, "consent", NOW, created=False) == {
        "status": "given", "purposes": ["a", "b"], "withdrawn": 3,
    }  # fmt: skip
    for wrong in ({"pii": 1}, {"pii": None}, {"pii": ["true"]}):
        assert governance.values(governance.of_facet(wrong), "sensitivity", NOW, created=False) is None
    assert governance.values(governance.of_facet({"purpose": ["a", 1]}), "purposes", NOW, created=False) is None
