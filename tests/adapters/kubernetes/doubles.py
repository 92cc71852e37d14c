"""Doubles with real semantics: a Decider that answers as told, people, deployments, and the calls of an API server."""

import asyncio
import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from proctor.errors import StateError
from proctor.plugins import Asking, Services
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, PrincipalKind
from proctor.vocabulary.request import DecisionRequest
from proctor_adapters.kubernetes import create

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
MOUNT = "/v1/adapters/kubernetes"
LIMITS = {"limits": {"cpu": "1", "memory": "1Gi"}}


def decision(outcome: str = "allow", reason: str = "compliant", **fields: Any) -> Decision:
    now = datetime.now(UTC)
    return Decision.model_validate(
        {
            "id": "dec_" + "0" * 26,
            "outcome": outcome,
            "reason": reason,
            "message": f"{outcome} it",
            "received_at": now,
            "decided_at": now,
            "policy": {"revision": "r1", "digest": DIGEST},
        }
        | fields
    )


def finding(rule: str = "deployment.model_registered", effect: str = "deny", **fields: Any) -> dict[str, Any]:
    return {
        "rule": rule,
        "title": "t",
        "severity": "critical",
        "at": ["models", 0],
        "item": ["models:/fraud/7"],
        "status": "fail",
        "effect": effect,
        "message": "model models:/fraud/7 is not one registered version",
        "remediation": "Register it",
    } | fields


class FakeDecider:
    """Answers with the decision that it was given, after `delay` seconds, and keeps what it was asked."""

    def __init__(self, answer: Decision, delay: float = 0.0, fault: Exception | None = None) -> None:
        self.answer = answer
        self.delay = delay
        self.fault = fault
        self.asked: list[tuple[DecisionRequest, Asking]] = []

    async def decide(self, request: DecisionRequest | bytes, asking: Asking) -> Decision:
        assert isinstance(request, DecisionRequest)
        self.asked.append((request, asking))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fault:
            raise self.fault
        return self.answer


class FakePeople:
    def resolve(self, system: str, name: str) -> Actor:
        if system == "kubernetes" and name == "alice":
            return Actor("person:alice", PrincipalKind.PERSON, "kubernetes")
        return Actor("unresolved:kubernetes", PrincipalKind.UNRESOLVED, "kubernetes")


class FakeDeployments:
    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, Any]] = {}
        self.broken = False

    def known(self, workload: str) -> Mapping[str, Any] | None:
        return self.kept.get(workload)

    async def remember(self, workload: str, document: Mapping[str, Any], decision: Decision) -> None:
        if self.broken:
            raise StateError("writing", "disk full")
        self.kept[workload] = document


class Cluster:
    """An API server's side of the webhook: posts reviews, and reads answers as its decoder does."""

    def __init__(self, decider: FakeDecider, *, over_limit: bool = False, **configuration: Any) -> None:
        self.decider = decider
        self.deployments = FakeDeployments()
        adapter = create(Services(decider, FakePeople(), configuration, self.deployments))
        assert adapter.router is not None
        app = FastAPI()
        app.include_router(adapter.router, prefix=MOUNT)

        async def server(scope: Scope, receive: Receive, send: Send) -> None:
            """Say what the server's gate says in the state of a call over its limit (proctor.server.gate)."""
            state = {"over_limit": True} if over_limit else {}
            await app({**scope, "state": state}, receive, send)

        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(server), base_url="http://proctor.test", follow_redirects=False
        )

    async def post(self, body: bytes, path: str = "/admit?timeout=10s", **headers: str) -> httpx.Response:
        return await self.client.post(f"{MOUNT}{path}", content=body, headers=headers)

    async def admit(self, document: Any, path: str = "/admit?timeout=10s") -> dict[str, Any]:
        raw = json.dumps(document).encode()
        return understood(await self.post(raw, path, **{"content-type": "application/json"}), document)


def understood(response: httpx.Response, sent: Any) -> dict[str, Any]:
    """Read an answer as `VerifyAdmissionResponse` of k8s.io/apiserver does; fail where it reads a failed call."""
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["kind"] == "AdmissionReview"
    if isinstance(sent, dict) and str(sent.get("apiVersion")).startswith("admission.k8s.io/"):
        assert answer["apiVersion"] == sent["apiVersion"]
    reply: dict[str, Any] = answer["response"]
    assert reply["uid"] == sent["request"]["uid"]
    assert type(reply["allowed"]) is bool
    assert "patch" not in reply
    assert "patchType" not in reply
    warnings = reply.get("warnings", [])
    assert len(warnings) == len(set(warnings))
    assert all(0 < len(one) <= 120 and one.isprintable() for one in warnings)
    assert sum(map(len, warnings)) <= 4096
    assert all("/" not in key and key and isinstance(value, str) for key, value in reply["auditAnnotations"].items())
    if not reply["allowed"]:
        assert reply["status"]["code"] == 403
        assert reply["status"]["reason"] == "Forbidden"
        assert 0 < len(reply["status"]["message"].encode()) <= 1024
    return reply


def review(document: Any, *, operation: str = "CREATE", **fields: Any) -> dict[str, Any]:
    """Wrap an object as an API server does, with the fields of a recorded review."""
    document = copy.deepcopy(document)
    group, _, version = str(document.get("apiVersion", "v1")).rpartition("/")
    kind = {"group": group, "version": version, "kind": document.get("kind")}
    resource = {"group": group, "version": version, "resource": str(document.get("kind")).lower() + "s"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": document.get("metadata", {}).get("name", ""),
        "namespace": document.get("metadata", {}).get("namespace", "ml-prod"),
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": document,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request | fields}


def pod_spec(**fields: Any) -> dict[str, Any]:
    container = {"name": "c", "image": f"reg.example/ml/server@{DIGEST}", "resources": LIMITS}
    container |= fields.pop("container", {})
    return {"containers": [container]} | fields


def deployment(**fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "scorer", "namespace": "ml-prod"},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "scorer"}}, "spec": pod_spec(**fields)}},
    }


def inference_service(predictor: Any, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "fraud", "namespace": "ml-prod"},
        "spec": {"predictor": predictor} | spec,
    }
