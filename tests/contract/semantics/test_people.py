"""Exceptions that people make: a waiver or an approval covers what was judged, by whom it had to be, and no more."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from proctor.evidence.project import cases
from proctor.vocabulary.canonical import decode
from tests.contract.semantics.worlds import DEPLOYMENT, Tampering, World, statuses
from tests.live import subjects
from tests.live.documents import at, changed

IMAGE = ("facts", "images", 0)
PINNED = "deployment.image_pinned"
LIMITS = "deployment.resource_limits_set"
SUBJECT = DEPLOYMENT["subject"]["digest"]
OTHER = "sha256:" + "9" * 64
UNPINNED = changed(DEPLOYMENT, ((*IMAGE, "reference", "pinned"), False))
UNLIMITED = changed(DEPLOYMENT, (("facts", "workload", "unlimited_containers"), ["spec/0"]))
WAIVER = {
    "id": "w1", "rule": PINNED, "subject_digest": SUBJECT, "environment": "prod",
    "item": [at(DEPLOYMENT, (*IMAGE, "id"))], "from": "2026-03-01T00:00:00Z", "until": "2026-03-09T00:00:00Z",
    "requested_by": "person:alice", "signed_by": "person:bruno",
}  # fmt: skip
NOW = DEPLOYMENT["context"]["now"]


# --- Waivers ---------------------------------------------------------------------------------------------------------


def test_row_14_a_waiver_that_fits_covers(provided: World) -> None:
    verdict = provided.verdict(UNPINNED | {"waivers": [WAIVER]})
    assert (verdict.outcome, statuses(verdict, PINNED)) == ("allow", ["fail waived"])
    assert verdict.rules[PINNED].compliant == 1, "what is waived is not counted as proven"


WAIVERS: list[tuple[str, dict[str, Any]]] = [
    ("another rule", {"rule": "deployment.image_registry_allowed"}),
    ("another subject", {"subject_digest": OTHER}),
    ("no subject", {"subject_digest": None}),
    ("another environment", {"environment": "staging"}),
    ("no environment", {"environment": None}),
    ("another item", {"item": [at(DEPLOYMENT, ("facts", "images", 1, "id"))]}),
    ("no item", {"item": []}),
    ("an item by its index", {"item": ["images", 0]}),
    ("an item as text", {"item": at(DEPLOYMENT, (*IMAGE, "id"))}),
    ("ends at this instant", {"until": NOW}),
    ("begins a moment later", {"from": "2026-03-02T12:00:00.000001Z"}),
    ("longer than the rule permits", {"from": "2026-02-01T00:00:00Z", "until": "2026-03-04T00:00:00Z"}),
    ("no end", {"until": None}),
    ("signed by whoever asked", {"signed_by": "person:alice"}),
    ("signed by nobody", {"signed_by": None}),
    ("signed by a service", {"signed_by": "service:releasebot"}),
    ("asked by nobody", {"requested_by": None}),
    ("asked under another spelling", {"requested_by": "Person:bruno"}),
    ("asked by a login", {"requested_by": "alice@example.com"}),
    ("asked by an unresolved name", {"requested_by": "unresolved:mlflow"}),
    ("no id", {"id": None}),
]


@pytest.mark.parametrize("differences", [one[1] for one in WAIVERS], ids=[one[0] for one in WAIVERS])
def test_row_14_a_waiver_covers_one_rule_subject_environment_and_item_for_its_time(
    differences: dict[str, Any], provided: World
) -> None:
    """Also row 13: whoever can't be told apart from the one who asked has not signed."""
    verdict = provided.verdict(UNPINNED | {"waivers": [WAIVER | differences]})
    assert (verdict.outcome, statuses(verdict, PINNED)) == ("deny", ["fail deny"])


def test_row_14_a_waiver_never_covers_evidence_that_is_missing(provided: World) -> None:
    """Or taking the evidence away would be the way to make any waiver fit."""
    document = changed(UNPINNED, ((*IMAGE, "reference", "pinned"), ...)) | {"waivers": [WAIVER]}
    verdict = provided.verdict(document)
    assert (verdict.outcome, statuses(verdict, PINNED)) == ("deny", ["not_evaluable deny"])


def test_row_14_a_rule_that_can_not_be_waived_is_not(provided: World) -> None:
    document = changed(DEPLOYMENT, (("facts", "models", 0, "registration", "registered"), False))
    waiver = WAIVER | {"rule": "deployment.model_registered", "item": [at(DEPLOYMENT, ("facts", "models", 0, "id"))]}
    assert provided.verdict(document | {"waivers": [waiver]}).outcome == "deny"


def _requested(provided: World, decision: Any, people: dict[str, str]) -> str:
    (finding,) = [one for one in decision.findings if one.rule == PINNED]
    now = provided.components.clock.now()
    wanted = {
        "rule": PINNED, "subject_digest": decision.subject.digest, "environment": "prod", "item": finding.item,
        "valid_from": now.isoformat(), "valid_until": (now + timedelta(days=2)).isoformat(),
        "reason": "the vendor ships no digests yet",
    }  # fmt: skip
    status, waiver = provided.call("POST", "/v1/waivers", wanted, key=people["asks"])
    assert status in {200, 201}, waiver
    return str(waiver["id"])


def _key(provided: World, name: str, role: str) -> str:
    person = provided.made("/v1/principals", {"kind": "person", "name": name, "roles": [role]})["id"]
    document = {"principal": person, "roles": [role], "points": [], "environments": ["*"], "expires_in_days": 1}
    return str(provided.made("/v1/keys", document)["key"])


def _unpinned(*names: str, images: int = 1) -> bytes:
    request = json.loads(subjects.deployment(*names, images=images))
    request["facts"]["images"][0]["reference"]["pinned"] = False
    return json.dumps(request).encode()


def test_row_14_a_real_waiver_of_two_people_covers_this_subject_and_no_other(provided: World) -> None:
    """Asked for, signed and used through the API: until the second person has signed, it covers nothing."""
    people = {"asks": _key(provided, "asks", "requester"), "signs": _key(provided, "signs", "approver")}
    denied = provided.decide(_unpinned("fraud"))
    assert statuses(denied, PINNED) == ["fail deny"]
    waiver = _requested(provided, denied, people)
    assert provided.decide(_unpinned("fraud")).outcome == "deny"
    status, problem = provided.call("POST", f"/v1/waivers/{waiver}/signature", key=people["asks"])
    assert status == 403, problem
    status, _ = provided.call("POST", f"/v1/waivers/{waiver}/signature", key=people["signs"])
    assert status in {200, 201}
    waived = provided.decide(_unpinned("fraud"))
    assert (waived.outcome, statuses(waived, PINNED)) == ("allow", ["fail waived"])
    assert [finding.by for finding in waived.findings] == [waiver]
    assert provided.decide(_unpinned("fraud", "scorer")).outcome == "deny"
    staging = json.loads(_unpinned("fraud")) | {"environment": "staging"}
    assert provided.decide(json.dumps(staging).encode()).outcome == "deny"
    provided.call("DELETE", f"/v1/waivers/{waiver}", key=people["signs"])
    assert provided.decide(_unpinned("fraud")).outcome == "deny"


# --- Separation of duties --------------------------------------------------------------------------------------------

_AUTHOR = at(DEPLOYMENT, ("facts", "models", 0, "authorship", "author"))


@pytest.mark.parametrize(
    "author",
    ["", None, "alice", "Service:releasebot", "service:releasebot ", "service:RELEASEBOT", "person:alice@corp",
     "user:alice", "unresolved:mlflow", "service:releasebot", 5, ["person:alice"], "person:al", "person:älice"],
)  # fmt: skip
def test_row_13_who_is_not_a_minted_principal_is_not_proven_to_be_another(author: Any, provided: World) -> None:
    """With `!=`, a missing, misspelt or aliased author is somebody else; with minted ids he is nobody."""
    document = changed(DEPLOYMENT, (("facts", "models", 0, "authorship", "author"), author))
    verdict = provided.verdict(document)
    assert verdict.outcome == "deny"
    assert [finding.rule for finding in verdict.findings] == ["deployment.deployer_is_not_author"]


@pytest.mark.parametrize("actor", [_AUTHOR, "unresolved:kubernetes", "alice", "", None, 5])
def test_row_13_an_actor_who_is_nobody_is_not_somebody_else(actor: Any, provided: World) -> None:
    document = changed(
        DEPLOYMENT, (("actor", "id"), actor), (("actor", "kind"), "unresolved"),
        (("facts", "deployer", "evidence", "about"), actor),
    )  # fmt: skip
    verdict = provided.verdict(document)
    assert verdict.outcome in {"deny", "error"}
    if verdict.outcome == "deny":
        assert statuses(verdict, "deployment.deployer_is_not_author")


# --- Approvals -------------------------------------------------------------------------------------------------------


def test_row_38_an_approval_names_an_item_that_is_the_only_one_of_its_name(packed: World) -> None:
    """Also of two items, one approved: the other one still asks."""
    rule = "deployment.asked"
    model = ("facts", "models", 0)
    document: dict[str, Any] = changed(
        DEPLOYMENT, (("stage",), "data"), ((*model, "registration", "registered"), False),
        (("facts", "models", 1, "registration", "matches"), 2),
    )  # fmt: skip
    document["context"]["cases"] = cases(document, packed.selection(document), packed.index)
    approval = {
        "id": "a1", "subject_digest": SUBJECT, "environment": "prod", "from": "2026-03-01T00:00:00Z",
        "until": "2026-03-09T00:00:00Z",
        "votes": [
            {"step": "model-owner", "by": "person:carla", "vote": "yes"},
            {"step": "risk-officer", "by": "person:dario", "vote": "yes"},
        ],
        "covers": [{
            "rule": rule, "rule_digest": packed.index.rules[rule]["digest"],
            "case_digest": document["context"]["cases"][rule], "item": [at(DEPLOYMENT, (*model, "id"))],
        }],
    }  # fmt: skip
    verdict = packed.verdict(document | {"approvals": [approval]})
    assert {tuple(f.at): str(f.effect) for f in verdict.findings} == {("models", 0): "approved", ("models", 1): "ask"}
    namesakes = changed(document, (("facts", "models", 1, "id"), at(DEPLOYMENT, (*model, "id"))))
    verdict = packed.verdict(namesakes | {"approvals": [approval]})
    assert verdict.outcome == "require_approval"
    assert statuses(verdict, rule) == ["fail ask"] * 2


def _document(provided: World, **differences: Any) -> dict[str, Any]:
    """Return an input that asks for approval, with the case digests that the engine would write into it."""
    document: dict[str, Any] = changed(UNLIMITED)
    document |= differences
    document["context"]["cases"] = cases(document, provided.selection(document), provided.index)
    return document


def _approval(provided: World, document: dict[str, Any]) -> dict[str, Any]:
    rule = provided.index.rules[LIMITS]
    steps = provided.index.document["chains"]["high"]["prod"][LIMITS]
    people = iter(("person:carla", "person:dario", "person:elena"))
    votes = [{"step": step["name"], "by": next(people), "vote": "yes"} for step in steps for _ in range(step["needs"])]
    return {
        "id": "a1", "subject_digest": SUBJECT, "environment": "prod", "from": "2026-03-01T00:00:00Z",
        "until": "2026-03-09T00:00:00Z", "votes": votes,
        "covers": [{
            "rule": LIMITS, "rule_digest": rule["digest"], "case_digest": document["context"]["cases"][LIMITS],
            "item": [],
        }],
    }  # fmt: skip


def test_row_12_what_was_approved_is_allowed(provided: World) -> None:
    document = _document(provided)
    asked = provided.verdict(document)
    assert (asked.tier.value, asked.outcome, statuses(asked, LIMITS)) == ("high", "require_approval", ["fail ask"])
    verdict = provided.verdict(document | {"approvals": [_approval(provided, document)]})
    assert (verdict.outcome, statuses(verdict, LIMITS)) == ("allow", ["fail approved"])


SPOILT: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("another case", ("covers", 0, "case_digest"), OTHER),
    ("another version of the rule", ("covers", 0, "rule_digest"), OTHER),
    ("another rule", ("covers", 0, "rule"), PINNED),
    ("another item", ("covers", 0, "item"), ["x"]),
    ("no case", ("covers", 0, "case_digest"), None),
    ("covers nothing", ("covers",), []),
    ("another subject", ("subject_digest",), OTHER),
    ("no subject", ("subject_digest",), None),
    ("another environment", ("environment",), "staging"),
    ("over at this instant", ("until",), NOW),
    ("nobody voted", ("votes",), []),
    ("no votes", ("votes",), ...),
    ("one step is missing", ("votes", 1), ...),
    ("a vote of no", ("votes", 1, "vote"), "no"),
    ("a further vote of no", ("votes", 2), {"step": "model-owner", "by": "person:elena", "vote": "no"}),
    ("a vote of null", ("votes", 0, "vote"), None),
    ("one person in two steps", ("votes", 1, "by"), "person:carla"),
    ("a voter who is a service", ("votes", 0, "by"), "service:approvebot"),
    ("a voter without a minted id", ("votes", 0, "by"), "carla"),
    ("a voter who is nobody", ("votes", 0, "by"), None),
    ("a step that does not exist", ("votes", 0, "step"), "friend"),
    ("no id", ("id",), None),
]


@pytest.mark.parametrize(("path", "value"), [one[1:] for one in SPOILT], ids=[one[0] for one in SPOILT])
def test_row_15_an_approval_that_lacks_anything_approves_nothing(
    path: tuple[str | int, ...], value: Any, provided: World
) -> None:
    """Also rows 12 and 13: bound to the case, the rule and the subject; by different people, none a service."""
    document = _document(provided)
    approval = changed(_approval(provided, document), (path, value))
    verdict = provided.verdict(document | {"approvals": [approval]})
    assert (verdict.outcome, statuses(verdict, LIMITS)) == ("require_approval", ["fail ask"])


@pytest.mark.parametrize("key", ["chain", "steps", "needs"])
def test_row_15_an_approval_does_not_bring_its_own_chain(key: str, provided: World) -> None:
    """Who must agree is configuration; an approval that says that one person is enough is not asked."""
    document = _document(provided)
    approval = _approval(provided, document)
    approval = changed(approval, (("votes", 1), ...)) | {key: [{"name": "model-owner", "needs": 1}]}
    assert provided.verdict(document | {"approvals": [approval]}).outcome == "require_approval"


def test_row_13_the_actor_does_not_vote_on_his_own_request(provided: World) -> None:
    actor = "person:carla"
    document = changed(
        _document(provided), (("actor", "id"), actor), (("actor", "kind"), "person"),
        (("facts", "deployer", "evidence", "about"), actor),
    )  # fmt: skip
    document["context"]["cases"] = cases(document, provided.selection(document), provided.index)
    verdict = provided.verdict(document | {"approvals": [_approval(provided, document)]})
    assert (verdict.outcome, statuses(verdict, LIMITS)) == ("require_approval", ["fail ask"])


def test_row_12_evidence_that_is_missing_is_never_asked_about(provided: World) -> None:
    document = changed(_document(provided), (("facts", "workload", "unlimited_containers"), "spec/0"))
    verdict = provided.verdict(document | {"approvals": [_approval(provided, document)]})
    assert (verdict.outcome, statuses(verdict, LIMITS)) == ("deny", ["not_evaluable deny"])


def _cases(provided: World, request: bytes) -> dict[str, str]:
    """Return the case digests that the engine sends to OPA for this request."""
    watching = Tampering(provided, lambda _: None)
    with provided.engine(watching):
        provided.decide(request)
    document: Any = decode(watching.asked[-1])
    return dict(document["context"]["cases"])


def _asking(**workload: Any) -> bytes:
    request = json.loads(subjects.deployment("fraud"))
    request["facts"]["workload"] |= {"unlimited_containers": ["spec/0"], **workload}
    return json.dumps(request).encode()


def test_row_12_the_case_is_the_same_as_long_as_people_would_judge_the_same(provided: World) -> None:
    """Bound to the whole input, no approval could ever match: its clock, and the approval itself, are in it."""
    first = _cases(provided, _asking())
    assert set(first) == {LIMITS, "deployment.deployment_approved"}
    provided.run(asyncio.sleep(0.01))
    assert _cases(provided, _asking()) == first
    assert _cases(provided, _asking(unlimited_containers=["spec/1"])) != first
    request = json.loads(_asking())
    for change in ({"purpose": "scoring"}, {"environment": "staging"}, {"operation": "scale"}):
        assert _cases(provided, json.dumps(request | change).encode()) != first, change
    two = json.loads(subjects.deployment("fraud", "scorer"))["facts"]["models"]
    request["facts"]["models"] = two
    assert _cases(provided, json.dumps(request).encode()) != first, "another subject"


def test_row_37_the_case_of_a_rule_depends_on_no_other_rule_s_facts(provided: World) -> None:
    """Over all that was asked, each new rule, and each fact that another one reads, would void every approval."""
    first = _cases(provided, _asking())[LIMITS]
    others = _asking(writable_model_mounts=["spec/0"], unclassified=["spec/env/MODEL"])
    assert _cases(provided, others)[LIMITS] == first
    request = json.loads(_asking())
    request["facts"]["images"][0]["reference"]["pinned"] = False
    assert _cases(provided, json.dumps(request).encode())[LIMITS] == first
