"""From reviews to questions: what is judged, what is let through by a documented path, what is refused."""

import copy
import json
from typing import Any

import pytest

from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import Operation, Point
from proctor_adapters.kubernetes import models
from proctor_adapters.kubernetes.configuration import KubernetesSettings
from proctor_adapters.kubernetes.translate import (
    Governed,
    Passed,
    Question,
    Refused,
    translate_manifest,
    translate_review,
    workload_key,
)
from tests.adapters.kubernetes.doubles import DIGEST, deployment, inference_service, pod_spec, review

SETTINGS = KubernetesSettings.read(
    {
        "namespaces": {"ml-prod": "prod", "ml-*": "dev"},
        "ungoverned_namespaces": ["kube-system"],
        "ungoverned_subresources": ["pods/portforward"],
    }
)
SERVING = deployment(container={"args": ["mlflow", "models", "serve", "-m", "models:/fraud/7"]})
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ml-prod"}, "spec": pod_spec()}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the workload with another number of replicas, or with other fields in its metadata."""
    document = copy.deepcopy(SERVING)
    document["spec"]["replicas"] = fields.pop("replicas", 2)
    document["metadata"] |= fields
    return document


GONE = {"metadata": {"name": "scorer", "deletionTimestamp": "2026-01-01T00:00:00Z"}}


def ask(document: dict[str, Any], known: dict[str, Any] | None = None) -> Question:
    found = models.read(document)
    assert found is not None
    return translate_review(found, SETTINGS, (known or {}).get)


def request(question: Question) -> DecisionRequest:
    assert isinstance(question, Governed), question
    return question.request


def test_a_deployment_becomes_a_request() -> None:
    asked = request(ask(review(SERVING)))
    assert asked.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "schema": "proctor/request/v1",
        "stage": "deployment",
        "operation": "deploy",
        "point": "kubernetes-admission",
        "environment": "prod",
        "subject": {"kind": "deployment", "name": "ml-prod/Deployment/scorer"},
        "facts": {
            "models": [
                {
                    "id": "models:/fraud/7",
                    "reference": {
                        "uris": ["models:/fraud/7"],
                        "schemes": ["models"],
                        "mutable": False,
                        "paths": ["spec.template.spec.containers[0].args[4]"],
                        "roles": ["base"],
                    },
                }
            ],
            "images": [
                {
                    "id": f"reg.example/ml/server@{DIGEST}",
                    "digest": DIGEST,
                    "reference": {
                        "references": [f"reg.example/ml/server@{DIGEST}"],
                        "registries": ["reg.example/ml"],
                        "pinned": True,
                        "paths": ["spec.template.spec.containers[0].image"],
                    },
                }
            ],
            "workload": {
                "kind": "Deployment",
                "namespace": "ml-prod",
                "name": "scorer",
                "unlimited_containers": [],
                "writable_model_mounts": [],
                "unclassified": [],
            },
        },
        "request_id": "705ab4f5-6393-11e8-b7cc-42010a800002",
    }


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
@pytest.mark.parametrize("subresource", [None, "", "ephemeralcontainers", "resize"])
def test_pods_are_judged_by_every_way_that_changes_them(operation: str, subresource: str | None) -> None:
    assert request(ask(review(POD, operation=operation, oldObject=POD, subResource=subresource))).operation == "deploy"


def test_owner_references_vouch_for_nothing() -> None:
    metadata = {"name": "p", "namespace": "ml-prod"}
    owned = {**POD, "metadata": {**metadata, "ownerReferences": [{"kind": "ReplicaSet", "controller": True}]}}
    assert isinstance(ask(review(owned)), Governed)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"namespace": "kube-system"}, "namespace"),
        ({"operation": "DELETE", "object": None, "oldObject": SERVING}, "delete"),
        ({"operation": "UPDATE", "subResource": "status"}, "status"),
        ({"operation": "UPDATE", "object": GONE, "oldObject": GONE}, "being_deleted"),
        ({"operation": "UPDATE", "object": GONE, "oldObject": None}, "being_deleted"),
        ({"operation": "CONNECT", "resource": {"resource": "pods"}, "subResource": "portforward"}, "subresource"),
        (
            {"subResource": "scale", "operation": "UPDATE", "object": {"kind": "Scale", "spec": {"replicas": 0}}},
            "scale_to_zero",
        ),
        ({"subResource": "scale", "operation": "UPDATE", "object": {"kind": "Scale", "spec": {}}}, "scale_to_zero"),
        (
            {
                "subResource": "scale",
                "operation": "UPDATE",
                "object": {"kind": "Scale", "spec": {"replicas": 1}},
                "oldObject": {"kind": "Scale", "spec": {"replicas": 2}},
            },
            "scale_down",
        ),
        ({"operation": "UPDATE", "object": changed(replicas=1), "oldObject": SERVING}, "scale_down"),
        ({"operation": "UPDATE", "object": changed(replicas=0), "oldObject": SERVING}, "scale_down"),
        ({"operation": "UPDATE", "object": changed(finalizers=["a/b"]), "oldObject": SERVING}, "bookkeeping"),
        ({"operation": "UPDATE", "object": SERVING, "oldObject": changed(finalizers=["a/b"])}, "bookkeeping"),
        ({"operation": "UPDATE", "object": changed(ownerReferences=[]), "oldObject": SERVING}, "bookkeeping"),
    ],
)
def test_the_documented_ways_around_a_decision(fields: dict[str, Any], why: str) -> None:
    assert ask(review(SERVING, **fields)) == Passed(why)


def test_a_deletion_time_counts_only_where_a_client_cannot_set_it() -> None:
    dying = {**SERVING, "metadata": {**SERVING["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert isinstance(ask(review(dying)), Governed)
    assert isinstance(ask(review(dying, operation="UPDATE", oldObject=SERVING)), Governed)


@pytest.mark.parametrize(
    "new",
    [
        SERVING,
        changed(replicas=3),
        changed(replicas=True),
        changed(replicas="1"),
        changed(replicas=-1),
        changed(replicas=None),
        changed(annotations={"approved": "yes"}),
        changed(labels={"env": "dev"}),
        changed(finalizers=["a/b"], annotations={"approved": "yes"}),
        changed(finalizers=["a/b"], replicas=3),
        {**changed(finalizers=["a/b"]), "status": {"x": 1}},
        {**changed(replicas=1), "kind": "ReplicaSet"},
    ],
)
def test_an_update_that_may_start_something_or_approve_is_judged(new: dict[str, Any]) -> None:
    assert isinstance(ask(review(new, operation="UPDATE", oldObject=SERVING)), Governed)


def test_what_is_too_deep_to_compare_is_judged() -> None:
    old, new = (json.loads('{"a":' * 900 + "{}" + "}" * 900) for _ in range(2))
    for _ in range(20_000):  # deeper than Python compares
        old, new = {"a": old}, {"a": new}
    document = review(SERVING, operation="UPDATE")
    document["request"] |= {
        "object": {**changed(finalizers=["a/b"]), "more": new},
        "oldObject": {**SERVING, "more": old},
    }
    assert isinstance(ask(document), Governed)


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
def test_a_subresource_is_no_bookkeeping(subresource: str) -> None:
    document = review(changed(finalizers=["a/b"]), operation="UPDATE", oldObject=SERVING, subResource=subresource)
    assert isinstance(ask(document), Governed)


def test_what_an_object_runs_does_not_change_unjudged_while_it_is_being_deleted() -> None:
    dying = {**SERVING, "metadata": {**SERVING["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    other = {**dying, "spec": {"template": {"spec": pod_spec(container={"args": ["-m", "models:/fraud/8"]})}}}
    assert isinstance(ask(review(other, operation="UPDATE", oldObject=dying)), Governed)
    freed = {**dying, "metadata": {**dying["metadata"], "finalizers": []}, "status": {"x": 1}}
    assert ask(review(freed, operation="UPDATE", oldObject=dying)) == Passed("being_deleted")


@pytest.mark.parametrize("old", [None, 1, 2, 3, True, "9", -1])
def test_a_scale_that_does_not_shrink_is_judged(old: Any) -> None:
    scale = {"kind": "Scale", "spec": {"replicas": 3}}
    was = None if old is None else {"kind": "Scale", "spec": {"replicas": old}}
    question = ask(review(SERVING, operation="UPDATE", subResource="scale", object=scale, oldObject=was))
    assert isinstance(question, Refused)
    assert question.code == "unknown_workload"


@pytest.mark.parametrize(
    "document",
    [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "ml-prod"},
            "data": {"a": "b"},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ml-prod"}, "spec": {}},
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "p", "namespace": "ml-prod"},
            "target": {"name": "n"},
        },
    ],
)
def test_what_runs_nothing_passes(document: dict[str, Any]) -> None:
    assert ask(review(document)) == Passed("kind")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"namespace": "web"}, "unmapped_namespace"),
        ({"namespace": None}, "unmapped_namespace"),
        ({"operation": "CONNECT", "object": {"kind": "PodExecOptions"}, "subResource": "exec"}, "connect"),
        ({"operation": "PATCH"}, "unknown_operation"),
        ({"operation": None}, "unknown_operation"),
        ({"operation": "create"}, "unknown_operation"),
        ({"object": None}, "no_object"),
        ({"object": []}, "no_object"),
        ({"subResource": "scale", "operation": "UPDATE", "object": {"spec": {"replicas": 2}}}, "unknown_workload"),
        ({"subResource": "scale", "operation": "UPDATE", "object": {"spec": {"replicas": False}}}, "unknown_workload"),
        ({"subResource": "scale", "operation": "UPDATE", "object": {"spec": "x"}}, "unknown_workload"),
        ({"subResource": "scale", "operation": "UPDATE", "object": None}, "unknown_workload"),
    ],
)
def test_what_is_refused_without_a_decision(fields: dict[str, Any], code: str) -> None:
    question = ask(review(SERVING, **fields))
    assert isinstance(question, Refused)
    assert question.code == code


def test_even_a_service_in_an_unmapped_namespace_is_refused() -> None:
    question = ask(review({"apiVersion": "v1", "kind": "Service", "spec": {}}, namespace="web"))
    assert isinstance(question, Refused)


def test_what_the_client_sent_before_conversion_decides_nothing() -> None:
    document = review(SERVING, requestKind={"group": "", "version": "v1", "kind": "ConfigMap"})
    document["request"]["requestResource"] = {"group": "", "version": "v1", "resource": "configmaps"}
    document["request"]["requestSubResource"] = "status"
    assert request(ask(document)).subject.name == "ml-prod/Deployment/scorer"


def test_an_older_group_of_the_same_kind_is_read_alike() -> None:
    older = {**SERVING, "apiVersion": "extensions/v1beta1"}
    assert request(ask(review(older))).facts.models == request(ask(review(SERVING))).facts.models


def test_a_name_that_is_still_to_be_generated_is_not_needed() -> None:
    metadata = {"generateName": "scorer-", "namespace": "ml-prod"}
    question = ask(review({**SERVING, "metadata": metadata}, name=""))
    assert request(question).subject.name == "ml-prod/Deployment/scorer-*"
    assert isinstance(question, Governed)
    assert question.remember is None


def test_ephemeral_containers_as_servers_up_to_1_21_sent_them() -> None:
    containers = [{"name": "e", "image": "busybox", "env": [{"name": "MODEL_URI", "value": "s3://b/m"}]}]
    thing = {"apiVersion": "v1", "kind": "EphemeralContainers", "metadata": {"name": "p", "namespace": "ml-prod"}}
    document = review(
        {**thing, "ephemeralContainers": containers}, operation="UPDATE", subResource="ephemeralcontainers"
    )
    document["request"]["resource"] = {"group": "", "version": "v1", "resource": "pods"}
    asked = request(ask(document))
    assert [item.id for item in asked.facts.models or ()] == ["s3://b/m"]
    assert [item.id for item in asked.facts.images or ()] == ["docker.io/library/busybox:latest"]


def test_a_kind_that_the_object_contradicts_is_unclassified() -> None:
    document = review(SERVING)
    document["request"]["kind"] = {"group": "", "version": "v1", "kind": "ConfigMap"}
    workload = request(ask(document)).facts.workload
    assert workload is not None
    assert workload.unclassified == ["kind"]


class TestScale:
    def scale(self, replicas: Any = 3, **fields: Any) -> dict[str, Any]:
        scale = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": "scorer"},
            "spec": {"replicas": replicas},
        }
        document = review(scale, operation="UPDATE", subResource="scale", namespace="ml-prod")
        document["request"]["resource"] = {"group": "apps", "version": "v1", "resource": "deployments"}
        document["request"] |= fields
        return document

    def known(self) -> dict[str, Any]:
        question = ask(review(SERVING))
        assert isinstance(question, Governed)
        assert question.remember is not None
        workload, document = question.remember
        assert workload == "ml-prod/deployments.apps/scorer"
        return {workload: json.loads(json.dumps(document))}

    def test_it_is_judged_on_what_was_last_allowed(self) -> None:
        asked = request(ask(self.scale(), self.known()))
        assert asked.operation is Operation.SCALE
        assert [item.id for item in asked.facts.models or ()] == ["models:/fraud/7"]
        assert asked.subject.name == "ml-prod/Deployment/scorer"

    @pytest.mark.parametrize(
        "fields",
        [
            {"namespace": "ml-dev"},
            {"name": "other"},
            {"resource": {"group": "apps", "resource": "statefulsets"}},
            {"resource": None},
        ],
    )
    def test_another_workload_is_not_known(self, fields: dict[str, Any]) -> None:
        assert isinstance(ask(self.scale(**fields), self.known()), Refused)

    @pytest.mark.parametrize("facts", [None, "x", {}, {"models": "x"}, {"models": [{"id": 5}], "images": []}])
    def test_a_spoiled_record_is_refused(self, facts: Any) -> None:
        question = ask(self.scale(), {"ml-prod/deployments.apps/scorer": {"facts": facts}})
        assert isinstance(question, Refused) or request(question).facts.models is None

    def test_what_has_no_scale_is_not_kept(self) -> None:
        question = ask(review(POD))
        assert isinstance(question, Governed)
        assert question.remember is None

    def test_keys_are_plain(self) -> None:
        found = models.read(review({**SERVING, "metadata": {"name": "a\nb"}}))
        assert found is not None
        assert workload_key(found) == ""


class TestManifests:
    def test_the_namespace_decides(self) -> None:
        asked = request(translate_manifest(SERVING, SETTINGS))
        assert (asked.environment, asked.point) == ("prod", Point.CI)

    def test_an_environment_can_be_named(self) -> None:
        assert request(translate_manifest(SERVING, SETTINGS, environment="staging")).environment == "staging"

    def test_the_default_namespace_is_not_mapped(self) -> None:
        bare = inference_service({"sklearn": {"storageUri": "s3://a"}})
        bare["metadata"] = {"name": "x"}
        assert isinstance(translate_manifest(bare, SETTINGS), Refused)
        assert request(translate_manifest(bare, SETTINGS, namespace="ml-x")).environment == "dev"

    @pytest.mark.parametrize("manifest", [None, "x", [], {}, {"kind": 5}])
    def test_no_manifest(self, manifest: Any) -> None:
        assert isinstance(translate_manifest(manifest, SETTINGS), Refused)
