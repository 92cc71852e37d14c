"""Reviews that a real API server sent, replayed through the adapter's route; and the same reviews spoiled in any way.

How they were recorded: `recorded/kubernetes/README.md`. `understood` reads each answer as the API server does.
"""

import copy
import functools
import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.vocabulary.request import DecisionRequest
from tests.adapters.kubernetes.doubles import Cluster, FakeDecider, decision, finding, understood
from tests.contract.recorded.kubernetes.expected import EXPECTED, Judged
from tests.live.server import ProctorServer, running

FOLDER: Final = Path(__file__).parent / "recorded" / "kubernetes"
HEADERS: Final = {
    "user-agent": "kube-apiserver-admission",
    "content-type": "application/json",
    "accept": "application/json, */*",
    "accept-encoding": "gzip",
}
DENY = decision("deny", "non_compliant", findings=[finding()])
PASSED: Final = {"status", "kind", "delete", "being_deleted", "bookkeeping", "scale_down", "scale_to_zero"}
JUDGED: Final = [name for name, expected in EXPECTED.items() if isinstance(expected, Judged)]
SCALES: Final = {
    "deployment-scale-up": "deployment-create",
    "deployment-scale-from-zero": "deployment-update",
    "replicaset-scale": "replicaset-update",
    "statefulset-scale": "statefulset-create",
    "replicationcontroller-scale": "replicationcontroller-create",
    "rollout-scale": "rollout-create",
    "v1beta1-deployment-scale": "v1beta1-deployment-create",
}


def body(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


@functools.cache
def document(name: str) -> Any:
    return json.loads(body(name))


async def replay(cluster: Cluster, name: str) -> dict[str, Any]:
    """Post one recording, and read the answer as the API server does."""
    response = await cluster.post(body(name), "/admit?timeout=10s", **HEADERS)
    assert response.headers["content-type"] == "application/json"
    return understood(response, document(name))


def facts(request: DecisionRequest) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return places by id, of models and of images."""
    models = {item.id: sorted(item.reference.paths) for item in request.facts.models or () if item.reference}
    images = {item.id: sorted(item.reference.paths) for item in request.facts.images or () if item.reference}
    return models, images


def in_order(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(paths) for name, paths in places.items()}


def test_every_recording_is_expected_to_lead_to_something() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("answer", [decision(), DENY], ids=["allow", "deny"])
async def test_a_recorded_review(name: str, answer: Any) -> None:
    expected = EXPECTED[name]
    cluster = Cluster(FakeDecider(answer))
    reply = await replay(cluster, name)
    if isinstance(expected, str):
        assert reply["allowed"] is (expected in PASSED)
        assert reply["auditAnnotations"]["reason"] == expected
        assert cluster.decider.asked == []
        return
    assert reply["allowed"] is answer.allowed
    [(request, asking)] = cluster.decider.asked
    models, images = facts(request)
    assert models == in_order(expected.models)
    assert images == in_order(expected.images)
    workload = request.facts.workload
    assert workload is not None
    assert workload.unclassified == []
    assert workload.writable_model_mounts == expected.writable
    assert (asking.caller.actor.id, asking.dry_run) == (expected.actor, expected.dry_run)
    sent = document(name)["request"]
    assert (workload.kind, workload.namespace, workload.name) == (sent["kind"]["kind"], sent["namespace"], sent["name"])
    assert bool(cluster.deployments.kept) <= (answer.allowed and not expected.dry_run)


async def test_what_can_change_under_its_name_is_marked_so() -> None:
    mutable: dict[str, bool] = {}
    for name in JUDGED:
        cluster = Cluster(FakeDecider(DENY))
        await replay(cluster, name)
        facts = cluster.decider.asked[0][0].facts
        mutable |= {item.id: item.reference.mutable for item in facts.models or () if item.reference}
        mutable |= {item.id: not item.reference.pinned for item in facts.images or () if item.reference}
    assert sorted(name for name, can_change in mutable.items() if not can_change) == sorted(
        [
            "hf://Qwen/Qwen2.5-7B-Instruct@a09a35458c702b33eeacc393d103063234e8bc28",
            "hf://meta-llama/Llama-3.1-8B@0e9e39f249a16976918f6564b8830bc894c89659",
            *(f"models:/fraud/{version}" for version in (7, 8, 9)),
            *(name for name in mutable if "@sha256:" in name),
        ]
    )
    assert {"models:/fraud@champion", "s3://models/fraud/7", "hf://BAAI/bge-large-en-v1.5"} <= mutable.keys()


@pytest.mark.parametrize(("scale", "before"), SCALES.items())
async def test_a_recorded_scale_is_judged_on_what_was_recorded_before_it(scale: str, before: str) -> None:
    cluster = Cluster(FakeDecider(decision()))
    assert (await replay(cluster, before))["allowed"] is True
    assert (await replay(cluster, scale))["allowed"] is True
    cluster.decider.answer = DENY
    reply = await replay(cluster, scale)
    assert reply["allowed"] is False
    deployed, scaled, _ = (request for request, _ in cluster.decider.asked)
    assert (str(deployed.operation), str(scaled.operation)) == ("deploy", "scale")
    assert facts(deployed) == facts(scaled)
    assert scaled.subject == deployed.subject


@pytest.mark.parametrize("name", JUDGED)
async def test_an_allow_is_good_for_one_call(name: str) -> None:
    """The same review, with the same uid, is asked about again: neither vouches for another call."""
    cluster = Cluster(FakeDecider(decision()))
    await replay(cluster, name)
    cluster.decider.answer = DENY
    assert (await replay(cluster, name))["allowed"] is False
    assert len(cluster.decider.asked) == 2


# --- Spoiled in any way ----------------------------------------------------------------------------------------------

DEEP: Any = functools.reduce(lambda inner, _: [inner], range(200), 0)
SPOILED = st.sampled_from(
    [None, True, False, 0, -1, 2**70, 1.5, "", "x", "models:/other/1", "/mnt/models", "CREATE", "DELETE", "\ud800",
     "\x00", "a" * 5000, "$(X)", [], [None], [[]], {}, {"": {}}, {"uid": "x"}, ["x"] * 2000, DEEP]
)  # fmt: skip


@functools.cache
def paths(name: str) -> list[tuple[str | int, ...]]:
    """Return the path of every node below `request`."""
    found: list[tuple[str | int, ...]] = []
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(document(name), ())]
    while waiting:
        value, path = waiting.pop()
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in entries:
            found.append((*path, key))
            waiting.append((inner, (*path, key)))
    return found


def spoil(document: Any, path: tuple[str | int, ...], how: str, value: Any) -> None:
    """Delete, replace, double or wrap the node at `path`, as far as it is still there."""
    holder = document
    for key in path[:-1]:
        if not (isinstance(holder, dict) and key in holder) and not (
            isinstance(holder, list) and isinstance(key, int) and key < len(holder)
        ):
            return
        holder = holder[key]
    last = path[-1]
    if isinstance(holder, dict) and last in holder:
        if how == "delete":
            del holder[last]
        elif how == "rename":
            holder[f"{last}X"] = holder.pop(last)
        else:
            holder[last] = [holder[last]] if how == "wrap" else value
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        if how == "delete":
            del holder[last]
        else:
            holder[last] = {"x": holder[last]} if how == "wrap" else value


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(sorted(EXPECTED)))
    found = copy.deepcopy(document(name))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(name)))
        spoil(found, path, draw(st.sampled_from(["delete", "rename", "wrap", "replace", "replace"])), draw(SPOILED))
    return name, found


def carries_anything(review: Any) -> bool:
    """Tell whether the object still shows anything that runs or loads a model: read without the adapter's help."""
    new = review["request"].get("object")
    text = json.dumps({key: value for key, value in new.items() if key not in {"metadata", "status"}})
    return any(sign in text for sign in ('"containers"', '"storageUri"', '"storageUris"', '"models:/', "MODEL_URI"))


@given(spoiled())
@settings(max_examples=400)
async def test_no_spoiled_recording_gets_in_by_accident_or_fails_the_call(case: tuple[str, Any]) -> None:
    _, review = case
    cluster = Cluster(FakeDecider(DENY))
    raw = json.dumps(review).encode()
    response = await cluster.post(raw, "/admit?timeout=10s", **HEADERS)
    request = review.get("request") if isinstance(review, dict) else None
    uid = request.get("uid") if isinstance(request, dict) else None
    if not (isinstance(uid, str) and uid):
        assert response.status_code in {200, 400}  # without a uid every answer is a failed call
        assert response.status_code == 400 or response.json()["response"]["allowed"] is False
        return
    reply = understood(response, review)
    if not reply["allowed"]:
        return
    why = reply["auditAnnotations"]["reason"]
    assert reply["auditAnnotations"]["outcome"] == "ungoverned"
    assert cluster.decider.asked == []
    operation = request.get("operation") if isinstance(request, dict) else None
    holds = {
        "delete": lambda: operation == "DELETE",
        "status": lambda: review["request"]["subResource"] == "status",
        "kind": lambda: operation in {"CREATE", "UPDATE"} and not carries_anything(review),
        "being_deleted": lambda: (
            review["request"]["object"]["metadata"]["deletionTimestamp"] and same_spec(review["request"])
        ),
        "bookkeeping": lambda: operation == "UPDATE" and same_spec(review["request"]),
        "scale_down": lambda: replicas(review, "object") < replicas(review, "oldObject"),
        "scale_to_zero": lambda: replicas(review, "object") == 0,
    }
    assert holds[why](), why


def same_spec(request: Any) -> bool:
    old = request.get("oldObject")
    return not isinstance(old, dict) or bool(request["object"].get("spec") == old.get("spec"))


def replicas(review: Any, which: str) -> int:
    found = review["request"][which].get("spec", {}).get("replicas", 0)
    assert type(found) is int
    return int(found)


@pytest.mark.parametrize("name", ["deployment-create", "pod-create", "inferenceservice-create", "cronjob-create"])
@pytest.mark.parametrize("answer", [decision(), DENY])
async def test_no_spoiled_text_is_read_two_ways(name: str, answer: Any) -> None:
    """Bytes that two decoders read differently are denied, even where the decision would be an allow."""
    raw = body(name)
    cases = {
        "twice": raw.replace(b'"operation":"CREATE"', b'"operation":"CREATE","operation":"DELETE"'),
        "twice within": raw.replace(b'"spec":{', b'"spec":{"x":1,"x":2,', 1),
        "nan": raw.replace(b'"dryRun":false', b'"dryRun":NaN'),
        "double": raw.replace(b'"dryRun":false', b'"dryRun":1e999'),
        "cut": raw[:-2],
        "more": raw + b" {}",
        "deep": raw.replace(b'"dryRun":false', b'"dryRun":' + b"[" * 200_000 + b"]" * 200_000),
        "latin": raw.replace(b"fraud", b"fr\xe4ud"),
        "utf-16": raw.decode().encode("utf-16"),
        "mark": b"\xef\xbb\xbf" + raw,
        "long": raw.replace(b'"dryRun":false', b'"dryRun":' + b"9" * 100_000),
    }
    for how, spoiled_body in cases.items():
        assert spoiled_body != raw, how
        cluster = Cluster(FakeDecider(answer))
        response = await cluster.post(spoiled_body, "/admit?timeout=10s", **HEADERS)
        if how == "utf-16":
            assert response.status_code == 400
        else:
            assert understood(response, document(name))["allowed"] is False, how
        assert cluster.decider.asked == [], how


async def test_a_compressed_body_is_refused_and_not_unpacked() -> None:
    """No API server compresses its calls; who does is told so, and nothing is allowed."""
    import gzip  # noqa: PLC0415 (used here alone)

    cluster = Cluster(FakeDecider(decision()))
    packed = gzip.compress(body("pod-create"))
    response = await cluster.post(packed, "/admit", **{**HEADERS, "content-encoding": "gzip"})
    assert (response.status_code, response.json()["kind"]) == (400, "Status")
    assert cluster.decider.asked == []


# --- The whole server ------------------------------------------------------------------------------------------------


def test_the_real_server_answers_every_recording(opa_binary: Path, state_dir: Path) -> None:
    """Nobody is linked and nothing is registered, so whatever is judged is denied, by decisions that are on record."""
    configuration = {"adapters": {"kubernetes": {"namespaces": {"ml-*": "prod"}}}}
    with running(ProctorServer(state_dir, opa_binary, configuration)) as server:
        for name, expected in EXPECTED.items():
            status, answer = server.call("POST", "/v1/adapters/kubernetes/admit?timeout=30s", body(name))
            reply = understood(httpx.Response(status, json=answer), document(name))
            audit = reply["auditAnnotations"]
            if isinstance(expected, str):
                assert (reply["allowed"], audit["reason"]) == (expected in PASSED, expected), name
                continue
            assert (reply["allowed"], audit["outcome"], audit["reason"]) == (False, "deny", "non_compliant"), name
            status, record = server.call("GET", f"/v1/decisions/{audit['decision-id']}")
            if expected.dry_run:
                assert status == 404, name
            else:
                assert (status, record["outcome"], record["point"]) == (200, "deny", "kubernetes-admission"), name
