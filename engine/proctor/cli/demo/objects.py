"""The names in the demo, and what its people deploy: a Deployment, a KServe InferenceService, and their reviews."""

import hashlib
import uuid
from typing import Any, Final

NAMESPACE: Final = "ml-prod"
ENVIRONMENT: Final = "prod"
REGISTRY: Final = "registry.example.com"
MODEL: Final = "cheques"
"""The name of the registered model."""
PURPOSE: Final = "cheque-reading"
DATASET: Final = "s3://lake/cheques@7"
DEPLOYER: Final = "bruno@example.com"


def digest(of: str) -> str:
    """Return the digest of a text, for things that the demo only names."""
    return f"sha256:{hashlib.sha256(of.encode()).hexdigest()}"


IMAGE: Final = f"{REGISTRY}/serving/mlserver@{digest('mlserver')}"
FOREIGN_IMAGE: Final = f"quay.io/someone/mlserver@{digest('somebody')}"
"""Pinned, but from a registry that is not on the list."""
_LIMITS: Final = {"limits": {"cpu": "1", "memory": "2Gi"}}


def deployment(name: str, model: str, image: str = IMAGE) -> dict[str, Any]:
    """Return a Deployment whose one container serves `model`."""
    container = {
        "name": "server",
        "image": image,
        "env": [{"name": "MODEL_URI", "value": model}],
        "resources": _LIMITS,
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def inference_service(name: str, model: str) -> dict[str, Any]:
    """Return a KServe InferenceService that serves `model`."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "predictor": {
                "model": {"modelFormat": {"name": "sklearn"}, "storageUri": model, "image": IMAGE, "resources": _LIMITS}
            }
        },
    }


_RESOURCES: Final = {"Deployment": "deployments", "InferenceService": "inferenceservices"}


def review(document: dict[str, Any]) -> dict[str, Any]:
    """Return the AdmissionReview that an API server sends when `DEPLOYER` creates `document`."""
    group, _, version = document["apiVersion"].rpartition("/")
    kind = {"group": group, "version": version, "kind": document["kind"]}
    resource = {"group": group, "version": version, "resource": _RESOURCES[document["kind"]]}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(uuid.uuid4()),
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": document["metadata"]["name"],
            "namespace": document["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": DEPLOYER, "groups": ["system:authenticated"]},
            "object": document,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    }
