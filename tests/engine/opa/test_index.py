"""The index: what is evaluated once, what is selected, and what voids an approval."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.opa import index
from proctor.opa.annotations import RuleAnnotation
from tests.engine.opa import rules
from tests.engine.opa.settled import settled

SOURCE, LIBRARY = "sha256:" + "0" * 64, "sha256:" + "1" * 64
REGISTRATION: dict[str, Any] = {"at": "registration", "fields": {"registered": "boolean"}}


def build(*made: RuleAnnotation, sources: dict[str, str] | None = None, library: str = LIBRARY) -> dict[str, Any]:
    return index.build(
        made,
        settled(),
        source_digests={rule.code: (sources or {}).get(rule.code, SOURCE) for rule in made},
        library_digest=library,
        profile="strict",
        warned={},
    )


def pinned(*made: RuleAnnotation) -> index.Index:
    return index.Index(build(*made) | {"revision": "rev1"})


# --- Evidence needs --------------------------------------------------------------------------------------------------


def test_equal_needs_are_evaluated_once() -> None:
    document = build(
        rules.annotation("one_rule", evidence=[{"at": "risk", "fields": {"exposure": "string", "autonomy": "string"}}]),
        rules.annotation("two_rule", evidence=[{"at": "risk", "fields": {"autonomy": "string", "exposure": "string"}}]),
    )
    assert len(document["needs"]) == 1
    (one,) = document["rules"]["deployment.one_rule"]["needs"]
    assert document["rules"]["deployment.two_rule"]["needs"] == [one]


@pytest.mark.parametrize(
    "difference",
    [
        {"at": "allowance"},
        {"of": "images/*"},
        {"about": "purpose"},
        {"fields": {"registered": "string"}},
        {"fields": {"registered": "boolean", "matches": "number"}},
        {"max_age": "P1D"},
        {"min_tier": "verified"},
    ],
    ids=str,
)
def test_needs_that_differ_are_evaluated_apart(difference: dict[str, Any]) -> None:
    document = build(
        rules.annotation("one_rule", evidence=[REGISTRATION]),
        rules.annotation("two_rule", evidence=[REGISTRATION | difference]),
    )
    assert len(document["needs"]) == 2


def test_a_need_says_how_strong_and_how_old() -> None:
    need = REGISTRATION | {"max_age": "PT1H", "min_tier": "verified"}
    (found,) = build(rules.annotation(evidence=[need]))["needs"].values()
    assert found == {
        "scope": "models/*",
        "at": "registration",
        "about": "item",
        "fields": {"registered": "boolean"},
        "min_rank": 2,
        "max_age_s": 3600,
    }


RELATIONS: dict[str, tuple[str, str | None, str, int]] = {
    "the place itself": ("models/*", None, "same", 2),
    "named": ("models/*", "models/*", "same", 2),
    "the whole request": ("models/*", "", "up", 0),
    "another list": ("models/*", "images/*", "all", 2),
    "the parent": ("datasets/*/columns/*", "datasets/*", "up", 2),
    "the children": ("datasets/*", "datasets/*/columns/*", "all", 4),
    "the parent's parent": ("datasets/*/columns/*", "", "up", 0),
    "the whole, of the whole": ("", None, "same", 0),
    "a list, of the whole": ("", "models/*", "all", 2),
    "other children": ("datasets/*/columns/*", "datasets/*/rows/*", "all", 4),
}


@pytest.mark.parametrize(("own", "of", "rel", "length"), RELATIONS.values(), ids=RELATIONS)
def test_a_need_knows_where_it_lies(own: str, of: str | None, rel: str, length: int) -> None:
    item_id = ["id", "name"][: own.count("*")]
    evidence = [REGISTRATION | ({} if of is None else {"of": of})]
    document = build(rules.annotation(for_each=own, item_id=item_id, evidence=evidence))
    (use,) = document["rules"]["deployment.some_rule"]["needs"]
    assert (use["rel"], use["length"], use["soft"]) == (rel, length, False)


def test_a_need_that_an_exemption_lifts_is_soft() -> None:
    document = build(rules.annotation(evidence=[REGISTRATION | {"unless_exempt": True}]))
    assert document["rules"]["deployment.some_rule"]["needs"][0]["soft"] is True


def test_request_fields_are_no_needs() -> None:
    document = build(rules.annotation(evidence=[REGISTRATION, {"request": "purpose", "type": "string"}]))
    rule = document["rules"]["deployment.some_rule"]
    assert (len(rule["needs"]), rule["request"]) == (1, {"purpose": "string"})


# --- Selection -------------------------------------------------------------------------------------------------------

SCOPES = ["", "models/*", "images/*", "datasets/*/columns/*"]
_rules = st.lists(
    st.tuples(
        st.sampled_from(SCOPES),
        st.lists(st.sampled_from(SCOPES), max_size=3),
        st.lists(st.sampled_from(["deploy", "scale", "run"]), min_size=1, max_size=3, unique=True),
    ),
    min_size=1,
    max_size=6,
)


@given(_rules)
def test_a_selection_holds_all_that_its_rules_need(made: list[tuple[str, list[str], list[str]]]) -> None:
    """What the aggregator finds under stage, kind and operation is all the work that the rules there ask for."""
    annotations = [
        rules.annotation(
            f"rule_{number}",
            for_each=scope,
            item_id=["id", "name"][: scope.count("*")],
            evidence=[REGISTRATION, *(REGISTRATION | {"of": of, "about": "subject"} for of in needed)],
            applies_to=[{"stage": "deployment", "kind": "deployment", "operations": operations}],
        )
        for number, (scope, needed, operations) in enumerate(made)
    ]
    document = build(*annotations)
    leaves = document["select"]["deployment"]["deployment"]
    for operation, leaf in leaves.items():
        expected = {rule.code for rule in annotations if operation in rule.custom.applies_to[0].operations}
        assert len(leaf["codes"]) == len(expected)
        assert set(leaf["codes"]) == expected
        for code in leaf["codes"]:
            rule = document["rules"][code]
            assert {use["need"] for use in rule["needs"]} <= set(leaf["needs"])
            assert {rule["scope"], *(document["needs"][use["need"]]["scope"] for use in rule["needs"])} <= set(
                leaf["scopes"]
            )
            assert rule["names"] in leaf["names"]
            assert document["names"][rule["names"]] == {"scope": rule["scope"], "fields": rule["item_id"]}
        assert set(leaf["scopes"]) <= set(document["scopes"])
        assert set(leaf["needs"]) <= set(document["needs"])
    assert all(
        document["scopes"][scope] == [part for part in scope.split("/")[::2] if part] for scope in document["scopes"]
    )


def test_a_rule_is_selected_where_it_applies_and_nowhere_else() -> None:
    applies = [
        {"stage": "deployment", "kind": "deployment", "operations": ["deploy"]},
        {"stage": "runtime", "kind": "deployment", "operations": ["run"]},
    ]
    found = pinned(rules.annotation(applies_to=applies))
    for question, selected in {
        ("deployment", "deployment", "deploy"): True,
        ("runtime", "deployment", "run"): True,
        ("deployment", "deployment", "run"): False,
        ("runtime", "deployment", "deploy"): False,
        ("deployment", "run", "deploy"): False,
        ("training", "deployment", "deploy"): False,
        ("*", "*", "*"): False,
        ("", "", ""): False,
    }.items():
        selection = found.selection(*question)
        assert (selection is not None) is selected, question
        if selection is not None:
            assert selection.codes == ("deployment.some_rule",)


def test_a_selection_names_the_fields_that_are_sent() -> None:
    found = pinned(
        rules.annotation("one_rule", evidence=[REGISTRATION, {"request": "purpose", "type": "string"}]),
        rules.annotation(
            "two_rule",
            evidence=[
                {"at": "registration", "fields": {"matches": "number"}},
                {"of": "", "at": "workload", "about": "subject", "fields": {"unclassified": "strings"}},
            ],
        ),
        rules.annotation("far_rule", applies_to=[{"stage": "runtime", "kind": "deployment", "operations": ["run"]}]),
    )
    selection = found.selection("deployment", "deployment", "deploy")
    assert selection is not None
    assert selection.fields["models/*"] == {
        "registration": {"registered", "matches"},
        "risk": {"exposure", "autonomy", "data_class"},  # what the risk tier is computed from
        "use": {"purpose_class", "affected_groups"},
        "condition": {"drift", "open_findings"},
    }
    assert selection.fields[""] == {"workload": {"unclassified"}}
    assert selection.item_fields == {"models/*": {"id"}}
    assert selection.request_fields == {"purpose"}
    assert found.selection("deployment", "deployment", "deploy") is selection


def test_the_last_id_of_a_nested_item_is_its_own() -> None:
    rule = rules.annotation(for_each="datasets/*/columns/*", item_id=["urn", "name"], evidence=[REGISTRATION])
    selection = pinned(rule).selection("deployment", "deployment", "deploy")
    assert selection is not None
    assert selection.item_fields == {"datasets/*/columns/*": {"name"}}


def test_the_starter_profile_does_not_score_factors_that_nobody_supplies() -> None:
    rule = rules.annotation("one_rule", evidence=[{"at": "registration", "fields": {"registered": "boolean"}}])

    def tiers(profile: str, provided: frozenset[str] | None) -> dict[str, Any]:
        document = index.build(
            [rule], settled(), source_digests={rule.code: SOURCE}, library_digest=LIBRARY,
            profile=profile, warned={}, provided=provided,
        )  # fmt: skip
        found: dict[str, Any] = document["tiers"]["deployment"]
        return found

    nobody = tiers("starter", frozenset())
    assert [need["at"] for need in nobody["needs"]] == ["risk"], "without these there is no tier"
    assert nobody["unscored"] == ["affected_groups", "drift", "open_findings", "purpose_class"]
    some = tiers("starter", frozenset({"models/*/use"}))
    assert [need["at"] for need in some["needs"]] == ["risk", "use"]
    assert some["unscored"] == ["drift", "open_findings"]
    for everything in (tiers("strict", frozenset()), tiers("starter", None)):
        assert ([need["at"] for need in everything["needs"]], everything["unscored"]) == (
            ["risk", "use", "condition"],
            [],
        )


# --- What voids an approval ------------------------------------------------------------------------------------------


def digests(document: dict[str, Any]) -> dict[str, str]:
    return {code: rule["digest"] for code, rule in document["rules"].items()}


ONE, TWO = rules.annotation("one_rule"), rules.annotation("two_rule")
BEFORE = digests(build(ONE, TWO))


def test_a_rules_digest_changes_with_its_source_and_with_no_other() -> None:
    after = digests(build(ONE, TWO, sources={"deployment.one_rule": "sha256:" + "2" * 64}))
    assert after["deployment.one_rule"] != BEFORE["deployment.one_rule"]
    assert after["deployment.two_rule"] == BEFORE["deployment.two_rule"]


def test_a_rules_digest_changes_with_its_annotation() -> None:
    after = digests(build(rules.annotation("one_rule", message="another message"), TWO))
    assert after["deployment.one_rule"] != BEFORE["deployment.one_rule"]
    assert after["deployment.two_rule"] == BEFORE["deployment.two_rule"]


def test_the_libraries_are_part_of_every_rule() -> None:
    after = digests(build(ONE, TWO, library="sha256:" + "2" * 64))
    assert all(after[code] != BEFORE[code] for code in BEFORE)


def test_another_rule_leaves_a_digest_alone() -> None:
    after = digests(build(ONE, TWO, rules.annotation("three_rule")))
    assert after["deployment.one_rule"] == BEFORE["deployment.one_rule"]


# --- Actions ---------------------------------------------------------------------------------------------------------


def test_an_action_is_found_by_exact_words_only() -> None:
    found = pinned(ONE)
    assert found.action("low", "prod", "ci", ONE.code) == "deny"
    assert found.action("low", "dev", "ci", ONE.code) == "warn"
    for words in (
        ("Low", "prod", "ci", ONE.code),
        ("low", "Prod", "ci", ONE.code),
        ("low", "prod", "*", ONE.code),
        ("low", "prod", "ci", "deployment.other"),
        ("*", "*", "*", "*"),
    ):
        assert found.action(*words) is None


# --- Messages --------------------------------------------------------------------------------------------------------

ITEM = {"id": "models:/x/1", "risk": {"exposure": "public"}, "list": ["a", "b"], "flag": True, "none": None, "n": 7}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("model {id}", "model models:/x/1"),
        ("{risk.exposure}", "public"),
        ("{list}", "a, b"),
        ("{flag}", "true"),
        ("{n}", "7"),
        ("{none}", "?"),
        ("{absent}", "?"),
        ("{risk.absent}", "?"),
        ("{risk.exposure.deeper}", "?"),
        ("{environment}", "prod"),
        ("{Upper} {0} {} { id } {a-b}", "{Upper} {0} {} { id } {a-b}"),
        ("{a.b.c.d.e}", "{a.b.c.d.e}"),
    ],
)
def test_a_message_is_filled(template: str, text: str) -> None:
    assert index.render(template, ITEM, {"environment": "prod", "id": "the item comes first"}) == text


def test_a_value_is_data_and_never_a_template() -> None:
    assert index.render("{id}", {"id": "{environment}"}, {"environment": "prod"}) == "{environment}"


@given(st.text(max_size=400))
def test_a_value_from_outside_stays_on_one_line_and_short(value: str) -> None:
    shown = index.render("{id}", {"id": value}, {})
    assert len(shown) <= 200
    assert all(character.isprintable() for character in shown)
    if value.isprintable() and len(value) <= 200:
        assert shown == value
