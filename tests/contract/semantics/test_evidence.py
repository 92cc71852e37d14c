"""Facts that are malformed, misdated, weak, about something else, or not all there: none of them proves anything."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from proctor.errors import EngineError
from proctor.evidence.gather import Providers
from proctor.plugins import FactGroup, Question
from proctor.vocabulary.principal import Actor, PrincipalKind
from proctor.vocabulary.words import EvidenceTier
from tests.contract.semantics.worlds import DEPLOYMENT, INPUTS, World, asking_as, gaps, gate, statuses
from tests.live import subjects
from tests.live.documents import at, changed

NOW = datetime.fromisoformat(DEPLOYMENT["context"]["now"])
MODEL = ("facts", "models", 0)
REGISTERED = "deployment.model_registered"
DIGEST = "sha256:" + "9" * 64


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- Containers and types --------------------------------------------------------------------------------------------

_GOOD = at(DEPLOYMENT, MODEL)
CONTAINERS: list[Any] = [
    "x",
    "",
    5,
    0,
    True,
    None,
    {},
    {"a": _GOOD},
    {"0": _GOOD},
    [[_GOOD]],
    ["x"],
    [None],
    [_GOOD, 5],
]


@pytest.mark.parametrize("value", CONTAINERS)
@pytest.mark.parametrize("emptied", [False, True])
def test_row_04_a_list_that_is_none_is_not_walked_as_if_it_were_empty(
    value: Any, emptied: bool, provided: World
) -> None:
    """Iterating over text or a number is no error in Rego, it is nothing; and nothing must not be nothing wrong.

    Also when the subject has no models: an object or text in the place of the empty list is still not a list.
    """
    document = changed(DEPLOYMENT, (("facts", "models"), value))
    if emptied:
        document = changed(document, (("subject", "parts", "models"), []))
    verdict = provided.verdict(document)
    assert verdict.outcome == "deny"
    assert statuses(verdict, REGISTERED) == ["not_evaluable deny"]


def test_row_04_an_empty_list_is_a_finding_where_a_rule_needs_items(packed: World) -> None:
    document = changed(
        DEPLOYMENT, (("stage",), "data"), (("operation",), "scale"),
        (("facts", "models"), []), (("subject", "parts", "models"), []),
    )  # fmt: skip
    verdict = packed.verdict(document)
    assert verdict.outcome == "deny"
    assert gaps(verdict, "deployment.fresh") == {"list_empty"}


NUMBERS: list[Any] = [None, "1", "0", True, False, {}, [], [1], "", ...]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (("facts", "waivers", "active"), "runtime.waivers_within_limits"),
        (("facts", "waivers", "oldest_days"), "runtime.waivers_within_limits"),
        ((*MODEL, "registration", "matches"), REGISTERED),
    ],
)
def test_row_09_no_value_of_another_type_stands_for_a_number(
    path: tuple[str | int, ...], rule: str, value: Any, provided: World
) -> None:
    """Rego orders null below every number and text above: `null <= 3` is true, in strict mode as well."""
    verdict = provided.verdict(changed(DEPLOYMENT, (path, value)))
    assert verdict.outcome == "deny"
    assert statuses(verdict, rule) == ["not_evaluable deny"]


def test_row_09_null_on_both_sides_is_no_equality(packed: World) -> None:
    """A purpose of null that is listed as null: the expected side of a comparison is proven to be text as well."""
    document = changed(DEPLOYMENT, (("stage",), "data"), (("operation",), "promote"))
    assert packed.verdict(document | {"purpose": "scoring"}).outcome == "allow"
    for purpose in (None, "", 5, True, [], {}, ["scoring"]):
        verdict = packed.verdict(document | {"purpose": purpose})
        assert verdict.outcome == "deny"
        assert gaps(verdict, "deployment.for_a_purpose") == {"request"}
    assert packed.verdict(document).outcome == "deny"


# --- Time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "gap"),
    [
        (timedelta(minutes=5), set()),
        (timedelta(minutes=5, seconds=1), {"future"}),
        (timedelta(days=2), {"future"}),
        (timedelta(days=365 * 73), {"future"}),
    ],
)
def test_row_11_evidence_from_the_future_would_never_go_stale(ahead: timedelta, gap: set[str], provided: World) -> None:
    verdict = provided.verdict(
        changed(DEPLOYMENT, ((*MODEL, "registration", "evidence", "observed_at"), _instant(NOW + ahead)))
    )
    assert gaps(verdict, REGISTERED) == gap
    assert verdict.outcome == ("deny" if gap else "allow")


POISON = ["2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2262-04-12T00:00:00Z", "2026-02-30T00:00:00Z",
          "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01", "2026-01-01t00:00:00z", 5, None]  # fmt: skip


@pytest.mark.parametrize("moment", POISON)
def test_row_19_one_poisoned_time_hides_no_other_finding(moment: Any, provided: World) -> None:
    """OPA's own parser raises an error for a time it can't hold, which would take every other finding with it."""
    document = changed(
        DEPLOYMENT,
        ((*MODEL, "registration", "evidence", "observed_at"), moment),
        (("facts", "models", 1, "registration", "registered"), False),
        (("facts", "images", 0, "reference", "pinned"), False),
    )
    verdict = provided.verdict(document)
    assert verdict.outcome == "deny"
    found = {(finding.rule, tuple(finding.at), str(finding.status)) for finding in verdict.findings}
    assert found == {
        (REGISTERED, ("models", 0), "not_evaluable"),
        (REGISTERED, ("models", 1), "fail"),
        ("deployment.image_pinned", ("images", 0), "fail"),
    }


@pytest.mark.parametrize("moment", POISON)
def test_row_19_a_waiver_with_a_poisoned_end_covers_nothing_and_hides_nothing(moment: Any, provided: World) -> None:
    waiver = {
        "id": "w1", "rule": "deployment.image_pinned", "subject_digest": DEPLOYMENT["subject"]["digest"],
        "environment": "prod", "item": [at(DEPLOYMENT, ("facts", "images", 0, "id"))],
        "from": "2026-03-01T00:00:00Z", "until": moment, "requested_by": "person:alice", "signed_by": "person:bruno",
    }  # fmt: skip
    document = changed(DEPLOYMENT, (("facts", "images", 0, "reference", "pinned"), False), (("waivers", 0), waiver))
    verdict = provided.verdict(document)
    assert statuses(verdict, "deployment.image_pinned") == ["fail deny"]
    assert len(verdict.findings) == 1


# --- Strength and subject --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoilt",
    [
        (("facts", "workload", "evidence", "about"), DIGEST),
        (("facts", "deployer", "evidence", "about"), "service:somebodyelse"),
        ((*MODEL, "registration", "evidence", "about"), at(DEPLOYMENT, ("facts", "models", 1, "digest"))),
        ((*MODEL, "risk", "evidence", "about"), ""),
        (("subject", "digest"), DIGEST),
        (("actor", "id"), "service:somebodyelse"),
    ],
    ids=lambda spoilt: "/".join(map(str, spoilt[0])),
)
def test_row_24_evidence_about_something_else_proves_nothing(spoilt: Any, provided: World) -> None:
    """A fact of another version, another person or another subject, moved to where it would be convenient."""
    verdict = provided.verdict(changed(DEPLOYMENT, spoilt))
    assert verdict.outcome == "deny"
    assert "other_subject" in {gap.gap for finding in verdict.findings for gap in finding.why}


@pytest.mark.parametrize("group", ["registration", "allowance", "authorship", "risk"])
def test_row_24_whole_groups_that_are_swapped_between_two_models_are_noticed(group: str, provided: World) -> None:
    one, other = (at(DEPLOYMENT, ("facts", "models", index, group)) for index in (0, 1))
    verdict = provided.verdict(changed(DEPLOYMENT, ((*MODEL, group), other), (("facts", "models", 1, group), one)))
    assert verdict.outcome == "deny"


def test_row_08_what_a_caller_may_not_assert_is_only_declared(provided: World) -> None:
    """The caller's word about the object is a declaration, unless the credential names the group."""
    allowed = provided.decide(subjects.deployment("fraud"))
    assert allowed.outcome == "allow", allowed.message
    for group in subjects.STATED:
        asserts = frozenset(subjects.STATED) - {group}
        decision = provided.decide(subjects.deployment("fraud"), asking_as(gate(asserts=asserts)))
        assert decision.outcome == "deny"
        assert {gap.gap for finding in decision.findings for gap in finding.why} == {"weak"}


GROUPS = {
    "registration": {"registered": True, "matches": 1},
    "allowance": {"digest_known": True, "digest_allowed": True},
    "authorship": {"author": "person:mallory"},
    "risk": {"exposure": "internal", "autonomy": "advisory", "data_class": "public"},
}


def test_row_08_what_a_provider_owns_is_never_taken_from_the_caller(provided: World) -> None:
    """Even from a credential that may assert everything: an unregistered model doesn't vouch for itself."""
    request = json.loads(subjects.deployment("unheardof"))
    request["facts"]["models"][0] |= GROUPS
    request["facts"] |= {"deployer": {"environments": ["prod"]}, "waivers": {"active": 0, "oldest_days": 0}}
    everything = gate(asserts=frozenset({*subjects.STATED, "deployer", "waivers", *(f"models/*/{g}" for g in GROUPS)}))
    decision = provided.decide(json.dumps(request).encode(), asking_as(everything))
    assert decision.outcome == "deny"
    assert statuses(decision, REGISTERED) == ["fail deny"]
    assert statuses(decision, "deployment.deployer_is_not_author") == ["not_evaluable deny"]
    nobody = asking_as(gate(actor=Actor("service:nobodyknown", PrincipalKind.SERVICE, "api-key")))
    decision = provided.decide(json.dumps(request).encode(), nobody)
    assert gaps(decision, "deployment.deployer_authorised") == {"absent"}


def test_row_08_point_and_environment_come_from_the_credential(provided: World) -> None:
    for limits in ({"points": frozenset({"audit"})}, {"environments": frozenset({"dev"})}, {"points": frozenset()}):
        decision = provided.decide(subjects.deployment("fraud"), asking_as(gate(**limits)))
        assert (decision.outcome, decision.reason) == ("deny", "not_permitted")


class Sloppy:
    """A provider that says more than it is registered for, or fails."""

    name = "sloppy"
    provides = ("models/*/risk",)
    tier = EvidenceTier.OBSERVED

    def __init__(self, group: FactGroup | None) -> None:
        self._group = group

    async def gather(self, question: Question) -> list[FactGroup]:
        return [self._group] if self._group is not None else []


def test_row_25_two_providers_of_one_group_are_refused() -> None:
    """Merged, the stronger source would lend its tier to what the weaker one said."""
    with pytest.raises(ValueError, match="sloppy and by sloppy"):
        Providers([Sloppy(None), Sloppy(None)])


async def test_row_25_a_group_from_a_provider_is_the_providers_alone() -> None:
    """The caller's fields are not kept beside those of the provider: they would look as if it had said them."""
    now = NOW
    facts: dict[str, Any] = {"models": [{"id": "m", "risk": {"exposure": "internal", "autonomy": "advisory"}}]}
    question = Question("deployment", "deploy", "prod", None, gate().actor, DIGEST, {"models": facts["models"]}, now)
    group = FactGroup("models", 0, "risk", {"data_class": "special"}, "m", now)
    found, failures = await Providers([Sloppy(group)]).gather(facts, question, asking_as(gate()), 1e12)
    assert failures == []
    risk = found["models"][0]["risk"]
    assert {name for name in risk if name != "evidence"} == {"data_class"}


async def test_row_25_a_provider_gives_its_own_groups_and_no_others() -> None:
    """Or a plug-in for one thing could answer for another, in the place and with the name of nobody's provider."""
    facts: dict[str, Any] = {"models": [{"id": "m"}]}
    question = Question("deployment", "deploy", "prod", None, gate().actor, DIGEST, {"models": facts["models"]}, NOW)
    for group in (
        FactGroup("models", 0, "registration", {"registered": True, "matches": 1}, "m", NOW),
        FactGroup("", 0, "deployer", {"environments": ["prod"]}, gate().actor.id, NOW),
        FactGroup("", 0, "risk", {"exposure": "internal"}, DIGEST, NOW),
    ):
        with pytest.raises(EngineError, match="which is not its own"):
            await Providers([Sloppy(group)]).gather(facts, question, asking_as(gate()), 1e12)
    assert facts == {"models": [{"id": "m"}]}


# --- Completeness and identity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["models", "images"])
@pytest.mark.parametrize(
    "change", ["truncated", "emptied", "twice", "foreign", "keyless", "replaced", "no parts", "parts of null"]
)
def test_row_34_a_list_is_exactly_what_the_subject_consists_of(name: str, change: str, provided: World) -> None:
    """A list that was cut, or is the `[]` of a provider that failed, looks like a list in which all is well."""
    items = at(DEPLOYMENT, ("facts", name))
    parts = ("subject", "parts", name)
    value: Any = {
        "truncated": (("facts", name), items[:1]),
        "emptied": (("facts", name), []),
        "twice": (("facts", name), [items[0], items[0]]),
        "foreign": (("facts", name), [*items, changed(items[0], (("digest",), DIGEST))]),
        "keyless": (("facts", name), [*items, {}]),
        "replaced": (("facts", name, 1, "digest"), DIGEST),
        "no parts": (parts, ...),
        "parts of null": (parts, None),
    }[change]
    verdict = provided.verdict(changed(DEPLOYMENT, value))
    assert verdict.outcome == "deny"
    rule = REGISTERED if name == "models" else "deployment.image_pinned"
    assert gaps(verdict, rule) == {"list_incomplete"}


@pytest.mark.parametrize("name", ["models", "images"])
def test_row_34_a_part_that_is_named_twice_is_no_list_of_parts(name: str, provided: World) -> None:
    """Twice in both lists, the second item could say anything; twice in the parts, one of them is not looked at."""
    items, parts = at(DEPLOYMENT, ("facts", name)), at(DEPLOYMENT, ("subject", "parts", name))
    twice = (("subject", "parts", name), [*parts, parts[1]])
    for changes in ((twice, (("facts", name), [*items, items[1]])), (twice,)):
        verdict = provided.verdict(changed(DEPLOYMENT, *changes))
        assert verdict.outcome == "deny"
        assert {gap.gap for finding in verdict.findings for gap in finding.why} == {"list_incomplete"}


def test_row_38_an_exception_for_an_item_needs_the_item_to_be_the_only_one_of_its_name(provided: World) -> None:
    """A waiver names an item by its id. Where two items carry it, nobody knows which one was looked at."""
    image = ("facts", "images", 0)
    waiver = {
        "id": "w1", "rule": "deployment.image_pinned", "subject_digest": DEPLOYMENT["subject"]["digest"],
        "environment": "prod", "item": [at(DEPLOYMENT, (*image, "id"))],
        "from": "2026-03-01T00:00:00Z", "until": "2026-03-09T00:00:00Z",
        "requested_by": "person:alice", "signed_by": "person:bruno",
    }  # fmt: skip
    document = changed(DEPLOYMENT, ((*image, "reference", "pinned"), False), (("waivers", 0), waiver))
    assert statuses(provided.verdict(document), "deployment.image_pinned") == ["fail waived"]
    namesake = changed(document, (("facts", "images", 1, "id"), waiver["item"][0]))
    verdict = provided.verdict(namesake)
    assert (verdict.outcome, statuses(verdict, "deployment.image_pinned")) == ("deny", ["fail deny"])


MISSING: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    ("actor", ("actor",), ..., "bad_actor"),
    ("actor id", ("actor", "id"), ..., "bad_actor"),
    ("actor id of null", ("actor", "id"), None, "bad_actor"),
    ("unresolved actor that claims an id", ("actor", "id"), "unresolved:mlflow", "bad_actor"),
    ("schema", ("schema",), ..., "bad_schema"),
    ("schema of another version", ("schema",), "proctor/input/v2", "bad_schema"),
    ("subject digest", ("subject", "digest"), ..., "bad_subject"),
    ("waivers", ("waivers",), ..., "bad_waivers"),
    ("approvals", ("approvals",), {}, "bad_waivers"),
]


@pytest.mark.parametrize("name", ["deployment", "runtime"])
@pytest.mark.parametrize(("path", "value", "code"), [one[1:] for one in MISSING], ids=[one[0] for one in MISSING])
def test_row_39_what_no_rule_reads_is_missed_all_the_same(
    path: tuple[str | int, ...], value: Any, code: str, name: str, provided: World
) -> None:
    """No rule happens to look at the schema or, at run time, at the actor; the decision is about them nevertheless."""
    verdict = provided.verdict(changed(INPUTS[name], (path, value)))
    assert verdict.outcome == "error"
    assert code in {problem.code for problem in verdict.problems}


@pytest.mark.parametrize("value", [..., "", None, 5, [], {}])
def test_row_39_an_item_without_identity_proves_nothing(value: Any, provided: World) -> None:
    verdict = provided.verdict(changed(DEPLOYMENT, ((*MODEL, "id"), value)))
    assert verdict.outcome == "deny"
    assert gaps(verdict, REGISTERED) == {"unidentified"}


@pytest.mark.parametrize("name", ["deployment", "runtime"])
@pytest.mark.parametrize("factor", ["exposure", "autonomy", "data_class"])
@pytest.mark.parametrize("value", [..., None, "", "unheard of", "Internal", 0, ["internal"]])
def test_row_39_an_unknown_factor_takes_the_worst_tier_and_denies(
    factor: str, value: Any, name: str, provided: World
) -> None:
    """Even where no rule of the stage reads a threshold, nobody goes ahead on a guess."""
    verdict = provided.verdict(changed(INPUTS[name], ((*MODEL, "risk", factor), value)))
    assert verdict.outcome == "deny"
    assert verdict.tier.value == "critical"
    assert verdict.tier.unknown
    assert statuses(verdict, "deployment.risk_tier_known")
