"""Wherever a model is planted in what a real API server sent, it is found or the workload is unclassified."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor_adapters.kubernetes.extract import extract
from proctor_adapters.kubernetes.findings import Found
from proctor_adapters.kubernetes.models import GroupKind
from proctor_adapters.kubernetes.workloads import ROWS
from tests.adapters.kubernetes.doubles import inference_service, pod_spec

RECORDED: Final = Path(__file__).parents[2] / "contract" / "recorded" / "kubernetes"
URI: Final = "s3://planted/here"
NAMES: Final = sorted(path.stem for path in RECORDED.glob("*-create*.json"))
NOT_READ: Final = {"annotations", "labels", "managedFields", "status", "ownerReferences", "finalizers"}
"""Parts of metadata by which nothing is loaded; KServe's own annotations have tests of their own."""


def recorded(name: str) -> tuple[Any, GroupKind]:
    request = json.loads((RECORDED / f"{name}.json").read_bytes())["request"]
    return request["object"], GroupKind(request["kind"]["group"], request["kind"]["kind"])


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (holder, key) of every node that is looked at, in the document itself."""
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in entries:
        if key not in NOT_READ:
            yield value, key
            yield from nodes(inner)


def seen(found: Found, uri: str) -> bool:
    return uri in found.models or bool(found.unclassified)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("uri", ["models:/planted/1", "runs:/planted/model", "hf://planted/one"])
def test_no_text_of_an_object_hides_a_model_uri(name: str, uri: str) -> None:
    document, kind = recorded(name)
    metadata = {id(one) for one in nodes_of(document.get("metadata"))}
    looked_at = 0
    for holder, key in nodes(document):
        if not isinstance(holder[key], str) or id(holder) in metadata:
            continue
        kept, holder[key] = holder[key], uri
        assert seen(extract(document, kind, "ns"), uri), key
        holder[key] = kept
        looked_at += 1
    assert looked_at >= 2


def nodes_of(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from nodes_of(inner)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["storageUri", "modelUri", "model_url", "storage-uris"])
def test_no_part_of_an_object_hides_a_key_that_names_a_model(name: str, key: str) -> None:
    document, kind = recorded(name)
    for holder in [document, *(holder[inner] for holder, inner in nodes(document))]:
        if isinstance(holder, dict):
            holder[key] = URI
            assert seen(extract(document, kind, "ns"), URI)
            del holder[key]


CONTAINER_PLANTS: Final[dict[str, Any]] = {
    "flag=": {"args": [f"--model={URI}"]},
    "flag": {"args": ["--port", "80", "--model-id", URI, "--verbose"]},
    "command": {"command": ["mlflow", "models", "serve", "-m", URI]},
    "script": {"command": ["sh", "-c", f"set -e; exec mlflow models serve --model-uri '{URI}' --port 80"]},
    "variable": {"env": [{"name": "X", "value": "1"}, {"name": "MODEL_URI", "value": URI}]},
    "expanded": {"env": [{"name": "U", "value": URI}], "args": ["--model", "$(U)"]},
    "storage": {"env": [{"name": "STORAGE_URI", "value": URI}]},
    "initializer": {"name": "storage-initializer", "args": [URI, "/mnt/models"]},
    "triton": {"args": ["tritonserver", f"--model-repository={URI}"]},
    "torchserve": {"args": ["torchserve", "--models", f"a={URI}"]},
    "adapters": {"image": "docker.io/vllm/vllm-openai:1", "args": ["org/m", "--lora-modules", f"a={URI}"]},
    "more arguments": {"env": [{"name": "VLLM_ADDITIONAL_ARGS", "value": f"--x 1 --model {URI}"}]},
    "json": {"args": ["--config-json", json.dumps({"engine": {"model": URI}})]},
    "download": {"command": ["bash", "-ec", f"mkdir -p /models && aws s3 cp --recursive {URI} /models/x"]},
    "python": {"command": ["python3", "-c", f"import x\nx.load_model('{URI}')"]},
    "hidden variable": {"env": [{"name": "MODEL_URI", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
    "hidden argument": {"args": ["--model", "$(UNSEEN)"]},
    "hidden everywhere": {"args": ["serve", "${MODEL_URI}"], "envFrom": [{"secretRef": {"name": "s"}}]},
    "hidden file": {"image": "docker.io/vllm/vllm-openai:1", "args": ["--config", "/etc/c.yaml"]},
}
SURROUNDINGS: Final = st.fixed_dictionaries(
    {},
    optional={
        "args": st.lists(st.text(alphabet="abc -=/$(){}\"'\n;|&", max_size=12), max_size=4),
        "command": st.lists(st.text(alphabet="abc -=/;", max_size=12), max_size=3),
        "env": st.lists(
            st.fixed_dictionaries({"name": st.text("ABC_", min_size=1, max_size=5), "value": st.text(max_size=8)}),
            max_size=4,
        ),
        "resources": st.just({"limits": {"cpu": "1"}}),
        "ports": st.just([{"containerPort": 80}]),
    },
)


def placed(row: Any, spec: Any) -> tuple[Any, GroupKind]:
    document: Any = spec
    for key in reversed(row.path):
        document = {key: document}
    version = f"{row.group}/v1" if row.group else "v1"
    return {"apiVersion": version, "kind": row.kind, **document}, GroupKind(row.group, row.kind)


@given(
    st.sampled_from(ROWS),
    st.sampled_from(sorted(CONTAINER_PLANTS)),
    st.sampled_from(["containers", "initContainers", "ephemeralContainers"]),
    st.lists(SURROUNDINGS, max_size=3),
    st.integers(0, 3),
)
def test_no_container_of_any_kind_hides_a_model(
    row: Any, plant: str, where: str, others: list[dict[str, Any]], index: int
) -> None:
    bystanders = [{"name": f"o{n}", "image": "registry.example.org/o:1"} | one for n, one in enumerate(others)]
    planted = {"name": "planted", "image": "registry.example.org/p:1"} | copy.deepcopy(CONTAINER_PLANTS[plant])
    spec = pod_spec()
    spec[where] = [*(spec["containers"] if where == "containers" else []), *bystanders]
    spec[where].insert(min(index, len(spec[where])), planted)
    found = extract(*placed(row, spec), "ns")
    assert seen(found, URI)
    if not plant.startswith("hidden"):
        assert URI in found.models


KSERVE_PLANTS: Final[dict[str, Any]] = {
    "model": lambda uri: {"model": {"modelFormat": {"name": "x"}, "storageUri": uri}},
    "framework": lambda uri: {"sklearn": {"storageUri": uri}},
    "unknown framework": lambda uri: {"notyetinvented": {"storageUri": uri}},
    "several": lambda uri: {"model": {"modelFormat": {"name": "x"}}, "storageUris": [{"uri": uri, "mountPath": "/a"}]},
    "several of a model": lambda uri: {"model": {"storageUris": [{"uri": "s3://first"}, {"uri": uri}]}},
    "argument": lambda uri: {"huggingface": {"args": [f"--model_dir={uri}"]}},
    "variable": lambda uri: {"model": {"env": [{"name": "STORAGE_URI", "value": uri}]}},
    "container": lambda uri: {"containers": [{"image": "a", "args": ["--model", uri]}]},
    "init container": lambda uri: {
        "containers": [{"image": "a"}],
        "initContainers": [{"image": "b", "env": [{"name": "MODEL_URI", "value": uri}]}],
    },
    "worker": lambda uri: {"model": {}, "workerSpec": {"containers": [{"image": "a", "args": ["--model", uri]}]}},
}


@given(
    st.sampled_from(sorted(KSERVE_PLANTS)),
    st.sampled_from(["predictor", "transformer", "explainer", "canary", "predictor.canary"]),
    st.sampled_from(["serving.kserve.io", "serving.kubeflow.org"]),
)
def test_no_component_of_an_inference_service_hides_a_model(plant: str, where: str, group: str) -> None:
    component = KSERVE_PLANTS[plant](URI)
    plain = {"model": {"storageUri": "s3://plain"}}
    document = {
        "predictor": lambda: inference_service(component),
        "transformer": lambda: inference_service(plain, transformer=component),
        "explainer": lambda: inference_service(plain, explainer=component),
        "canary": lambda: inference_service(plain, canary=[{"predictor": component, "trafficPercent": 5}]),
        "predictor.canary": lambda: inference_service({**plain, "canary": [{"predictor": component}]}),
    }[where]()
    found = extract(document, GroupKind(group, "InferenceService"), "ns")
    assert URI in found.models
    assert all(place.startswith(f"spec.{where}") for place in found.models[URI].places)
