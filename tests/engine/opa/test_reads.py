"""Reads against declarations: what a rule reads undeclared, declares unread, and names without having looked."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.opa import rules

REGISTRATION: dict[str, Any] = {"at": "registration", "fields": {"registered": "boolean", "matches": "number"}}
ALL = """
	model.registration.registered == true
	model.registration.matches == 1
"""


def body(
    inside: str = ALL,
    *,
    head: str = '["models", i]',
    walk: str = "some i, model in input.facts.models",
    above: str = "",
) -> str:
    return f"{above}\ncompliant contains {head} if {{\n\t{walk}{inside}\n}}\n"


def found(opa: Path, folder: Path, text: str, *evidence: dict[str, Any], **custom: Any) -> list[str]:
    return rules.refusals(opa, folder, text, evidence=[*(evidence or [REGISTRATION])], **custom)


UNDECLARED: dict[str, tuple[str, str]] = {
    "a field": ("\n\tmodel.registration.name == 1" + ALL, "models.*.registration.name"),
    "a group": ("\n\tmodel.risk.exposure == 1" + ALL, "models.*.risk.exposure"),
    "a misspelt field": ("\n\tmodel.registration.registred == true" + ALL, "models.*.registration.registred"),
    "the item": ("\n\tmodel == {}" + ALL, "facts.models.*"),
    "the item's own id": ('\n\tmodel.id == "x"' + ALL, "models.*.id"),
    "another list": ("\n\tsome image in input.facts.images\n\timage.reference.pinned == true" + ALL, "facts.images"),
    "a whole group": ("\n\tmodel.registration == {}" + ALL, "models.*.registration"),
    "the evidence": ('\n\tmodel.registration.evidence.tier == "verified"' + ALL, "registration.evidence.tier"),
    "a group of the request": ("\n\tinput.facts.workload.kind == 1" + ALL, "facts.workload.kind"),
    "all facts": ("\n\tcount(input.facts) == 1" + ALL, "input.facts,"),
    "waivers": ("\n\tcount(input.waivers) == 0" + ALL, "input.waivers"),
    "the clock": ("\n\tinput.context.now == 1" + ALL, "input.context.now"),
    "the purpose": ("\n\tinput.purpose == 1" + ALL, "input.purpose"),
    "the actor's groups": ('\n\t"admins" in input.actor.groups' + ALL, "input.actor.groups"),
    "by a local name": ("\n\tr := model.risk\n\tr.exposure == 1" + ALL, "models.*.risk.exposure"),
    "by unification": ("\n\tr = model.risk\n\tr.exposure == 1" + ALL, "models.*.risk.exposure"),
    "by brackets": ('\n\tmodel["risk"]["exposure"] == 1' + ALL, "models.*.risk.exposure"),
    "by an index": ("\n\tinput.facts.models[i].risk.exposure == 1" + ALL, "models.*.risk.exposure"),
    "in a list": ("\n\tsome x in [model.risk.exposure]\n\tx == 1" + ALL, "models.*.risk.exposure"),
    "in a set": ("\n\tmodel.registration.registered in {true, model.risk.exposure}" + ALL, "models.*.risk.exposure"),
    "in an object": ('\n\t{"x": model.risk.exposure} == {"x": 1}' + ALL, "models.*.risk.exposure"),
    "in an array pattern": ("\n\t[x, _] := [model.risk.exposure, 1]\n\tx == 1" + ALL, "models.*.risk.exposure"),
    "in a comprehension": (
        "\n\tcount([1 | some m in input.facts.models; m.risk.exposure == 1]) == 1" + ALL, "models.*.risk.exposure",
    ),
    "as a comprehension's result": (
        "\n\tcount({m.risk.exposure | some m in input.facts.models}) == 1" + ALL, "models.*.risk.exposure",
    ),
    "as an index": ('\n\t{"x": true}[model.risk.exposure]' + ALL, "models.*.risk.exposure"),
    "by everything": ("\n\tinput == {}" + ALL, "reads input."),
    "by a variable": ('\n\tsome k in ["risk"]\n\tmodel[k].exposure == 1' + ALL, "must be written out"),
    "by a walk": ("\n\tsome k, v in input.facts\n\tv.kind == 1" + ALL, "reads input.facts"),
    "by a pattern": (
        '\n\tsome {"id": x} in input.facts.models\n\tx == 1' + ALL, "takes input.facts.models apart",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("inside", "problem"), UNDECLARED.values(), ids=UNDECLARED)
def test_an_undeclared_read_is_refused(inside: str, problem: str, opa_binary: Path, tmp_path: Path) -> None:
    lines = found(opa_binary, tmp_path, body(inside))
    assert any(problem in line for line in lines), lines


THROUGH: dict[str, str] = {
    "a helper": "_ok(m) if m.risk.exposure == 1" + body("\n\t_ok(model)" + ALL),
    "a helper's result": "_risk(m) := m.risk.exposure" + body("\n\t_risk(model) == 1" + ALL),
    "a helper of a helper": "_a(m) if _b(m)\n\n_b(n) if n.risk.exposure == 1" + body("\n\t_a(model)" + ALL),
    "the other body of a helper": (
        "_ok(_) if false\n\n_ok(m) if m.risk.exposure == 1" + body("\n\t_ok(model)" + ALL)
    ),
    "the else of a helper": (
        "_ok(m) if {\n\tm.registration.registered == true\n} else if {\n\tm.risk.exposure == 1\n}\n"
        + body("\n\t_ok(model)" + ALL)
    ),
    "a helper's pattern": '_ok({"risk": {"exposure": x}}) if x == 1' + body("\n\t_ok(model)" + ALL),
    "a helper rule": "_ok if input.facts.models[_].risk.exposure == 1" + body("\n\t_ok" + ALL),
    "a helper set": (
        "_bad contains i if {\n\tsome i, m in input.facts.models\n\tm.risk.exposure == 1\n}\n"
        + body("\n\ti in _bad" + ALL)
    ),
    "a name for a list": "_all := input.facts.models" + body(
        "\n\tmodel.risk.exposure == 1" + ALL, walk="some i, model in _all"
    ),
    "a name of a name": "_a := input.facts\n\n_b := _a.models" + body(
        "\n\tmodel.risk.exposure == 1" + ALL, walk="some i, model in _b"
    ),
    "the condition of a name": "_all := input.facts.models if input.facts.models[_].risk.exposure == 1" + body(
        walk="some i, model in _all"
    ),
    "a name with two meanings": (
        '_all := input.facts.images if input.environment == "dev"\n\n'
        '_all := input.facts.models if input.environment == "prod"' + body(walk="some i, model in _all")
    ),
    "a name with an else": (
        '_all := input.facts.models if input.environment == "dev" else := input.facts.images'
        + body(walk="some i, model in _all")
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", THROUGH.values(), ids=THROUGH)
def test_a_read_is_followed_through(text: str, opa_binary: Path, tmp_path: Path) -> None:
    lines = found(opa_binary, tmp_path, text)
    assert any("which its evidence does not declare" in line for line in lines), lines


def test_helpers_that_call_each_other_too_deeply_are_refused(opa_binary: Path, tmp_path: Path) -> None:
    chain = (
        "\n".join(f"_f{n}(m) if _f{n + 1}(m)\n" for n in range(12)) + "\n_f12(m) if m.registration.registered == true\n"
    )
    lines = found(opa_binary, tmp_path, chain + body("\n\t_f0(model)" + ALL))
    assert any("too deeply to be followed" in line for line in lines), lines


DECLARED: dict[str, str] = {
    "as it stands": body(),
    "by indices": body(
        "\n\tinput.facts.models[i].registration.matches == 1",
        walk="input.facts.models[i].registration.registered == true",
    ),
    "by a local name": body(
        "\n\tr := model.registration\n\tr.registered == true\n\tr.matches == 1"
    ),
    "by a helper": "_ok(model) if {" + ALL + "}\n" + body("\n\t_ok(model)"),
    "by a name": "_all := input.facts.models" + body(walk="some i, model in _all"),
    "by a library, whole": "import data.governance.lib.tiers\n" + body("\n\ttiers.known(model.registration)"),
    "with the list counted": body("\n\tcount(input.facts.models) == 1" + ALL),
    "with what is always proven": body(
        '\n\tinput.environment == "prod"\n\tinput.stage == "deployment"\n\tinput.actor.id == "x"'
        '\n\tinput.subject.digest == "x"' + ALL
    ),
    "inside a field": body("\n\tmodel.registration.registered[_] == 1" + ALL),
}  # fmt: skip


@pytest.mark.parametrize("text", DECLARED.values(), ids=DECLARED)
def test_a_declared_read_is_accepted(text: str, opa_binary: Path, tmp_path: Path) -> None:
    assert found(opa_binary, tmp_path, text) == []


# --- Declared and never read -----------------------------------------------------------------------------------------


def test_what_is_declared_and_never_read_is_refused(opa_binary: Path, tmp_path: Path) -> None:
    lines = found(opa_binary, tmp_path, body("\n\tmodel.registration.registered == true"))
    assert lines == ["declares registration.matches and never reads it"]


def test_what_only_an_unused_helper_reads_is_not_read(opa_binary: Path, tmp_path: Path) -> None:
    helper = "_unused(m) if m.registration.matches == 1\n"
    lines = found(opa_binary, tmp_path, helper + body("\n\tmodel.registration.registered == true"))
    assert lines == ["declares registration.matches and never reads it"]


def test_evidence_that_only_has_to_be_there_need_not_be_read(opa_binary: Path, tmp_path: Path) -> None:
    deployer = {"of": "", "at": "deployer", "about": "actor", "fields": {"environments": "strings"}}
    assert found(opa_binary, tmp_path, body(), REGISTRATION, deployer) == [
        "declares deployer.environments and never reads it"
    ]
    assert found(opa_binary, tmp_path / "present", body(), REGISTRATION, deployer | {"present_only": True}) == []


def test_a_request_field_is_read_where_it_is_declared(opa_binary: Path, tmp_path: Path) -> None:
    purpose = {"request": "purpose", "type": "string"}
    reading = body('\n\tinput.purpose == "scoring"' + ALL)
    assert found(opa_binary, tmp_path / "unread", body(), REGISTRATION, purpose) == [
        "declares the request's purpose and never reads it"
    ]
    assert found(opa_binary, tmp_path / "read", reading, REGISTRATION, purpose) == []


# --- Places ----------------------------------------------------------------------------------------------------------

WRONG_PLACES: dict[str, str] = {
    "the whole request": body(head="[]"),
    "text": body(head='"models"'),
    "the index alone": body(head="i"),
    "the list alone": body(head='["models"]'),
    "another list": body(head='["images", i]'),
    "a misspelt list": body(head='["model", i]'),
    "a constant index": body(head='["models", 0]'),
    "the item": body(head='["models", model]'),
    "too deep": body(head='["models", i, "columns", i]'),
    "made elsewhere": body('\n\tplace := ["models", i]' + ALL, head="place"),
    "a set": body(head='{"models", i}'),
    "another index": body("\n\tsome j, _ in input.facts.models" + ALL, head='["models", j]'),
    "the index of another list": body("\n\tsome j, _ in input.facts.images" + ALL, head='["models", j]'),
    "an index of nothing": body("\n\tj := 0" + ALL, head='["models", j]'),
    "not joined": (
        '\ncompliant contains ["models", i] if {\n\tsome i, _ in input.facts.models\n'
        "\tsome model in input.facts.models" + ALL + "}\n"
    ),
    "a helper that ignores its argument": (
        "_ok(_) if {\n\tsome model in input.facts.models" + ALL + "}\n" + body("\n\t_ok(model)")
    ),
    "a set of indices": (
        "_good contains i if {\n\tsome i, model in input.facts.models" + ALL + "}\n"
        '\ncompliant contains ["models", i] if some i in _good\n'
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG_PLACES.values(), ids=WRONG_PLACES)
def test_a_place_that_the_rule_did_not_look_at_is_refused(text: str, opa_binary: Path, tmp_path: Path) -> None:
    lines = found(opa_binary, tmp_path, text)
    assert any("must name places of" in line or "names a place without reading" in line for line in lines), lines


def test_the_refusal_shows_how_the_place_is_written(opa_binary: Path, tmp_path: Path) -> None:
    lines = found(opa_binary, tmp_path, body(head="[]"))
    assert lines[0] == '`compliant` must name places of `models/*`: write `compliant contains ["models", i] if ...`'


def test_exempt_names_places_like_compliant(opa_binary: Path, tmp_path: Path) -> None:
    lines = found(opa_binary, tmp_path, body() + "\nexempt contains [] if input.environment == 1\n")
    assert lines == ['`exempt` must name places of `models/*`: write `exempt contains ["models", i] if ...`']
    lines = found(
        opa_binary,
        tmp_path / "unread",
        body()
        + '\nexempt contains ["models", i] if {\n\tsome i, _ in input.facts.models\n\tinput.environment == 1\n}\n',
    )
    assert lines == ["`exempt` names a place without reading the item at its own index"]


WHOLE: dict[str, Any] = {"at": "workload", "about": "subject", "fields": {"unclassified": "strings"}}


def test_a_rule_on_the_whole_request_reads_something_of_it(opa_binary: Path, tmp_path: Path) -> None:
    custom: dict[str, Any] = {"for_each": "", "item_id": []}
    right = "\ncompliant contains [] if input.facts.workload.unclassified == []\n"
    assert found(opa_binary, tmp_path / "right", right, WHOLE, **custom) == []
    empty = right + "\ncompliant contains [] if 1 == 1\n"
    assert found(opa_binary, tmp_path / "empty", empty, WHOLE, **custom) == [
        "`compliant` names a place without reading anything that it declares"
    ]


NESTED: dict[str, Any] = {"at": "classification", "fields": {"level": "string"}}
ON_COLUMNS: dict[str, Any] = {"for_each": "datasets/*/columns/*", "item_id": ["id", "name"]}
COLUMNS = """
compliant contains ["datasets", {0}, "columns", {1}] if {{
	some i, dataset in input.facts.datasets
	some j, column in dataset.columns
	column.classification.level == "public"
}}
"""


@pytest.mark.parametrize(
    ("outer", "inner", "right"), [("i", "j", True), ("j", "i", False), ("i", "i", False), ("j", "j", False)]
)
def test_nested_places_keep_their_own_indices(
    outer: str, inner: str, right: bool, opa_binary: Path, tmp_path: Path
) -> None:
    lines = found(opa_binary, tmp_path, COLUMNS.format(outer, inner), NESTED, **ON_COLUMNS)
    assert (lines == []) is right, lines


def test_evidence_on_the_parent_is_read_at_the_parent(opa_binary: Path, tmp_path: Path) -> None:
    parent: dict[str, Any] = {"of": "datasets/*", "at": "warranty", "fields": {"id": "string"}}
    text = COLUMNS.format("i", "j").replace("\tsome j", '\tdataset.warranty.id == "mit"\n\tsome j')
    lines = found(opa_binary, tmp_path, text, NESTED, parent, **ON_COLUMNS)
    # The vocabulary has no such group yet; that the read is followed is what this is about.
    assert lines == ["datasets/*/warranty: there is no such group of facts; docs/facts.md names them"]


# --- What an exemption lifts -----------------------------------------------------------------------------------------

EXEMPTION = """
exempt contains ["models", i] if {
	some i, model in input.facts.models
	model.risk.exposure == "internal"
}
"""


def test_an_exemption_rests_on_evidence_as_strong_as_what_it_lifts(opa_binary: Path, tmp_path: Path) -> None:
    lifted = REGISTRATION | {"unless_exempt": True, "min_tier": "verified"}
    risk = {"at": "risk", "fields": {"exposure": "string"}}
    assert found(opa_binary, tmp_path / "weak", body() + EXEMPTION, lifted, risk) == [
        "`exempt` rests on risk (observed), weaker than the evidence that it lifts"
    ]
    assert found(opa_binary, tmp_path / "strong", body() + EXEMPTION, lifted, risk | {"min_tier": "verified"}) == []
    declared = risk | {"min_tier": "declared"}
    assert found(opa_binary, tmp_path / "nothing", body() + EXEMPTION, REGISTRATION, declared) == []
    observed = REGISTRATION | {"unless_exempt": True}
    assert found(opa_binary, tmp_path / "declared", body() + EXEMPTION, observed, declared) == [
        "`exempt` rests on risk (declared), weaker than the evidence that it lifts"
    ]


def test_an_exemption_does_not_excuse_its_own_evidence(opa_binary: Path, tmp_path: Path) -> None:
    lines = found(
        opa_binary,
        tmp_path,
        body() + EXEMPTION,
        REGISTRATION,
        {"at": "risk", "fields": {"exposure": "string"}, "unless_exempt": True},
    )
    assert lines == ["`exempt` reads risk, which is checked only `unless_exempt`: it would excuse itself"]
