"""KServe `InferenceService` (serving.kserve.io/v1beta1) on all paths by which it gets a model.

| path below `spec` | what |
|---|---|
| `{predictor,transformer,explainer}` | each a PodSpec: containers, initContainers, volumes |
| `.model`, `.sklearn`, `.xgboost` and other frameworks | a container with `storageUri`, `storage`, `args`, `env` |
| `.storageUris[]{uri,mountPath}` | several models |
| `.storage{key,path,parameters}` | a model in a place that a Secret names |
| `.workerSpec` | the same again, for multi-node serving |
| `canary[]`, `.canary[]` | variants, each with a predictor |

Shapes: kserve/kserve `config/crd/full/inferenceservice`, release 0.20.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from proctor_adapters.kubernetes.findings import Found, below
from proctor_adapters.kubernetes.workloads import CONTAINER_LISTS, MAX_LIST, PodReader

GROUPS: Final = frozenset({"serving.kserve.io", "serving.kubeflow.org"})
"""KServe, and what it was called before 0.7: the shapes are the same."""
KIND: Final = "InferenceService"
ROLES: Final[Mapping[str, str]] = {"predictor": "base", "transformer": "transformer", "explainer": "explainer"}
FRAMEWORKS: Final = frozenset(
    {"model", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml", "lightgbm",
     "paddle", "art", "alibi", "aix"}
)  # fmt: skip
_CONTAINER_KEYS: Final = frozenset(
    {"storageUri", "storage", "storageUris", "modelFormat", "image", "args", "env", "command", "runtime",
     "runtimeVersion", "protocolVersion"}
)  # fmt: skip
_NOT_FRAMEWORKS: Final = frozenset({"workerSpec", "securityContext", "affinity", "nodeSelector", "logger", "batcher"})
_INTERNAL: Final = "internal.serving.kserve.io/"
_MODE: Final = "storage.kserve.io/readonly"
MAX_DEPTH: Final = 6


def read(document: Mapping[str, Any], found: Found) -> None:
    """Note everything of one InferenceService."""
    found.governed = True
    spec = document.get("spec")
    if not isinstance(spec, dict):
        found.unknown("spec")
        return
    for name, role in ROLES.items():
        if name in spec and spec[name] is not None:
            _component(spec[name], f"spec.{name}", found, role)
    if spec.get("predictor") is None:
        found.unknown("spec.predictor")
    if spec.get("canary") is not None:
        _canaries(spec["canary"], "spec.canary", found, MAX_DEPTH)
    metadata = document.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and annotations.get(_MODE, "true") != "true":
        found.writable_mount(below("metadata.annotations", _MODE))


def annotated(annotations: Mapping[str, Any], path: str, found: Found) -> None:
    """Note the models in the annotations by which KServe tells its Pod webhook what to fetch into a Pod.

    The webhook believes them on any Pod with KServe's label, whoever wrote them. Names: kserve/kserve
    `pkg/constants`, release 0.15.
    """
    source = annotations.get(f"{_INTERNAL}storage-initializer-sourceuri")
    place = below(path, f"{_INTERNAL}storage-initializer-sourceuri")
    if isinstance(source, str) and annotations.get(f"{_INTERNAL}storage-spec") == "true":
        try:
            parameters = json.loads(annotations.get(f"{_INTERNAL}storage-spec-param") or "{}")
        except (TypeError, ValueError, RecursionError):
            parameters = "not understood"
        key = annotations.get(f"{_INTERNAL}storage-spec-key")
        found.stored = _storage({"key": key, "path": source, "parameters": parameters}, place, found, "base")
    elif source is not None:
        _uri(source, place, found, "base")
    local = annotations.get(f"{_INTERNAL}localmodel-sourceuri")
    if local is not None:
        _uri(local, below(path, f"{_INTERNAL}localmodel-sourceuri"), found, "base")


def _uri(value: Any, path: str, found: Found, role: str) -> None:
    if isinstance(value, str):
        found.model(value, path, role)
    else:
        found.unknown(path)


def _component(component: Any, path: str, found: Found, role: str, depth: int = MAX_DEPTH) -> None:
    if not isinstance(component, dict) or depth <= 0:
        found.unknown(path)
        return
    reader = PodReader(component, path, found, role=role, templates=frozenset())
    before = found.sightings
    reader.read(complete=False)
    _parts(component, path, found, role, depth, reader)
    serves = role in {"base", "canary"} and not path.endswith(".workerSpec")
    if serves and found.sightings == before and not component.get("containers"):
        # Nothing that serves without a model: it is in a runtime's image, or fetched where nobody sees it.
        found.unknown(path)


def _parts(component: Mapping[str, Any], path: str, found: Found, role: str, depth: int, reader: PodReader) -> None:
    for key, value in component.items():
        place = below(path, key)
        if key in {*CONTAINER_LISTS, "volumes"} or value is None:
            continue
        if key == "workerSpec":
            _component(value, place, found, role, depth - 1)
        elif key == "canary":
            _canaries(value, place, found, depth - 1)
        elif key == "storageUris":
            _several(value, place, found, role)
        elif key in FRAMEWORKS or _like_container(key, value):
            _framework(value, place, found, role, reader)


def _like_container(key: str, value: Any) -> bool:
    """Tell whether an unknown field is a framework of another KServe: it has a container's or a model's fields."""
    return key not in _NOT_FRAMEWORKS and isinstance(value, dict) and bool(_CONTAINER_KEYS & value.keys())


def _framework(value: Any, path: str, found: Found, role: str, reader: PodReader) -> None:
    if not isinstance(value, dict):
        found.unknown(path)
        return
    reader.read_container(value, path, list_name="containers", needs_image=False)
    if value.get("storageUri") is not None:
        _uri(value["storageUri"], below(path, "storageUri"), found, role)
    if value.get("storageUris") is not None:
        _several(value["storageUris"], below(path, "storageUris"), found, role)
    if value.get("storage") is not None:
        _storage(value["storage"], below(path, "storage"), found, role)


def _several(value: Any, path: str, found: Found, role: str) -> None:
    if not isinstance(value, list) or len(value) > MAX_LIST:
        found.unknown(path)
        return
    for index, entry in enumerate(value):
        place = below(path, index)
        if isinstance(entry, dict):
            _uri(entry.get("uri"), below(place, "uri"), found, role)
        else:
            _uri(entry, place, found, role)


def _storage(value: Any, path: str, found: Found, role: str) -> str | None:
    """Note `storage: {key, path, parameters}`: it means something only with this namespace's Secret.

    Returns the URI that stands for it, or None where it is not understood.
    """
    if not isinstance(value, dict):
        found.unknown(path)
        return None
    key, folder, parameters = value.get("key") or "", value.get("path"), value.get("parameters")
    parameters = {} if parameters is None else parameters
    plain = isinstance(parameters, dict) and all(isinstance(one, str) for one in parameters.values())
    if not isinstance(key, str) or not isinstance(folder, str) or not folder or not plain:
        found.unknown(path)
        return None
    query = "?" + urlencode(sorted(parameters.items())) if parameters else ""
    uri = f"storage://{found.namespace}/{quote(key, safe='')}/{quote(folder.strip('/'))}{query}"
    found.model(uri, path, role)
    return uri


def _canaries(value: Any, path: str, found: Found, depth: int) -> None:
    if not isinstance(value, list) or len(value) > MAX_LIST or depth <= 0:
        found.unknown(path)
        return
    for index, entry in enumerate(value):
        place = below(path, index)
        if not isinstance(entry, dict):
            found.unknown(place)
            continue
        inner = {name: entry[name] for name in ROLES if entry.get(name) is not None}
        for name, component in inner.items():
            _component(component, below(place, name), found, "canary", depth - 1)
        if not inner:
            _component(entry, place, found, "canary", depth - 1)
