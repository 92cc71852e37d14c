"""An attack on allowed inputs and requests: whatever is changed, an allow is one that the oracle agrees with.

Single changes are tried exhaustively, at every point and in every environment; several at once by Hypothesis. Strict
and lenient evaluation must say the same, the recount must agree, and a refusal must say why.
"""

import copy
import http.client
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proctor.vocabulary.canonical import canonical
from tests.contract.semantics import oracle
from tests.contract.semantics.worlds import DEPLOYMENT, INPUTS, World
from tests.live import subjects
from tests.live.documents import at, changed, paths
from tests.live.server import LocalConnection

VALUES: list[Any] = [
    ..., None, True, False, 0, 1, 2, -1, 1.5, 10**15, "", "x", "prod", "allow", "observed", "verified", "declared",
    "models:/fraud/7", "person:alice", "service:releasebot", "unresolved:x", "internal", "public",
    "2026-03-02T11:00:00Z", "2027-01-01T00:00:00Z", "9999-01-01T00:00:00Z", [], [None],
    ["x"], ["prod"], [[]], {}, {"x": 1}, {"evidence": {}},
]  # fmt: skip
DECLARED = [
    path
    for path in paths(DEPLOYMENT)
    if path[0] == "facts" and 1 not in path and path[-1] not in (0, "source", "fetched_at", "digest")
]
"""Every list, and of its first item and the whole request every group, field and piece of evidence that counts."""


@pytest.fixture(scope="module")
def lenient(unguarded: str) -> Iterator[Any]:
    """Yield a function that asks an OPA without strict built-in errors, as `opa test` is one."""
    connection = LocalConnection(unguarded)

    def ask(document: Any) -> Any:
        try:
            body = b'{"input":' + canonical(document) + b"}"
            connection.request("POST", "/v1/data/governance/main/decision", body)
            answer = json.loads(connection.getresponse().read())
        except http.client.HTTPException:
            connection.close()
            raise
        return answer["result"]

    yield ask
    connection.close()


def _plain(found: Any) -> Any:
    """Return a verdict without the order of its lists, which OPA takes from sets."""
    return json.dumps(found, sort_keys=True)


def _judge(world: World, documents: list[Any]) -> int:
    """Ask about all documents; fail for an allow that the oracle does not know of. Return how many were allowed."""
    allowed = 0
    for document, verdict in zip(documents, world.verdicts(documents), strict=True):
        if verdict.outcome == "allow":
            allowed += 1
            assert oracle.may_be_allowed(document), json.dumps(document, indent=1)
    return allowed


# --- The oracle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INPUTS)
def test_the_oracle_agrees_with_what_is_allowed(name: str, provided: World) -> None:
    assert oracle.may_be_allowed(INPUTS[name])
    assert provided.verdict(INPUTS[name]).outcome == "allow"


def test_the_oracle_knows_what_each_rule_of_these_inputs_means(provided: World) -> None:
    asked = {code for document in INPUTS.values() for code in provided.selection(document).codes}
    assert asked <= set(oracle.MEANINGS)


def test_the_oracle_and_the_policy_agree_on_every_single_change(provided: World) -> None:
    """Both ways: what the oracle would allow is allowed, or it would be a judge who refuses everything."""
    documents = [changed(DEPLOYMENT, (path, value)) for path in paths(DEPLOYMENT) for value in VALUES]
    # 17 has no factor in common with the number of values, so that each of them is tried.
    documents = documents[::17]
    for document, verdict in zip(documents, provided.verdicts(documents), strict=True):
        assert (verdict.outcome == "allow") == oracle.may_be_allowed(document), json.dumps(document, indent=1)


# --- Single changes --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.parametrize("environment", oracle.ENVIRONMENTS)
def test_evidence_that_is_spoilt_never_allows_wherever_it_is_asked(environment: str, provided: World) -> None:
    """Each list, group, field and piece of evidence: taken out, nulled, mistyped; the points by turns."""
    stamps = [(("facts", "models", index, "stamp", "environment"), environment) for index in (0, 1)]
    base = changed(DEPLOYMENT, (("facts", "deployer", "environments"), list(oracle.ENVIRONMENTS)), *stamps)
    spoilt = [
        (path, value)
        for path in DECLARED
        for value in (..., None, {"x": 1} if isinstance(at(DEPLOYMENT, path), str) else "x")
    ]
    first = oracle.ENVIRONMENTS.index(environment)  # so that in each environment another point meets what is spoilt
    documents = [
        changed(base, change, (("environment",), environment), (("point",), oracle.POINTS[turn % len(oracle.POINTS)]))
        for turn, change in enumerate(spoilt, first)
    ]
    whole = [changed(base, (("environment",), environment), (("point",), point)) for point in oracle.POINTS]
    assert _judge(provided, whole) == len(whole)
    allowed = _judge(provided, documents)
    # What only warns in dev lets its own spoilt evidence through there, and nowhere else.
    assert (allowed > 0) == (environment == "dev")


def test_digests_that_are_swapped_never_allow(provided: World) -> None:
    """Digests of the input, the subject's and the parts' among them, change places: one in eleven of all the pairs."""
    digests = [path for path in paths(DEPLOYMENT) if str(at(DEPLOYMENT, path)).startswith("sha256:")]
    documents = [
        changed(DEPLOYMENT, (one, at(DEPLOYMENT, other)), (other, at(DEPLOYMENT, one)))
        for one, other in itertools.islice(itertools.combinations(digests, 2), 0, None, 11)
        if at(DEPLOYMENT, one) != at(DEPLOYMENT, other)
    ]
    assert len(documents) > 200
    _judge(provided, documents)


def test_what_means_the_same_is_decided_the_same(provided: World) -> None:
    """The order of items and parts, and fields that nobody declares, change nothing: the attack is not vacuous."""
    facts, parts = ("facts",), ("subject", "parts")
    same = [
        changed(DEPLOYMENT, ((*facts, "models"), at(DEPLOYMENT, (*facts, "models"))[::-1])),
        changed(DEPLOYMENT, ((*parts, "images"), at(DEPLOYMENT, (*parts, "images"))[::-1])),
        changed(DEPLOYMENT, ((*facts, "models", 0, "unknown"), {"evil": True})),
        changed(DEPLOYMENT, ((*facts, "unknown"), [])),
        changed(DEPLOYMENT, (("outcome",), "deny")),
    ]
    assert _judge(provided, same) == len(same)


# --- Several changes -------------------------------------------------------------------------------------------------

NODES = {name: list(paths(document)) for name, document in INPUTS.items()}


@st.composite
def _attacked(draw: st.DrawFn) -> Any:
    """Return an allowed input with up to four nodes deleted, replaced, moved, swapped or doubled."""
    name = draw(st.sampled_from(sorted(INPUTS)))
    document = copy.deepcopy(INPUTS[name])
    for _ in range(draw(st.integers(1, 4))):
        path, other = draw(st.sampled_from(NODES[name])), draw(st.sampled_from(NODES[name]))
        how = draw(st.sampled_from(["value", "value", "copy", "swap", "double", "unknown", "reverse"]))
        try:
            document = _change(document, how, path, other, draw(st.sampled_from(VALUES)))
        except (LookupError, TypeError):
            continue  # an earlier change has taken the node away
    return document


def _change(document: Any, how: str, path: Any, other: Any, value: Any) -> Any:
    here = at(document, path)
    if how == "value":
        return changed(document, (path, value))
    if how == "copy":
        return changed(document, (path, at(document, other)))
    if how == "swap":
        return changed(document, (path, at(document, other)), (other, here))
    if how == "double":
        return changed(document, ((*path, len(here)), here[0])) if isinstance(here, list) else document
    if how == "reverse":
        return changed(document, (path, here[::-1])) if isinstance(here, list) else document
    return changed(document, ((*path, "unheard"), value)) if isinstance(here, dict) and value is not ... else document


@given(_attacked())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_attack_ends_in_an_allow_that_was_not_earned(provided: World, lenient: Any, document: Any) -> None:
    """It always ends in a verdict, the same in both modes, and the recount (`World.verdict`) agrees."""
    verdict = provided.verdict(document)
    if verdict.outcome == "allow":
        assert oracle.may_be_allowed(document)
    assert _plain(lenient(document)) == _plain(provided.raw(document))


# --- Through the door ------------------------------------------------------------------------------------------------

REQUEST: dict[str, Any] = json.loads(subjects.deployment("fraud", "scorer", images=2))
REQUEST_NODES = list(paths(REQUEST))
UNREAD = {
    "": {"purpose", "request_id"}, "subject": {"name"}, "workload": {"kind", "namespace", "name"},
    "reference": {"paths", "roles", "schemes", "references"},
}  # fmt: skip
"""By what is around them: names and what only messages show; nothing is decided by them."""


def _without(holder: dict[str, Any], around: str) -> dict[str, Any]:
    said = {name: value for name, value in holder.items() if name not in UNREAD[around] and value is not None}
    return {name: sorted(set(map(str, value))) if isinstance(value, list) else value for name, value in said.items()}


def _model(item: dict[str, Any]) -> str:
    """Return what is said of a model: every URI, and the digest, which the inventory knows where it is left out."""
    reference = _without(item["reference"], "reference")
    uris = sorted({item["id"], *reference["uris"]})
    known = {subjects.uri(name): subjects.digest(name) for name in ("fraud", "scorer")}
    return json.dumps([uris, item.get("digest") or known.get(item["id"]), {**reference, "uris": uris}], sort_keys=True)


def _image(item: dict[str, Any]) -> str:
    """Return what is said of an image: its reference. Id and digest are its name, and part of the subject's digest."""
    reference = _without(item["reference"], "reference")
    registries = reference.pop("registries")
    return json.dumps([reference, registries != [] and all(map(oracle.listed, registries))], sort_keys=True)


def _essence(request: dict[str, Any]) -> tuple[set[str], set[str], Any]:
    """Return the models, the images, and everything else that a valid request says."""
    facts = request["facts"]
    rest = _without(request, "") | {
        "subject": _without(request["subject"], "subject"),
        "facts": _without(facts["workload"], "workload"),
    }
    return {_model(item) for item in facts["models"]}, {_image(item) for item in facts["images"]}, rest


def test_no_single_change_of_a_request_is_allowed_unless_it_says_the_same(provided: World) -> None:
    """An item less is another subject, allowed in its own right; nothing else that is decided by may differ."""
    assert provided.decide(json.dumps(REQUEST).encode()).outcome == "allow"
    values = [..., None, True, False, 0, "", "x", "sha256:" + "9" * 64, [], {}, ["x"]]
    allowed = []
    for path in REQUEST_NODES:
        for value in values:
            request = changed(REQUEST, (path, value))
            if request != REQUEST and provided.decide(json.dumps(request).encode()).allowed:
                allowed.append((path, value, request))
    surprising = [(path, value) for path, value, request in allowed if not _same_or_less(request)]
    assert surprising == [], "\n".join(map(str, surprising))
    assert allowed, "the names can be changed"


def _same_or_less(request: dict[str, Any]) -> bool:
    """Tell whether every item of the request is one of the original's, and everything else is as it was."""
    (models, images, rest), (all_models, all_images, the_rest) = _essence(request), _essence(REQUEST)
    return models <= all_models and images <= all_images and bool(rest == the_rest)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(REQUEST_NODES),
            st.sampled_from(REQUEST_NODES),
            st.sampled_from(VALUES),
            st.sampled_from(["value", "copy", "swap", "double", "unknown", "reverse"]),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_attack_on_a_request_is_allowed_unless_it_says_the_same(provided: World, changes: list[Any]) -> None:
    request: Any = REQUEST
    for path, other, value, how in changes:
        try:
            request = _change(request, how, path, other, value)
        except (LookupError, TypeError):
            continue
    decision = provided.decide(json.dumps(request).encode())
    assert decision.reason != "internal_error"
    if decision.allowed:
        assert _same_or_less(request)
