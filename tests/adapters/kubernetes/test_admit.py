"""The admission route as an API server sees it: kubernetes.md 1.1 to 1.4 from the server's side."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from proctor.errors import RefusedError
from proctor.plugins import Services
from proctor.vocabulary.canonical import MAX_BYTES, digest_bytes
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind
from proctor.vocabulary.words import EvidenceTier
from proctor_adapters.kubernetes import gate, models
from proctor_adapters.kubernetes.configuration import KubernetesSettings
from proctor_adapters.kubernetes.routes import _check, _check_body, time_budget
from tests.adapters.kubernetes.doubles import (
    DIGEST,
    MOUNT,
    Cluster,
    FakeDecider,
    FakePeople,
    decision,
    deployment,
    finding,
    inference_service,
    review,
    understood,
)

SERVING = deployment(container={"args": ["mlflow", "models", "serve", "-m", "models:/fraud/7"]})
DENY = decision("deny", "non_compliant", findings=[finding()])
ERROR = decision(
    "error", "engine_unavailable", problems=[{"code": "engine_unavailable", "message": "OPA is not there"}]
)
ASK = decision("require_approval", "approval_required", findings=[finding(effect="ask")])


@pytest.fixture
def allowing() -> Cluster:
    return Cluster(FakeDecider(decision()))


async def test_an_allow(allowing: Cluster) -> None:
    document = review(SERVING)
    reply = await allowing.admit(document)
    assert reply["allowed"] is True
    assert reply["auditAnnotations"] == {
        "decision-id": "dec_" + "0" * 26,
        "outcome": "allow",
        "reason": "compliant",
        "policy-revision": "r1",
        "policy-digest": DIGEST,
    }
    [(request, asking)] = allowing.decider.asked
    assert request.environment == "prod"
    assert asking.caller.actor.id == "person:alice"
    assert asking.caller.roles == frozenset()
    assert asking.tier is EvidenceTier.OBSERVED
    assert asking.body_digest == digest_bytes(json.dumps(document).encode())
    assert 9 < asking.budget <= 9.7
    assert not asking.dry_run


@pytest.mark.parametrize("answer", [DENY, ERROR, ASK])
async def test_nothing_but_an_allow_lets_through(answer: Any) -> None:
    reply = await Cluster(FakeDecider(answer)).admit(review(SERVING))
    assert reply["allowed"] is False
    assert answer.id in reply["status"]["message"]
    assert reply["auditAnnotations"]["outcome"] == answer.outcome


async def test_the_message_says_what_where_and_how_to_mend_it() -> None:
    reply = await Cluster(FakeDecider(DENY)).admit(review(SERVING))
    assert reply["status"]["message"] == (
        "[deployment.model_registered] model models:/fraud/7 is not one registered version, "
        "at spec.template.spec.containers[0].args[4]; Register it\n"
        "decision dec_00000000000000000000000000"
    )


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
@pytest.mark.parametrize("path", ["/admit", "/admit/", "/admit/core", "/admit/core/", "/admit?registration=core"])
async def test_both_versions_on_all_paths_without_redirects(allowing: Cluster, version: str, path: str) -> None:
    assert (await allowing.admit({**review(SERVING), "apiVersion": version}, path))["allowed"] is True


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/json; charset=latin-1", "nonsense", ""])
async def test_the_content_type_does_not_matter(allowing: Cluster, kind: str) -> None:
    sent = review(SERVING)
    response = await allowing.post(json.dumps(sent).encode(), **{"content-type": kind})
    assert understood(response, sent)["allowed"] is True


UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def spoiled(**fields: Any) -> dict[str, Any]:
    return {**review(SERVING), **fields}


@pytest.mark.parametrize(
    "body",
    [
        spoiled(apiVersion="admission.k8s.io/v2"),
        spoiled(apiVersion="v1"),
        spoiled(apiVersion=None),
        spoiled(apiVersion=5),
        spoiled(kind="Pod"),
        spoiled(kind=None),
        spoiled(request={"uid": UID}),
        spoiled(request={"uid": UID, "operation": "CREATE", "object": {}}),
        spoiled(request={"uid": UID, "operation": "CREATE", "object": "x", "kind": "x", "resource": [], "userInfo": 5}),
        {"request": {"uid": UID}},
        {"uid": UID},
        {"request": {"object": {"metadata": {"uid": UID}}}},
        {"request": [{"uid": UID}]},
        [{"request": {"uid": UID}}],
    ],
)
async def test_what_has_a_uid_anywhere_is_denied_readably(allowing: Cluster, body: Any) -> None:
    response = await allowing.post(json.dumps(body).encode())
    answer = response.json()
    assert (response.status_code, answer["response"]["uid"]) == (200, UID)
    if answer["response"]["allowed"]:  # only what was asked about
        assert allowing.decider.asked


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(review(SERVING)).encode()[:-40],
        json.dumps(review(SERVING)).encode() + b"}",
        json.dumps(review(SERVING)).encode().replace(b'"dryRun": false', b'"dryRun": NaN'),
        json.dumps(review(SERVING)).encode().replace(b'"dryRun"', b'"operation": "DELETE", "dryRun"'),
        json.dumps(review(SERVING)).encode().replace(b'"dryRun": false', b'"dryRun": 1e400'),
        json.dumps(review(SERVING)).encode().replace(b"scorer", b"\xff"),
        b'{"apiVersion":"admission.k8s.io/v1","request":{"uid":"' + UID.encode() + b'","x":' + b"[" * 100_000,
        b'{"request":{"uid":"' + UID.encode() + b'","x":' + b"9" * 5000 + b"}}",
    ],
    ids=["cut", "more", "nan", "twice", "double", "utf8", "deep", "digits"],
)
async def test_what_can_not_be_decoded_is_denied_readably(allowing: Cluster, raw: bytes) -> None:
    response = await allowing.post(raw)
    reply = understood(response, {"request": {"uid": UID}})
    assert reply["allowed"] is False
    assert allowing.decider.asked == []


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"[]", b"x", b'{"request":{"uid":""}}', b'{"request":{"uid":5}}'])
async def test_only_without_any_uid_the_answer_is_400(allowing: Cluster, raw: bytes) -> None:
    response = await allowing.post(raw)
    assert response.status_code == 400
    assert "retry-after" not in response.headers
    # A Status is what client-go shows the text of (k8s.io/client-go `rest.Request.transformResponse`).
    status = response.json()
    assert (status["kind"], status["apiVersion"], status["code"]) == ("Status", "v1", 400)
    assert "AdmissionReview" in status["message"]


async def test_over_the_limit_the_answer_is_a_denial_and_no_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "decode", None)  # what is over the limit costs next to nothing
    entry = {"on_engine_error": "defer", "until": "2099-01-01T00:00:00Z", "signed_by": "person:alice"}
    busy = Cluster(FakeDecider(decision()), over_limit=True, registrations={"core": entry})
    for path in ("/admit", "/admit/core"):
        reply = await busy.admit(review(SERVING), path)
        assert reply["allowed"] is False
        assert reply["auditAnnotations"] == {"outcome": "error", "reason": "rate_limited"}
    assert busy.decider.asked == []


async def test_a_large_body_is_judged_and_a_huge_one_denied(allowing: Cluster) -> None:
    padded = review(SERVING)
    padded["request"]["oldObject"] = {"data": "x" * (MAX_BYTES - 100_000)}
    assert (await allowing.admit(padded))["allowed"] is True
    padded["request"]["oldObject"] = {"data": "x" * MAX_BYTES}
    reply = await allowing.admit(padded)
    assert reply["allowed"] is False
    assert "8 MiB" in reply["status"]["message"]


async def test_a_uid_comes_back_as_it_came(allowing: Cluster) -> None:
    for uid in ('ü\u2028\\"', "\ud800", "x" * 400):
        document = review(SERVING)
        document["request"]["uid"] = uid
        assert (await allowing.admit(document))["uid"] == uid


@pytest.mark.parametrize("fields", [{"dryRun": True}, {"options": {"dryRun": ["All"]}}])
async def test_a_dry_run_leaves_nothing(allowing: Cluster, fields: dict[str, Any]) -> None:
    assert (await allowing.admit(review(SERVING, **fields)))["allowed"] is True
    assert allowing.decider.asked[0][1].dry_run is True
    assert allowing.deployments.kept == {}


@pytest.mark.parametrize("fields", [{"dryRun": "true"}, {"dryRun": 1}, {"options": {"dryRun": []}}, {"options": "All"}])
async def test_what_is_no_dry_run(allowing: Cluster, fields: dict[str, Any]) -> None:
    await allowing.admit(review(SERVING, **fields))
    assert allowing.decider.asked[0][1].dry_run is False


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 9.7),
        ("1s", 0.7),
        ("500ms", 0.25),
        ("1m30s", 30.0),
        ("2.5s", 2.2),
        ("0s", 3.0),
        ("", 3.0),
        (None, 3.0),
        ("x", 3.0),
        ("10", 3.0),
        ("-5s", 3.0),
        ("10s;", 3.0),
        ("\u0661s", 3.0),
    ],
)
def test_the_budget_is_the_timeout_minus_the_way_back(text: str | None, seconds: float) -> None:
    assert time_budget(text, 3.0) == pytest.approx(seconds)


async def test_a_late_decision_is_a_denial_in_time() -> None:
    cluster = Cluster(FakeDecider(decision(), delay=5))
    reply = await cluster.admit(review(SERVING), "/admit?timeout=300ms")
    assert reply["allowed"] is False
    assert reply["auditAnnotations"] == {"outcome": "error", "reason": "deadline_exceeded"}


async def test_a_defect_is_a_denial() -> None:
    cluster = Cluster(FakeDecider(decision(), fault=ZeroDivisionError()))
    reply = await cluster.admit(review(SERVING))
    assert reply["allowed"] is False
    assert reply["auditAnnotations"] == {"outcome": "error", "reason": "internal_error"}


async def test_warnings_show_what_did_not_block() -> None:
    findings = [
        finding("deployment.a", "waived", by="wvr_1"),
        finding("deployment.b", "warn", message="long\n" * 100),
        *[finding("deployment.c", "dryrun", message=f"{n} " + "x" * 200) for n in range(100)],
        *[finding("deployment.d", "warn")] * 3,
    ]
    reply = await Cluster(FakeDecider(decision(findings=findings))).admit(review(SERVING))
    assert reply["allowed"] is True
    assert reply["warnings"][0].startswith("waived by wvr_1: [deployment.a]")
    assert reply["warnings"][1].startswith("would deny: [deployment.b] long?long")


async def test_the_worst_comes_first() -> None:
    findings = [finding(f"deployment.{name}", severity=name) for name in ("low", "high", "critical", "medium")]
    reply = await Cluster(FakeDecider(decision("deny", "non_compliant", findings=findings))).admit(review(SERVING))
    rules = [line.partition("]")[0] for line in reply["status"]["message"].splitlines()[:-1]]
    assert rules == ["[deployment.critical", "[deployment.high", "[deployment.medium", "[deployment.low"]


async def test_many_findings_fit_into_one_message() -> None:
    findings = [finding(f"deployment.rule_{n}", message="ä" * 500, item=[]) for n in range(50)]
    reply = await Cluster(FakeDecider(decision("deny", "non_compliant", findings=findings))).admit(review(SERVING))
    message = reply["status"]["message"]
    assert message.startswith("[deployment.rule_0]")
    assert "more)\ndecision dec_" in message


class TestDefer:
    def cluster(self, answer: Any, *, until: timedelta = timedelta(days=1), delay: float = 0) -> Cluster:
        entry = {"on_engine_error": "defer", "until": datetime.now(UTC) + until, "signed_by": "person:alice"}
        return Cluster(FakeDecider(answer, delay), registrations={"core": entry, "ml": {"on_engine_error": "deny"}})

    @pytest.mark.parametrize("path", ["/admit/core", "/admit/core/", "/admit?registration=core"])
    async def test_an_error_is_a_failed_call_and_an_alert(self, path: str) -> None:
        with structlog.testing.capture_logs() as logs:
            response = await self.cluster(ERROR).post(json.dumps(review(SERVING)).encode(), path)
        assert response.status_code == 500
        assert response.headers["content-type"].startswith("text/plain")
        assert "retry-after" not in response.headers
        [alert] = [entry for entry in logs if entry["event"] == "alert.admission_deferred"]
        assert (alert["log_level"], alert["signed_by"]) == ("warning", "person:alice")

    async def test_running_out_of_time_is_an_error_too(self) -> None:
        cluster = self.cluster(decision(), delay=5)
        response = await cluster.post(json.dumps(review(SERVING)).encode(), "/admit/core?timeout=300ms")
        assert response.status_code == 500

    @pytest.mark.parametrize("path", ["/admit", "/admit/ml", "/admit/unheard-of"])
    async def test_other_registrations_deny(self, path: str) -> None:
        assert (await self.cluster(ERROR).admit(review(SERVING), path))["allowed"] is False

    @pytest.mark.parametrize("answer", [DENY, ASK])
    async def test_a_denial_stays_one(self, answer: Any) -> None:
        assert (await self.cluster(answer).admit(review(SERVING), "/admit/core"))["allowed"] is False

    async def test_after_its_end_errors_deny(self) -> None:
        cluster = self.cluster(ERROR, until=timedelta(seconds=-1))
        assert (await cluster.admit(review(SERVING), "/admit/core"))["allowed"] is False


class TestRemembering:
    def scale(self) -> dict[str, Any]:
        scale = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": "scorer"},
            "spec": {"replicas": 5},
        }
        document = review(scale, operation="UPDATE", subResource="scale", namespace="ml-prod")
        document["request"]["resource"] = {"group": "apps", "version": "v1", "resource": "deployments"}
        return document

    async def test_a_scale_after_an_allow(self, allowing: Cluster) -> None:
        assert (await allowing.admit(self.scale()))["allowed"] is False
        assert allowing.decider.asked == []
        await allowing.admit(review(SERVING))
        assert (await allowing.admit(self.scale()))["allowed"] is True
        assert [str(request.operation) for request, _ in allowing.decider.asked] == ["deploy", "scale"]
        allowing.decider.answer = DENY
        assert (await allowing.admit(self.scale()))["allowed"] is False

    async def test_a_denial_is_not_remembered(self) -> None:
        cluster = Cluster(FakeDecider(DENY))
        await cluster.admit(review(SERVING))
        assert cluster.deployments.kept == {}

    async def test_an_allow_that_can_not_be_remembered_is_none(self, allowing: Cluster) -> None:
        allowing.deployments.broken = True
        reply = await allowing.admit(review(SERVING))
        assert reply["allowed"] is False
        assert reply["auditAnnotations"]["reason"] == "ledger_unavailable"


async def test_ungoverned_kinds_say_so(allowing: Cluster) -> None:
    reply = await allowing.admit(review({"apiVersion": "v1", "kind": "Service", "spec": {"ports": []}}))
    assert reply["allowed"] is True
    assert reply["auditAnnotations"] == {"outcome": "ungoverned", "reason": "kind"}
    assert allowing.decider.asked == []


class TestCheck:
    CALLER = Caller(
        Actor("service:ci00", PrincipalKind.SERVICE, "api-key"), frozenset(), frozenset({"*"}), frozenset({"*"})
    )

    async def test_it_needs_a_credential(self, allowing: Cluster) -> None:
        with pytest.raises(RefusedError, match="no credential"):
            await allowing.client.post(f"{MOUNT}/check", json={"manifests": []})

    async def test_each_manifest_is_decided(self) -> None:
        cluster = Cluster(FakeDecider(DENY))
        services, settings = _services(cluster)
        nested = {"kind": "List", "items": [SERVING, {"apiVersion": "v1", "kind": "Service"}]}
        body = _check_body(json.dumps({"manifests": [nested, inference_service({})], "environment": "dev"}).encode())
        answer = await _check(services, settings, body, self.CALLER)
        assert [one["outcome"] for one in answer["decisions"]] == ["deny", "deny"]
        assert answer["skipped"] == [{"index": 1, "why": "kind"}]
        request, asking = cluster.decider.asked[0]
        assert (request.point, request.environment, asking.caller) == ("ci", "dev", self.CALLER)

    @pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"manifests": 5}', b'{"manifests": [], "environment": 5}'])
    def test_a_bad_body_is_refused(self, raw: bytes) -> None:
        with pytest.raises(RefusedError):
            _check_body(raw)


def _services(cluster: Cluster) -> Any:
    return Services(cluster.decider, FakePeople(), {}), KubernetesSettings.read({})


def test_the_margin_leaves_room_for_late_answers() -> None:
    assert gate._ANSWER_ALL_THE_SAME < 0.3


SCRAP = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ANY = st.recursive(
    SCRAP,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
OBJECT = ANY | st.just(SERVING) | st.just(inference_service({"sklearn": {"storageUri": "s3://a"}}))
KIND = ANY | st.fixed_dictionaries(
    {
        "group": st.sampled_from(["", "apps", "serving.kserve.io"]),
        "kind": st.sampled_from(["Pod", "Deployment", "InferenceService", "ConfigMap"]),
    }
)
REQUEST = st.fixed_dictionaries(
    {"uid": st.text(min_size=1, max_size=40)},
    optional={
        "kind": KIND,
        "resource": KIND,
        "subResource": ANY | st.sampled_from(["scale", "status", "exec"]),
        "operation": ANY | st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
        "object": OBJECT,
        "oldObject": OBJECT,
        "namespace": ANY | st.sampled_from(["ml-prod", "kube-system", "web"]),
        "name": ANY,
        "userInfo": ANY,
        "dryRun": ANY,
        "options": ANY,
    },
)
REVIEW = st.fixed_dictionaries(
    {"request": REQUEST},
    optional={"apiVersion": ANY | st.just("admission.k8s.io/v1"), "kind": ANY | st.just("AdmissionReview")},
)
UNGOVERNED = {
    "namespace", "subresource", "delete", "status", "being_deleted", "bookkeeping", "scale_down", "scale_to_zero",
    "kind",
}  # fmt: skip


@given(REVIEW, st.sampled_from([decision(), DENY, ERROR, ASK]))
async def test_any_review_gets_an_answer_that_no_server_misreads(document: dict[str, Any], answer: Any) -> None:
    cluster = Cluster(FakeDecider(answer), ungoverned_namespaces=["kube-system"], namespaces={"ml-*": "prod"})
    reply = await cluster.admit(document)
    if not reply["allowed"]:
        return
    if cluster.decider.asked:
        assert answer.allowed
    else:
        assert reply["auditAnnotations"]["outcome"] == "ungoverned"
        assert reply["auditAnnotations"]["reason"] in UNGOVERNED


@pytest.mark.parametrize(
    "container",
    [
        {"args": ["a " * 700_000]},
        {"args": ["x" * 19_000 + " y"] * 150},
        {"env": [{"name": f"MODEL_URI_{n}", "value": f"s3://b/{n}"} for n in range(40_000)]},
        {"env": [{"name": "A", "value": "$(A)$(A)" * 100}], "args": [f"--model=$(A){n}" for n in range(3000)]},
        {"args": [f"models:/a/{n}" for n in range(100_000)]},
    ],
    ids=["words", "scripts", "variables", "expansions", "models"],
)
async def test_no_manifest_keeps_the_gate_busy(container: dict[str, Any]) -> None:
    cluster = Cluster(FakeDecider(DENY))
    started = time.process_time()
    assert (await cluster.admit(review(deployment(container=container))))["allowed"] is False
    assert time.process_time() - started < 1.0  # 0.1 to 0.3 s; without its bound, each takes several seconds
