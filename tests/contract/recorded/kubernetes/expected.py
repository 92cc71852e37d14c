"""What each recording must lead to: what is asked about, or why there is no question. Written by hand, beside the JSON.

A text is the documented reason for an answer without a decision (`translate.Passed`, `translate.Refused`).
"""

from typing import Any

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SERVER = "registry.example.org/ml/fraud-server@"
TONE = f"registry.example.org/models/tone@{B}"
WAIT = "docker.io/library/busybox:1.36"


class Judged:
    """What must be asked about: models and images with all their places, and nothing unclassified."""

    def __init__(
        self,
        models: dict[str, list[str]],
        images: dict[str, list[str]],
        *,
        writable: tuple[str, ...] = (),
        actor: str = "person:alice",
        dry_run: bool = False,
    ) -> None:
        self.models = models
        self.images = images
        self.writable = list(writable)
        self.actor = actor
        self.dry_run = dry_run


def served(path: str, model: str = "models:/fraud/7", image: str = SERVER + A, **more: Any) -> Judged:
    """Return what the PodSpec that most recordings carry must lead to, at `path`."""
    models = {
        model: [f"{path}.containers[0].args[4]"],
        f"oci://{TONE}": [f"{path}.volumes[0].image.reference"],
    } | more.pop("models", {})
    images: dict[str, list[str]] = {}
    for reference, place in (
        (TONE, f"{path}.volumes[0].image.reference"),
        (WAIT, f"{path}.initContainers[0].image"),
        (image, f"{path}.containers[0].image"),
        *more.pop("images", ()),
    ):
        images.setdefault(reference, []).append(place)
    return Judged(models, images, **more)


POD, TEMPLATE, CRON = "spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec"
UNRESOLVED = "unresolved:kubernetes"
DEBUGGER: dict[str, Any] = {
    "image": SERVER + B,
    "models": {"s3://models/fraud/8": ["spec.ephemeralContainers[0].env[0].value"]},
    "images": [(WAIT, "spec.ephemeralContainers[0].image")],
}
CLAIM = {"pvc://ml-prod/models": [f"{TEMPLATE}.containers[0].volumeMounts[1]"]}
SOURCE = "metadata.annotations['internal.serving.kserve.io/storage-initializer-sourceuri']"
EXPECTED: dict[str, Judged | str] = {
    "pod-create": served(POD),
    "pod-create-generate-name": served(POD),
    "pod-create-dry-run": served(POD, dry_run=True),
    "pod-create-forged-owner": served(POD, actor=UNRESOLVED),
    "pod-create-impersonated": served(POD, actor=UNRESOLVED),
    "pod-apply-create": served(POD),
    "pod-update-image": served(POD, image=SERVER + B),
    "pod-update-labels": served(POD, **DEBUGGER),
    "pod-ephemeral-containers": served(POD, **DEBUGGER),
    "pod-resize": served(POD, **DEBUGGER),
    "pod-status": "status",
    "pod-exec": "connect",
    "pod-portforward": "connect",
    "pod-binding": "kind",
    "pod-eviction": "kind",
    "pod-delete": "delete",
    "pod-delete-2": "delete",
    "pod-delete-collection": "delete",
    "pod-create-kserve-predictor": Judged(
        {"s3://models/fraud/7": [SOURCE, "spec.initContainers[0].args[0]"]},
        {
            f"registry.example.org/kserve/sklearnserver@{A}": ["spec.containers[0].image"],
            "docker.io/kserve/storage-initializer:v0.15.0": ["spec.initContainers[0].image"],
        },
    ),
    "deployment-create": served(TEMPLATE),
    "deployment-create-with-finalizer": served(TEMPLATE),
    "deployment-update": served(TEMPLATE, "models:/fraud/8"),
    "deployment-patch-no-change": served(TEMPLATE, "models:/fraud/8"),
    "deployment-update-annotations": served(TEMPLATE, "models:/fraud/8"),
    "deployment-apply-create": served(TEMPLATE),
    "deployment-apply-update": served(TEMPLATE),
    "deployment-update-while-deleting": served(TEMPLATE, "models:/fraud/9"),
    "deployment-remove-finalizer": "being_deleted",
    "deployment-delete": "delete",
    "deployment-delete-with-finalizer": "delete",
    "deployment-status": "status",
    "deployment-scale-up": "unknown_workload",
    "deployment-scale-from-zero": "unknown_workload",
    "deployment-scale-down": "scale_down",
    "deployment-scale-to-zero": "scale_to_zero",
    "deployment-create-helm-web": Judged({}, {"docker.io/bitnami/nginx:1.27": [f"{TEMPLATE}.containers[0].image"]}),
    "deployment-create-helm-memcached": Judged(
        {},
        {
            "docker.io/istio/proxyv2:1.24.0": [f"{TEMPLATE}.initContainers[0].image"],
            "docker.io/library/memcached:1.6": [f"{TEMPLATE}.containers[0].image"],
        },
    ),
    "deployment-create-vllm": Judged(
        {
            "hf://Qwen/Qwen2.5-7B-Instruct@a09a35458c702b33eeacc393d103063234e8bc28": [
                f"{TEMPLATE}.containers[0].args[0]"
            ],
            "s3://adapters/tone/3": [f"{TEMPLATE}.containers[0].args[4]"],
            "hf://BAAI/bge-large-en-v1.5": [f"{TEMPLATE}.containers[1].args[1]"],
            "s3://models/reranker/2": [f"{TEMPLATE}.initContainers[0].args[0]"],
        },
        {
            f"docker.io/vllm/vllm-openai@{A}": [f"{TEMPLATE}.containers[0].image"],
            "ghcr.io/huggingface/text-embeddings-inference:1.8": [f"{TEMPLATE}.containers[1].image"],
            "docker.io/amazon/aws-cli:2.22": [f"{TEMPLATE}.initContainers[0].image"],
            WAIT: [f"{TEMPLATE}.initContainers[1].image"],
        },
        actor=UNRESOLVED,
    ),
    "replicaset-create": served(TEMPLATE),
    "replicaset-update": served(TEMPLATE, image=SERVER + B),
    "replicaset-scale": "unknown_workload",
    "replicaset-delete": "delete",
    "statefulset-create": served(TEMPLATE, models=CLAIM),
    "statefulset-update": served(TEMPLATE, image=SERVER + B, models=CLAIM),
    "statefulset-scale": "unknown_workload",
    "statefulset-delete": "delete",
    "daemonset-create": served(TEMPLATE),
    "daemonset-update": served(TEMPLATE, image=SERVER + B),
    "daemonset-delete": "delete",
    "replicationcontroller-create": served(TEMPLATE),
    "replicationcontroller-scale": "unknown_workload",
    "podtemplate-create": served("template.spec"),
    "job-create": served(TEMPLATE),
    "job-update": served(TEMPLATE),
    "cronjob-create": served(CRON),
    "cronjob-update": served(CRON, "models:/fraud@champion"),
    "cronjob-delete": "delete",
    "rollout-create": served(TEMPLATE),
    "rollout-scale": "unknown_workload",
    "inferenceservice-create": Judged({"s3://models/fraud/7": ["spec.predictor.model.storageUri"]}, {}),
    "inferenceservice-update": Judged({"s3://models/fraud/8": ["spec.predictor.model.storageUri"]}, {}),
    "inferenceservice-add-finalizer": "bookkeeping",
    "inferenceservice-remove-finalizer": "being_deleted",
    "inferenceservice-status": "status",
    "inferenceservice-delete": "delete",
    "inferenceservice-delete-with-finalizer": "delete",
    "inferenceservice-create-storage-spec": Judged(
        {"storage://ml-prod/localMinIO/fraud/7?bucket=models": ["spec.predictor.sklearn.storage"]}, {}
    ),
    "inferenceservice-create-custom": Judged(
        {"pvc://ml-prod/models/fraud/7": ["spec.predictor.containers[0].env[0].value"]},
        {f"registry.example.org/ml/custom@{A}": ["spec.predictor.containers[0].image"]},
    ),
    "inferenceservice-create-generate-name": Judged(
        {
            "hf://example/vision-extra": ["spec.predictor.storageUris[0].uri"],
            f"oci://registry.example.org/models/vision@{A}": ["spec.predictor.model.storageUri"],
        },
        {f"registry.example.org/models/vision@{A}": ["spec.predictor.model.storageUri"]},
        actor=UNRESOLVED,
    ),
    "inferenceservice-apply-create": Judged(
        {
            "hf://meta-llama/Llama-3.1-8B@0e9e39f249a16976918f6564b8830bc894c89659": [
                "spec.predictor.huggingface.args[1]"
            ],
            "gs://models/tokenizer/3": ["spec.transformer.containers[0].env[0].value"],
            "gs://models/explainer/1": ["spec.explainer.art.storageUri"],
        },
        {
            f"registry.example.org/kserve/huggingfaceserver@{A}": ["spec.predictor.workerSpec.containers[0].image"],
            f"registry.example.org/ml/tokenizer@{A}": ["spec.transformer.containers[0].image"],
        },
        actor=UNRESOLVED,
    ),
    "hpa-create-converted": "kind",
    "configmap-create": "kind",
    "configmap-create-model": Judged({"s3://models/fraud/8": ["data.MODEL_URI"]}, {}),
    "service-create": "kind",
    "serviceaccount-create": "kind",
    "namespace-update-labels": "kind",
    "v1beta1-deployment-create": served(TEMPLATE),
    "v1beta1-deployment-scale": "unknown_workload",
    "v1beta1-deployment-delete": "delete",
    "v1beta1-inferenceservice-create": Judged(
        {"storage://ml-beta/localMinIO/fraud/7?bucket=models": ["spec.predictor.sklearn.storage"]}, {}
    ),
    # What the controllers do on their own. Only what starts something is judged, and on its content, whoever sends it.
    "by-deployment-controller-create-replicaset": served(TEMPLATE, actor=UNRESOLVED),
    "by-deployment-controller-update-replicaset": "scale_down",
    "by-deployment-controller-update-deployment-status": "status",
    "by-replicaset-controller-create-pod": served(POD, actor=UNRESOLVED),
    "by-replicaset-controller-update-replicaset-status": "status",
    "by-statefulset-controller-create-controllerrevision": served("data.spec.template.spec", actor=UNRESOLVED),
    "by-statefulset-controller-create-pod": served(POD, actor=UNRESOLVED),
    "by-statefulset-controller-update-statefulset-status": "status",
    "by-job-controller-create-pod": served(POD, actor=UNRESOLVED),
    "by-job-controller-update-pod": "bookkeeping",
    "by-generic-garbage-collector-update-replicaset": "being_deleted",
    "by-generic-garbage-collector-update-deployment": "being_deleted",
    "by-generic-garbage-collector-update-statefulset-orphaned": "being_deleted",
    "by-generic-garbage-collector-update-pod-orphaned": "bookkeeping",
    "by-generic-garbage-collector-update-controllerrevision-orphaned": "bookkeeping",
    "by-admin-update-pod-status": "status",
}
