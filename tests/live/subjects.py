"""What the tests ask about: a deployment that the provided policy allows, and the gate that asks."""

import hashlib
import json
from typing import Any, Final

from tests.live.server import ProctorServer

ENVIRONMENT: Final = "prod"
REGISTRY: Final = "registry.example.com"
STATED: Final = ("models/*/reference", "images/*/reference", "workload")
"""What the gate may assert as `observed`: what an admission adapter sees in the object itself."""


def digest(text: str) -> str:
    """Return the digest of a text, for things that the tests only name."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def uri(name: str) -> str:
    """Return the pinned URI of the test's model `name`."""
    return f"oci://{REGISTRY}/models/{name}@{digest(name)}"


def register(server: ProctorServer, *names: str) -> str:
    """Register the models, allow them, and return the key of a gate that may ask everything."""
    author = server.made("/v1/principals", {"kind": "person", "name": "author"})["id"]
    gate = {"kind": "service", "name": "gate", "roles": ["gate"], "environments": [ENVIRONMENT]}
    principal = server.made("/v1/principals", gate)["id"]
    for name in names:
        server.made(
            "/v1/models",
            {
                "name": name, "version": "1", "digest": digest(name), "uris": [uri(name)], "author": author,
                "exposure": "internal", "autonomy": "supervised", "data_class": "internal",
            },
        )  # fmt: skip
        server.made(f"/v1/models/{name}/1/allowance", {"environments": [ENVIRONMENT]})
    key = {
        "principal": principal, "roles": ["gate"], "points": ["*"], "environments": ["*"], "asserts": list(STATED),
        "expires_in_days": 1,
    }  # fmt: skip
    return str(server.made("/v1/keys", key)["key"])


def deployment(*names: str, request_id: str | None = None, images: int = 1, purpose: str | None = None) -> bytes:
    """Return the question whether a deployment of these models may go ahead: allowed once they are registered."""
    document: dict[str, Any] = {
        "schema": "proctor/request/v1", "stage": "deployment", "operation": "deploy", "point": "ci",
        "environment": ENVIRONMENT, "subject": {"kind": "deployment", "name": "ml-prod/Deployment/scorer"},
        "facts": {
            "models": [_model(name) for name in names],
            "images": [_image(f"server-{number}") for number in range(images)],
            "workload": {
                "kind": "Deployment", "namespace": "ml-prod", "name": "scorer", "unlimited_containers": [],
                "writable_model_mounts": [], "unclassified": [],
            },
        },
    }  # fmt: skip
    if request_id is not None:
        document["request_id"] = request_id
    if purpose is not None:
        document["purpose"] = purpose
    return json.dumps(document).encode()


def _model(name: str) -> dict[str, Any]:
    reference = {
        "uris": [uri(name)], "schemes": ["oci"], "mutable": False, "paths": [f"spec/models/{name}"], "roles": ["base"]
    }  # fmt: skip
    return {"id": uri(name), "digest": digest(name), "reference": reference}


def _image(name: str) -> dict[str, Any]:
    full = f"{REGISTRY}/serving/{name}@{digest(name)}"
    reference = {"references": [full], "registries": [f"{REGISTRY}/serving"], "pinned": True, "paths": ["spec/0"]}
    return {"id": full, "digest": digest(name), "reference": reference}
