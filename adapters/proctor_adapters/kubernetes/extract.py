"""From one object of any kind to what it would run: the rows of known kinds first, then a look at everything else.

The second look goes through the whole object, also of known kinds: any key that names a model URI, any part with the
shape of a PodSpec, any text with a URI in it that always means a model. It finds what a row does not know yet (a new
field of KServe, a custom resource), and what it can't read becomes unclassified instead of unseen.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from proctor_adapters.kubernetes import kserve
from proctor_adapters.kubernetes.configuration import plain
from proctor_adapters.kubernetes.findings import Found, below
from proctor_adapters.kubernetes.models import GroupKind, mapping
from proctor_adapters.kubernetes.programs import MODEL_URI
from proctor_adapters.kubernetes.workloads import BY_KIND, CONTAINER_LISTS, PodReader, claim_templates

CLAIMS: Final = "proctor.dev/model-digests"
"""Annotation: a JSON object from model URI to the digest that the author says is there."""
MAX_NODES: Final = 50_000
"""Objects, lists and texts looked at; about 60 ms. The largest object of KServe's samples has 2,000."""
MAX_DEPTH: Final = 60
_URI_KEY = re.compile(r"(?:storage|model)ur[il]s?$")
_INDIRECT: Final[Mapping[str, frozenset[str]]] = {
    "serving.kserve.io": frozenset({"baseRefs"}),
    "argoproj.io": frozenset({"workloadRef", "workflowTemplateRef", "templateRef", "manifest", "podSpecPatch"}),
    "ray.io": frozenset({"serveConfigV2", "runtimeEnvYAML", "clusterSelector"}),
}
"""By group, keys behind which models hide: another object, or a document inside a text."""
_OBJECT_META: Final = frozenset(
    {"annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers",
     "generateName", "generation", "labels", "managedFields", "name", "namespace", "ownerReferences",
     "resourceVersion", "selfLink", "uid"}
)  # fmt: skip
"""Fields of ObjectMeta (meta/v1). Nothing is loaded from there but what `_read_claims` reads."""
_LABELS: Final = frozenset({"labels", "matchLabels", "nodeSelector", "selector"})
_LABEL_VALUE = re.compile(r"[A-Za-z0-9._-]{0,63}", re.ASCII)
_DEFINITIONS: Final = frozenset({"apiextensions.k8s.io", "admissionregistration.k8s.io", "rbac.authorization.k8s.io"})
"""Groups whose objects describe others and run nothing: in a CRD, `storageUri` is the name of a property."""
_CONTAINER_PARTS: Final = frozenset({"command", "args", "env", "resources", "volumeMounts"})


def extract(document: Any, kind: GroupKind, namespace: str, not_models: frozenset[str] = frozenset()) -> Found:
    """Return what `document` would run. Never raises, whatever the document holds.

    `kind`: as the API server names it. `not_models`: normal names (see `configuration.plain`) to pass over.
    """
    found = Found(quote(namespace, safe=""), not_models)
    if not isinstance(document, dict):
        found.unknown("")
        return found
    if kind.group in _DEFINITIONS:
        return found
    _read_claims(document, found)
    row = BY_KIND.get((kind.group, kind.name))
    if row is not None:
        spec: Any = document
        path = ""
        for key in row.path:
            spec = spec.get(key) if isinstance(spec, dict) else None
            path = below(path, key)
        if isinstance(spec, dict):
            PodReader(spec, path, found, templates=claim_templates(document)).read(complete=True)
        else:
            found.unknown(path)
    elif kind.group in kserve.GROUPS and kind.name == kserve.KIND:
        kserve.read(document, found)
    _look(document, kind.group, found)
    return found


def _read_claims(document: Mapping[str, Any], found: Found) -> None:
    """Read the annotations that count, on the object and on the template of its Pods."""
    spec = mapping(document.get("spec"))
    job = mapping(mapping(spec.get("jobTemplate")).get("spec"))
    holders = (
        ("metadata", document.get("metadata")),
        ("spec.template.metadata", mapping(spec.get("template")).get("metadata")),
        ("spec.jobTemplate.spec.template.metadata", mapping(job.get("template")).get("metadata")),
    )
    for path, metadata in holders:
        annotations = mapping(mapping(metadata).get("annotations"))
        kserve.annotated(annotations, f"{path}.annotations", found)
        raw = annotations.get(CLAIMS)
        if raw is None:
            continue
        place = below(f"{path}.annotations", CLAIMS)
        try:
            claims = json.loads(raw) if isinstance(raw, str) and len(raw) < 100_000 else None  # noqa: PLR2004
        except (ValueError, RecursionError):
            claims = None
        found.claim(claims, place)


def _look(document: Mapping[str, Any], group: str, found: Found) -> None:
    """Go through the whole object without recursion, so that its depth costs memory and not the stack."""
    indirect = _INDIRECT.get(group, frozenset())
    content = {key: value for key, value in document.items() if key != "status"}
    waiting: list[tuple[Any, str, str, int]] = [(content, "", "", 0)]
    looked_at = 0
    images: list[tuple[str, str]] = []
    while waiting:
        value, path, key, depth = waiting.pop()
        looked_at += 1
        if looked_at > MAX_NODES or depth > MAX_DEPTH or (isinstance(value, list) and len(value) > MAX_NODES):
            found.unknown(path)
            return
        if isinstance(value, str):
            for match in MODEL_URI.finditer(value):
                found.model(match[0], path)
        elif isinstance(value, dict):
            if not _shape(value, path, found) and path not in found.read and isinstance(value.get("image"), str):
                images.append((value["image"], below(path, "image")))
            fields = _fields(value, path)
            waiting += [(inner, place, name, depth + 1) for name, inner, place in fields]
            for name, inner, place in fields:
                _key(name, inner, place, key, group, found)
                if name in indirect:
                    found.unknown(place)
        elif isinstance(value, list):
            waiting += [(inner, below(path, index), key, depth + 1) for index, inner in enumerate(value)]
    if found.governed:
        # A lone `image` makes nothing governed: many operators have one. Beside a model it is what will serve it.
        for reference, place in images:
            found.image(reference, place)


def _fields(value: Mapping[str, Any], path: str) -> list[tuple[str, Any, str]]:
    """Return (name, value, place) of the fields that may lead to a model."""
    return [
        (name, inner, below(path, name))
        for name, inner in value.items()
        if inner is not None and not _describes(name, inner)
    ]


def _describes(name: str, value: Any) -> bool:
    """Tell whether a field only describes an object: real metadata and real labels, not what merely is called so."""
    if not isinstance(value, dict):
        return False
    if name == "metadata":
        return value.keys() <= _OBJECT_META
    return name in _LABELS and all(isinstance(one, str) and _LABEL_VALUE.fullmatch(one) for one in value.values())


def _key(name: str, value: Any, path: str, parent: str, group: str, found: Found) -> None:
    """Note the models that a key names: `storageUri`, `modelUrls`, or `uri` inside `model` or `adapters`."""
    normal = plain(name)
    if normal in found.not_models or (parent == "dataset" and group == "trainer.kubeflow.org"):
        return
    if _URI_KEY.search(normal) or (normal in {"uri", "url"} and plain(parent) in {"model", "adapters", "lora"}):
        role = "adapter" if plain(parent) in {"adapters", "lora"} else "base"
        for uri, place in _uris(value, path):
            if isinstance(uri, str):
                found.model(uri, place, role)
            else:
                found.unknown(place)


def _uris(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if not isinstance(value, list):
        yield value, path
        return
    for index, entry in enumerate(value):
        place = below(path, index)
        if isinstance(entry, dict) and "uri" in entry:
            yield entry["uri"], below(place, "uri")
        else:
            yield entry, place


def _shape(value: Mapping[str, Any], path: str, found: Found) -> bool:
    """Read a PodSpec or a container wherever one stands that no row has read; tell whether there was one."""
    if path in found.read:
        return False
    lists = [name for name in CONTAINER_LISTS if value.get(name) is not None]
    if lists:
        PodReader(value, path, found, templates=frozenset()).read(complete=False)
        return True
    if isinstance(value.get("image"), str) and _CONTAINER_PARTS & value.keys():
        reader = PodReader({}, path, found, templates=frozenset())
        found.governed = True
        reader.read_container(value, path, list_name="containers", needs_image=False)
        return True
    return False
