"""What is read out of objects: every place that can carry a model or an image, and nothing unseen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor_adapters.kubernetes.extract import CLAIMS, MAX_NODES, extract
from proctor_adapters.kubernetes.findings import Found
from proctor_adapters.kubernetes.models import GroupKind
from tests.adapters.kubernetes.doubles import DIGEST, LIMITS, OTHER, deployment, inference_service, pod_spec

IMAGE = f"reg.example/ml/server@{DIGEST}"
TEMPLATE = "spec.template.spec"


def read(document: dict[str, Any], **options: Any) -> Found:
    group, slash, _ = str(document.get("apiVersion")).partition("/")
    return extract(document, GroupKind(group if slash else "", str(document.get("kind"))), "ml-prod", **options)


def places(found: Found) -> dict[str, list[str]]:
    return {uri: model.places for uri, model in found.models.items()}


def workload(group: str, kind: str, path: str, spec: Any) -> dict[str, Any]:
    document: Any = spec
    for key in reversed(path.split(".")):
        document = {key: document}
    return {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": {"name": "w"}, **document}


KINDS = [
    ("", "Pod", "spec"),
    ("", "PodTemplate", "template.spec"),
    ("", "ReplicationController", TEMPLATE),
    ("apps", "Deployment", TEMPLATE),
    ("apps", "ReplicaSet", TEMPLATE),
    ("apps", "StatefulSet", TEMPLATE),
    ("apps", "DaemonSet", TEMPLATE),
    ("batch", "Job", TEMPLATE),
    ("batch", "CronJob", "spec.jobTemplate.spec.template.spec"),
    ("argoproj.io", "Rollout", TEMPLATE),
    ("unheard.of", "Thing", "spec.deep.er.pod"),
]


@pytest.mark.parametrize(("group", "kind", "path"), KINDS)
def test_every_kind_with_a_pod_spec_is_read(group: str, kind: str, path: str) -> None:
    spec = pod_spec(
        container={"args": ["mlflow", "models", "serve", "-m", "models:/fraud/7"]},
        initContainers=[{"name": "i", "image": "busybox", "env": [{"name": "MODEL_URI", "value": "s3://b/m/"}]}],
        ephemeralContainers=[{"name": "e", "image": "ghcr.io/debug/er:1"}],
    )
    found = read(workload(group, kind, path, spec))
    assert found.governed
    assert found.unclassified == []
    assert places(found) == {
        "models:/fraud/7": [f"{path}.containers[0].args[4]"],
        "s3://b/m": [f"{path}.initContainers[0].env[0].value"],
    }
    assert set(found.images) == {IMAGE, "docker.io/library/busybox:latest", "ghcr.io/debug/er:1"}
    assert found.unlimited == [f"{path}.initContainers[0]"]


@pytest.mark.parametrize(
    "spec",
    [
        None,
        5,
        "x",
        [],
        True,
        {},
        {"containers": "x"},
        {"containers": []},
        {"containers": [None]},
        {"containers": [{"name": "c"}]},
        {"containers": [{"image": 5}]},
        {"containers": [{"image": ""}]},
        {"containers": [{"image": "UPPER/Case"}]},
        {"containers": [{"image": "a@sha256:zz"}]},
        {"containers": [{"image": "a", "env": {"MODEL_URI": "x"}}]},
        {"containers": [{"image": "a", "env": ["x"]}]},
        {"containers": [{"image": "a", "args": "mlflow"}]},
        {"containers": [{"image": "a", "args": [5]}]},
        {"containers": [{"image": "a", "volumeMounts": "x"}]},
        {"containers": [{"image": "a", "volumeMounts": [5]}]},
        {"containers": [{"image": "a"}], "volumes": "x"},
        {"containers": [{"image": "a"}], "volumes": [None]},
        {"containers": [{"image": "a"}], "initContainers": {"a": 1}},
        {"containers": [{"image": "a"}], "ephemeralContainers": "x"},
        {"containers": [{"image": "a"}], "volumes": [{"name": "v", "image": {"reference": 5}}]},
        {"containers": [{"image": "a"}] * 501},
    ],
)
@pytest.mark.parametrize(("group", "kind", "path"), [KINDS[0], KINDS[3], KINDS[8]])
def test_hostile_shapes_are_unclassified(group: str, kind: str, path: str, spec: Any) -> None:
    found = read(workload(group, kind, path, spec))
    assert found.unclassified


SOURCES: list[tuple[dict[str, Any], list[str]]] = [
    ({"args": ["mlflow", "models", "serve", "--model-uri=models:/a/1"]}, ["models:/a/1"]),
    ({"command": ["sh", "-c", "mlflow models serve -m 'models:/a/1' --port 80"]}, ["models:/a/1"]),
    ({"command": ["python3", "-m", "mlflow", "models", "serve", "-m", "runs:/abc/model"]}, ["runs:/abc/model"]),
    ({"args": ["--model", "meta-llama/Llama-3.1-8B"]}, ["hf://meta-llama/Llama-3.1-8B"]),
    (
        {"args": ["--model=org/m", "--revision", "0123456789abcdef0123456789abcdef01234567"]},
        ["hf://org/m@0123456789abcdef0123456789abcdef01234567"],
    ),
    ({"command": ["vllm", "serve", "org/m", "--port", "1"]}, ["hf://org/m"]),
    ({"image": "vllm/vllm-openai:v1", "args": ["org/m", "--port", "1"]}, ["hf://org/m"]),
    (
        {"args": ["--model", "org/m", "--lora-modules", "a=s3://b/a", "c=org/d"]},
        ["hf://org/m", "s3://b/a", "hf://org/d"],
    ),
    ({"args": ["--lora-modules", '{"name": "a", "path": "s3://b/a"}']}, ["s3://b/a"]),
    ({"args": ["tritonserver", "--model-repository=s3://host/repo"]}, ["s3://host/repo"]),
    ({"args": ["--model_base_path=gs://b/m"]}, ["gs://b/m"]),
    (
        {"args": ["torchserve", "--models", "a=https://h/a.mar", "b=https://h/b.mar"]},
        ["https://h/a.mar", "https://h/b.mar"],
    ),
    ({"env": [{"name": "STORAGE_URI", "value": "pvc://claim/x"}]}, ["pvc://ml-prod/claim/x"]),
    ({"env": [{"name": "HF_MODEL_ID", "value": "org/m"}]}, ["hf://org/m"]),
    ({"env": [{"name": "HF_MODEL_ID", "value": "gpt2"}]}, ["hf://gpt2"]),
    ({"env": [{"name": "MLFLOW_MODEL_URI", "value": "models:/a@champion"}]}, ["models:/a@champion"]),
    ({"env": [{"name": "U", "value": "models:/a/1"}], "args": ["-m", "$(U)"]}, ["models:/a/1"]),
    ({"args": ["sh", "-c", "MODEL_URI=s3://b/m python serve.py"]}, ["s3://b/m"]),
    ({"lifecycle": {"postStart": {"exec": {"command": ["get", "models:/a/1"]}}}}, ["models:/a/1"]),
    ({"env": [{"name": "MODEL_NAME", "value": "fraud"}, {"name": "MAX_MODEL_LEN", "value": "8k"}]}, []),
    ({"args": ["python", "-m", "server", "--model_name=fraud", "--model_dir=/opt/in-image"]}, []),
    ({"args": ["--model-store=models", "--models", "all"]}, []),
    ({"command": ["mlflow", "models", "serve", "-m", "local/folder"]}, []),
    ({"env": [{"name": "DATA", "value": "s3://bucket/data"}]}, []),
]


@pytest.mark.parametrize(("container", "uris"), SOURCES)
def test_arguments_and_environment(container: dict[str, Any], uris: list[str]) -> None:
    found = read(deployment(container=container))
    assert list(found.models) == uris
    assert found.unclassified == []


@pytest.mark.parametrize(
    ("container", "place"),
    [
        ({"args": ["-m", "$(MODEL)"]}, "args[1]"),
        ({"args": ["--model", "$UNKNOWN/x"]}, "args[1]"),
        (
            {"env": [{"name": "MODEL_URI", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
            "env[0].valueFrom",
        ),
        ({"env": [{"name": "MODEL_URI", "value": ""}]}, "env[0].value"),
        ({"env": [{"name": "MODEL_URI", "value": 5}]}, "env[0].value"),
        ({"env": [{"name": "MODEL_THING", "value": "fraud"}]}, "env[0].value"),
        ({"env": [{"name": "MODEL_REGISTRY_URL", "value": "http://mlflow"}]}, "env[0].value"),
        ({"env": [{"name": "MODEL_NAME", "value": "ngc://x/y"}]}, "env[0].value"),
        ({"args": ["--model-config-file=/etc/models.conf"]}, "args[0]"),
        ({"args": ["--model", "@@/x"]}, "args[1]"),
        ({"args": ["mlflow", "-m", ""]}, "args[2]"),
    ],
)
def test_what_looks_like_a_model_and_is_not_understood(container: dict[str, Any], place: str) -> None:
    found = read(deployment(container=container))
    assert found.unclassified == [f"{TEMPLATE}.containers[0].{place}"]


def test_the_operator_can_say_what_is_no_model() -> None:
    document = deployment(container={"env": [{"name": "MODEL_REGISTRY_URL", "value": "http://mlflow"}]})
    assert read(document, not_models=frozenset({"modelregistryurl"})).unclassified == []


class TestVolumes:
    def volume(self, volume: dict[str, Any], *, mount: str = "/mnt/models", **fields: Any) -> Found:
        container = {"volumeMounts": [{"name": "v", "mountPath": mount} | fields.pop("how", {})]} | fields
        return read(deployment(container=container, volumes=[{"name": "v", **volume}]))

    def test_an_image_volume_is_an_image_and_a_model(self) -> None:
        found = self.volume({"image": {"reference": f"reg.example/models/fraud@{OTHER}"}}, mount="/anywhere")
        assert list(found.models) == [f"oci://reg.example/models/fraud@{OTHER}"]
        assert f"reg.example/models/fraud@{OTHER}" in found.images
        assert found.writable == []

    def test_a_claim_where_models_live_is_a_model_of_this_namespace(self) -> None:
        found = self.volume({"persistentVolumeClaim": {"claimName": "store"}}, how={"subPath": "fraud/7"})
        assert list(found.models) == ["pvc://ml-prod/store/fraud/7"]
        assert found.writable == [f"{TEMPLATE}.containers[0].volumeMounts[0]"]

    @pytest.mark.parametrize("how", [{"how": {"readOnly": True}}, {}])
    def test_read_only_by_mount_or_by_volume(self, how: dict[str, Any]) -> None:
        source = {"claimName": "store"} | ({} if how else {"readOnly": True})
        assert self.volume({"persistentVolumeClaim": source}, **how).writable == []

    @pytest.mark.parametrize("value", ["true", 1, None])
    def test_read_only_is_a_boolean(self, value: Any) -> None:
        found = self.volume({"persistentVolumeClaim": {"claimName": "s"}}, how={"readOnly": value})
        assert found.writable

    def test_an_argument_names_the_folder_on_the_claim(self) -> None:
        found = self.volume(
            {"persistentVolumeClaim": {"claimName": "store"}}, mount="/data", args=["--model", "/data/a/b"]
        )
        assert list(found.models) == ["pvc://ml-prod/store/a/b"]
        assert found.writable

    def test_dots_cannot_hide_where_a_path_leads(self) -> None:
        found = self.volume({"persistentVolumeClaim": {"claimName": "s"}}, mount="/d", args=["--model", "/x/../d/m"])
        assert list(found.models)

    @pytest.mark.parametrize("volume", [{"hostPath": {"path": "/m"}}, {"nfs": {}}, {"csi": {}}, {"emptyDir": {}}, {}])
    def test_other_volumes_with_models_are_not_understood(self, volume: dict[str, Any]) -> None:
        assert self.volume(volume).unclassified == [f"{TEMPLATE}.containers[0].volumeMounts[0]"]

    def test_data_is_no_model(self) -> None:
        found = self.volume({"persistentVolumeClaim": {"claimName": "cache"}}, mount="/var/cache")
        assert (found.models, found.unclassified, found.writable) == ({}, [], [])

    def test_claim_templates_of_a_stateful_set(self) -> None:
        document = deployment(container={"volumeMounts": [{"name": "v", "mountPath": "/models", "readOnly": True}]})
        document["kind"] = "StatefulSet"
        document["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "v"}}]
        assert list(read(document).models) == ["pvc://ml-prod/v"]

    def test_a_pod_as_kserve_makes_it(self) -> None:
        spec = pod_spec(
            container={
                "args": ["--model_dir=/mnt/models"],
                "volumeMounts": [{"name": "kserve-provision-location", "mountPath": "/mnt/models", "readOnly": True}],
            },
            initContainers=[
                {
                    "name": "storage-initializer",
                    "image": "kserve/storage-initializer:v1",
                    "resources": LIMITS,
                    "args": ["s3://models/fraud/7", "/mnt/models"],
                    "volumeMounts": [{"name": "kserve-provision-location", "mountPath": "/mnt/models"}],
                }
            ],
            volumes=[{"name": "kserve-provision-location", "emptyDir": {}}],
        )
        found = read(workload("", "Pod", "spec", spec))
        assert list(found.models) == ["s3://models/fraud/7"]
        assert (found.unclassified, found.writable) == ([], [])


def test_limits_of_the_pod_cover_its_containers() -> None:
    assert read(deployment(container={"resources": {}})).unlimited == [f"{TEMPLATE}.containers[0]"]
    assert read(deployment(container={"resources": {}}, resources=LIMITS)).unlimited == []


@pytest.mark.parametrize(
    "limits",
    [None, {}, {"cpu": "1"}, {"cpu": "1", "memory": ""}, {"cpu": "0", "memory": "1"}, {"cpu": True, "memory": 1}],
)
def test_half_a_limit_is_none(limits: Any) -> None:
    assert read(deployment(container={"resources": {"limits": limits}})).unlimited


MODEL = {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://m/f/7", "resources": LIMITS}
KSERVE: list[tuple[dict[str, Any], dict[str, str]]] = [
    (inference_service({"model": MODEL}), {"s3://m/f/7": "spec.predictor.model.storageUri"}),
    *[
        (inference_service({name: {"storageUri": "gs://b/m"}}), {"gs://b/m": f"spec.predictor.{name}.storageUri"})
        for name in (
            "sklearn",
            "xgboost",
            "tensorflow",
            "pytorch",
            "triton",
            "onnx",
            "huggingface",
            "pmml",
            "lightgbm",
            "paddle",
            "notyetinvented",
        )
    ],
    (
        inference_service({"model": {}, "storageUris": [{"uri": "s3://a"}, {"uri": "s3://b", "mountPath": "/x"}]}),
        {"s3://a": "spec.predictor.storageUris[0].uri", "s3://b": "spec.predictor.storageUris[1].uri"},
    ),
    (
        inference_service({"model": {"storageUris": [{"uri": "s3://a"}]}}),
        {"s3://a": "spec.predictor.model.storageUris[0].uri"},
    ),
    (
        inference_service({"model": {"storage": {"key": "k", "path": "f/7", "parameters": {"bucket": "b"}}}}),
        {"storage://ml-prod/k/f/7?bucket=b": "spec.predictor.model.storage"},
    ),
    (
        inference_service({"model": {"storage": {"path": "f/7"}}}),
        {"storage://ml-prod//f/7": "spec.predictor.model.storage"},
    ),
    (
        inference_service({"huggingface": {"args": ["--model_id=org/m"]}}),
        {"hf://org/m": "spec.predictor.huggingface.args[0]"},
    ),
    (
        inference_service({"containers": [{"image": "a", "env": [{"name": "STORAGE_URI", "value": "s3://a"}]}]}),
        {"s3://a": "spec.predictor.containers[0].env[0].value"},
    ),
    (
        inference_service(
            {"containers": [{"image": "a"}], "initContainers": [{"image": "b", "args": ["models:/a/1"]}]}
        ),
        {"models:/a/1": "spec.predictor.initContainers[0].args[0]"},
    ),
    (
        inference_service({"model": MODEL}, transformer={"pytorch": {"storageUri": "s3://t"}}),
        {"s3://m/f/7": "spec.predictor.model.storageUri", "s3://t": "spec.transformer.pytorch.storageUri"},
    ),
    (
        inference_service({"model": MODEL}, explainer={"art": {"storageUri": "s3://e"}}),
        {"s3://m/f/7": "spec.predictor.model.storageUri", "s3://e": "spec.explainer.art.storageUri"},
    ),
    (
        inference_service({"model": MODEL, "workerSpec": {"containers": [{"image": "a", "args": ["--model", "x/y"]}]}}),
        {
            "s3://m/f/7": "spec.predictor.model.storageUri",
            "hf://x/y": "spec.predictor.workerSpec.containers[0].args[1]",
        },
    ),
    (
        inference_service(
            {"model": MODEL}, canary=[{"predictor": {"model": {"storageUri": "s3://c"}}, "trafficPercent": 9}]
        ),
        {"s3://m/f/7": "spec.predictor.model.storageUri", "s3://c": "spec.canary[0].predictor.model.storageUri"},
    ),
    (
        inference_service(
            {"containers": [{"image": "a"}], "volumes": [{"name": "v", "image": {"reference": f"r.io/m@{DIGEST}"}}]}
        ),
        {f"oci://r.io/m@{DIGEST}": "spec.predictor.volumes[0].image.reference"},
    ),
]


@pytest.mark.parametrize(("document", "expected"), KSERVE)
def test_inference_service_on_every_path(document: dict[str, Any], expected: dict[str, str]) -> None:
    found = read(document)
    assert places(found) == {uri: [place] for uri, place in expected.items()}
    assert found.unclassified == []


@pytest.mark.parametrize("scheme", ["oci", "oci+native", "oci+fetch"])
def test_an_oci_model_is_also_an_image(scheme: str) -> None:
    found = read(inference_service({"model": {"storageUri": f"{scheme}://reg.example/m@{DIGEST}"}}))
    assert list(found.models) == [f"oci://reg.example/m@{DIGEST}"]
    assert list(found.images) == [f"reg.example/m@{DIGEST}"]


def test_roles() -> None:
    document = inference_service(
        {"model": MODEL},
        transformer={"x": {"storageUri": "s3://t"}},
        explainer={"art": {"storageUri": "s3://e"}},
        canary=[{"predictor": {"model": {"storageUri": "s3://c"}}}],
    )
    roles = {uri: model.roles for uri, model in read(document).models.items()}
    assert roles == {"s3://m/f/7": {"base"}, "s3://t": {"transformer"}, "s3://e": {"explainer"}, "s3://c": {"canary"}}


@pytest.mark.parametrize(
    "predictor",
    [
        None,
        5,
        "x",
        [],
        {},
        {"model": {}},
        {"model": "x"},
        {"model": {"storageUri": 5}},
        {"model": {"storageUri": ""}},
        {"model": {"storage": "x"}},
        {"model": {"storage": {"key": "k"}}},
        {"sklearn": 5},
        {"workerSpec": "x", "model": MODEL},
        {"model": MODEL, "storageUris": "x"},
        {"model": MODEL, "storageUris": [5]},
        {"containers": "x"},
        {"model": MODEL, "canary": 5},
        {"model": {"storage": {"path": "p", "parameters": {"a": 1}}}},
    ],
)
def test_a_service_whose_model_is_not_seen_is_unclassified(predictor: Any) -> None:
    assert read(inference_service(predictor)).unclassified


def test_models_that_kserve_mounts_writable() -> None:
    document = inference_service({"model": MODEL})
    document["metadata"]["annotations"] = {"storage.kserve.io/readonly": "false"}
    assert read(document).writable == ["metadata.annotations['storage.kserve.io/readonly']"]


@pytest.mark.parametrize(
    ("document", "uris"),
    [
        (
            {
                "apiVersion": "serving.kserve.io/v1alpha2",
                "kind": "LLMInferenceService",
                "spec": {"model": {"uri": "hf://o/b", "lora": {"adapters": [{"name": "t", "uri": "s3://a/3"}]}}},
            },
            {"hf://o/b", "s3://a/3"},
        ),
        (
            {"apiVersion": "mlops.seldon.io/v1alpha1", "kind": "Model", "spec": {"storageUri": "gs://b/iris/2"}},
            {"gs://b/iris/2"},
        ),
        (
            {
                "apiVersion": "machinelearning.seldon.io/v1",
                "kind": "SeldonDeployment",
                "spec": {"predictors": [{"graph": {"modelUri": "s3://g", "children": [{"modelUri": "s3://h"}]}}]},
            },
            {"s3://g", "s3://h"},
        ),
        (
            {
                "apiVersion": "serving.kserve.io/v1alpha1",
                "kind": "LocalModelCache",
                "spec": {"sourceModelUri": "s3://c"},
            },
            {"s3://c"},
        ),
        (
            {
                "apiVersion": "serving.kserve.io/v1alpha1",
                "kind": "TrainedModel",
                "spec": {"model": {"storageUri": "s3://t"}},
            },
            {"s3://t"},
        ),
        ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"MODEL_URI": "s3://c"}}, {"s3://c"}),
    ],
)
def test_models_in_kinds_without_a_row(document: dict[str, Any], uris: set[str]) -> None:
    found = read(document)
    assert found.models.keys() == uris
    assert found.unclassified == []


def test_fields_beside_spec_are_looked_at_and_status_is_not() -> None:
    thing = {"apiVersion": "x/v1", "kind": "X", "storageUri": "s3://a", "status": {"storageUri": "s3://b"}}
    assert places(read(thing)) == {"s3://a": ["storageUri"]}


def test_a_lone_image_is_judged_beside_a_model_and_governs_nothing_alone() -> None:
    job: dict[str, Any] = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}
    job["spec"] = {"initializer": {"model": {"storageUri": "s3://a"}}, "trainer": {"image": "reg.example/train:1"}}
    assert list(read(job).images) == ["reg.example/train:1"]
    del job["spec"]["initializer"]
    assert not read(job).governed


def test_what_hides_behind_texts_and_references_is_unclassified() -> None:
    ray = {"apiVersion": "ray.io/v1", "kind": "RayService", "spec": {"serveConfigV2": "applications: []"}}
    assert read(ray).unclassified == ["spec.serveConfigV2"]


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}},
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "spec": {"storageUri": {"type": "string"}},
        },
    ],
)
def test_what_runs_nothing_is_not_governed(document: dict[str, Any]) -> None:
    assert not read(document).governed


class TestClaims:
    def found(self, claims: Any, uri: str = "s3://m/f/7") -> dict[str, Any]:
        document = inference_service({"model": {"storageUri": uri}})
        document["metadata"]["annotations"] = {CLAIMS: claims}
        self.unclassified = read(document).unclassified
        return dict(read(document).facts()["models"][0])

    def test_a_claim_pins_a_place(self) -> None:
        item = self.found(f'{{"s3://m/f/7": "{DIGEST}"}}')
        assert item["digest"] == DIGEST
        assert item["reference"]["mutable"] is False

    @pytest.mark.parametrize(
        "uri", ["models:/a@champion", "models:/a/latest", "hf://o/m", "oci://r.io/m:tag", "what:/x"]
    )
    def test_a_claim_does_not_pin_what_is_meant_to_move(self, uri: str) -> None:
        item = self.found(f'{{"{uri}": "{DIGEST}"}}', uri)
        assert "digest" not in item
        assert item["reference"]["mutable"] is True

    def test_a_claim_on_another_model_pins_nothing(self) -> None:
        assert self.found(f'{{"s3://m/f/8": "{DIGEST}"}}')["reference"]["mutable"] is True

    @pytest.mark.parametrize("claims", ["x", "[]", '{"s3://m/f/7": "sha256:x"}', '{"s3://m/f/7": 5}', 5, "[" * 9999])
    def test_a_claim_that_is_not_understood_is_said_so(self, claims: Any) -> None:
        assert self.found(claims)["reference"]["mutable"] is True
        assert self.unclassified

    def test_two_claims_that_differ(self) -> None:
        document = deployment(container={"env": [{"name": "MODEL_URI", "value": "s3://m"}]})
        document["metadata"]["annotations"] = {CLAIMS: f'{{"s3://m": "{DIGEST}"}}'}
        document["spec"]["template"]["metadata"]["annotations"] = {CLAIMS: f'{{"s3://m": "{OTHER}"}}'}
        assert read(document).unclassified


def test_bounds() -> None:
    many = {"apiVersion": "x/v1", "kind": "X", "spec": {"a": [0] * (MAX_NODES + 5)}}
    assert read(many).unclassified
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    assert read({"apiVersion": "x/v1", "kind": "X", "spec": deep}).unclassified
    models = {"apiVersion": "x/v1", "kind": "X", "spec": {"modelUris": [f"s3://b/{n}" for n in range(300)]}}
    found = read(models)
    assert len(found.models) == 200
    assert found.unclassified


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/mnt/models", "a=b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "containers",
                    "initContainers",
                    "volumes",
                    "image",
                    "reference",
                    "name",
                    "env",
                    "value",
                    "args",
                    "spec",
                    "storageUri",
                    "storageUris",
                    "storage",
                    "model",
                    "predictor",
                    "uri",
                    "volumeMounts",
                    "mountPath",
                    "canary",
                    "workerSpec",
                    "resources",
                    "limits",
                    "template",
                    "metadata",
                    "annotations",
                    CLAIMS,
                    "key",
                    "path",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


WORDS = st.sampled_from(
    ["", "-", "--", "-m", "-c", "-o", "--model", "--model=", "--models", "-hf", "--output", "--speculative-config",
     "sh", "python", "aws", "s3", "cp", "hf", "download", "git", "clone", "ollama", "pull", "wget", "-O", "oras", "env",
     "mlflow", "vllm", "serve", ";", "&&", "|", "{", "[", '{"model": "a/b"}', '[{"name": "model_uri", "value": ""}]',
     "$", "$(", "$(A)", "${A", "A=", "=", "load_model(", "load_model(')", "from_pretrained('a/b'", "pipeline(model=",
     "https://huggingface.co/", "https://huggingface.co/a", "hf://", "s3://", "models:/", "/models", "..", "/..",
     "file:", "a/b", "\ud800", "\x00"]
)  # fmt: skip
LINES = st.lists(WORDS, max_size=6).map(" ".join) | WORDS | st.lists(WORDS, max_size=4).map("\n".join)


@given(
    st.lists(LINES, max_size=5),
    st.lists(LINES, max_size=5),
    st.lists(
        st.fixed_dictionaries({"name": WORDS | st.sampled_from(["A", "MODEL", "X_ARGS"]), "value": LINES}), max_size=3
    ),
    st.sampled_from(["a:1", "mlflow/x:1", "vllm/vllm-openai:1", "x/llama.cpp:1", "kserve/storage-initializer:1"]),
)
def test_no_command_line_raises(command: list[str], args: list[str], env: list[dict[str, str]], image: str) -> None:
    container = {"image": image, "command": command, "args": args, "env": env, "envFrom": [{"configMapRef": {}}]}
    mount = {"name": "v", "mountPath": "/models"}
    found = read(deployment(container=container | {"volumeMounts": [mount]}, volumes=[{"name": "v", "emptyDir": {}}]))
    assert f"docker.io/{image}".replace("/a:1", "/library/a:1") in found.images


@given(JSON, st.sampled_from(KINDS[:9]), st.booleans())
def test_no_object_raises(document: Any, row: tuple[str, str, str], service: bool) -> None:
    kind = GroupKind("serving.kserve.io", "InferenceService") if service else GroupKind(row[0], row[1])
    found = extract(document, kind, "ns")
    assert found.governed  # a known kind always is
    assert found.images or found.models or found.unclassified
