"""Pure: from an AdmissionReview, or a manifest, to the question that Proctor is asked, or to why there is none.

Nothing in the object can vouch for it: the environment comes from the namespace's name and the configuration, the
actor from who the API server says is asking, and a claimed digest is only compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from proctor.vocabulary.request import REQUEST_SCHEMA, DecisionRequest
from proctor.vocabulary.words import Operation, Point, Stage, SubjectKind
from proctor_adapters.kubernetes.configuration import KubernetesSettings
from proctor_adapters.kubernetes.extract import extract
from proctor_adapters.kubernetes.findings import Found, clean
from proctor_adapters.kubernetes.models import GroupKind, Review, mapping, text

Known = Callable[[str], Mapping[str, Any] | None]
"""Returns the document of the last allowed deployment of a workload."""
OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_NEVER_SCALED: Final = frozenset({"Pod", "Job", "CronJob", "DaemonSet", "InferenceService"})
"""Kinds without a scale subresource: remembering them would cost a write for nothing."""
_BOOKKEEPING: Final = frozenset({"finalizers", "ownerReferences", "managedFields", "resourceVersion", "generation"})
"""Fields of an object's metadata that are there for the API server and its controllers."""
_NAME = 200


@dataclass(frozen=True, slots=True)
class Governed:
    """A question for Proctor."""

    request: DecisionRequest
    places: Mapping[str, list[str]]
    """Paths in the object by item id, for the message."""
    remember: tuple[str, Mapping[str, Any]] | None = None
    """Workload and document to keep once it is allowed, so that a later scale can be judged."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Not governed: let through without a decision, for a documented reason."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Denied without a decision: there is nothing that could be judged. `code` is stable, `message` for people."""

    code: str
    message: str


Question = Governed | Passed | Refused


def translate_review(review: Review, settings: KubernetesSettings, known: Known) -> Question:
    """Return what to ask about one admission review. Never raises, whatever the review holds."""
    shortcut = _ungoverned(review, settings)
    if shortcut is not None:
        return shortcut
    environment = settings.environment(review.namespace)
    if environment is None:
        where = f"namespace {clean(review.namespace, _NAME)}" if review.namespace else "an object outside of namespaces"
        return Refused("unmapped_namespace", f"{where} has no environment; add it to adapters.kubernetes.namespaces")
    if review.operation == "CONNECT":
        what = f"{review.resource.name}/{review.subresource}"
        message = (
            f"CONNECT to {clean(what, _NAME)} is not allowed; adapters.kubernetes.ungoverned_subresources can list it"
        )
        return Refused("connect", message)
    if review.subresource == "scale":
        return _scale(review, environment, known)
    if not isinstance(review.object, dict):
        return Refused("no_object", f"the {review.operation} request carries no object")
    return _workload(review, environment, settings)


def _ungoverned(review: Review, settings: KubernetesSettings) -> Passed | Refused | None:
    if review.operation not in OPERATIONS:
        return Refused(
            "unknown_operation", f"the operation {clean(review.operation, 40)!r} is none that Kubernetes has"
        )
    what = f"{review.resource.name}/{review.subresource}"
    reasons = {
        "namespace": review.namespace in settings.ungoverned_namespaces,
        "subresource": what in settings.ungoverned_subresources,
        "delete": review.operation == "DELETE",
        "status": review.subresource == "status",
        # A finalizer must be able to go, or the object and its namespace stay for ever.
        "being_deleted": review.operation == "UPDATE" and _being_deleted(review),
        "bookkeeping": review.operation == "UPDATE" and not review.subresource and _bookkeeping(review),
        "scale_down": review.operation == "UPDATE" and not review.subresource and _shrinks(review),
    }
    return next((Passed(why) for why, holds in reasons.items() if holds), None)


def _being_deleted(review: Review) -> bool:
    """Tell whether the stored object is on its way out, and what it runs stays as it is.

    A client can't set the time: the API server keeps the old. An object with a finalizer of somebody's own can be
    on its way out for years, so that a change of what it runs is judged all the same.
    """

    def marked(holder: Any) -> bool:
        return bool(text(mapping(mapping(holder).get("metadata")).get("deletionTimestamp")))

    if not isinstance(review.old_object, dict):
        return marked(review.object)
    return marked(review.object) and marked(review.old_object) and _same(review)


def _bookkeeping(review: Review) -> bool:
    """Tell whether an update changes finalizers or owners, and nothing else.

    The job controller takes its finalizer off each finished Pod, the garbage collector and operators do the like, and
    none of them deploys anything. Labels and annotations are not bookkeeping: people approve with them.
    """
    if not isinstance(review.object, dict) or not isinstance(review.old_object, dict):
        return False
    new, old = mapping(review.object.get("metadata")), mapping(review.old_object.get("metadata"))
    if any(new.get(name) != old.get(name) for name in (new.keys() | old.keys()) - _BOOKKEEPING):
        return False
    moved = any(new.get(name) != old.get(name) for name in ("finalizers", "ownerReferences"))
    return moved and _same(review, "status")


def _shrinks(review: Review) -> bool:
    """Tell whether an update asks for fewer replicas, and for nothing else.

    So a rollout shrinks the old ReplicaSet: if its model was forbidden meanwhile, a denial would keep it running.
    """
    wanted, present = _replicas(review.object), _replicas(review.old_object)
    if wanted is None or present is None or wanted >= present:
        return False
    spec = {**mapping(mapping(review.old_object).get("spec")), "replicas": wanted}
    return _same(replace(review, old_object={**mapping(review.old_object), "spec": spec}))


def _same(review: Review, *also: str) -> bool:
    """Tell whether old and new object agree in everything but metadata and status; `also` compares these, too."""
    left_out = {"metadata", "status"} - set(also)
    new, old = mapping(review.object), mapping(review.old_object)
    try:
        return all(new.get(name) == old.get(name) for name in (new.keys() | old.keys()) - left_out)
    except RecursionError:  # deeper than can be compared: then it is judged
        return False


def _workload(review: Review, environment: str, settings: KubernetesSettings) -> Question:
    document = review.object
    stated = _stated_kind(document)
    kind = review.kind if review.kind.name else stated
    found = extract(document, kind, review.namespace, settings.not_models)
    if not kind.name or (stated.name and stated != kind):
        found.unknown("kind")
    if not found.governed:
        return Passed("kind")
    name = review.name or _object_name(document)
    judged = _question(
        found, kind.name, name, environment, namespace=review.namespace, point=Point.KUBERNETES_ADMISSION,
        request_id=review.uid,
    )  # fmt: skip
    workload = workload_key(review)
    if isinstance(judged, Refused) or not workload or review.subresource or kind.name in _NEVER_SCALED:
        return judged
    facts = judged.request.facts.model_dump(mode="json", exclude_none=True)
    return Governed(judged.request, judged.places, (workload, {"facts": facts}))


def translate_manifest(
    manifest: object,
    settings: KubernetesSettings,
    *,
    environment: str | None = None,
    namespace: str | None = None,
) -> Question:
    """Return what to ask about a manifest that is not in a cluster yet, at the point `ci`.

    `environment`: overrides the one of the namespace. `namespace`: for manifests without one; default `default`,
    as kubectl has it.
    """
    if not isinstance(manifest, dict):
        return Refused("no_object", "the manifest is not a mapping")
    kind = _stated_kind(manifest)
    if not kind.name:
        return Refused("no_object", "the manifest has no kind")
    place = text(mapping(manifest.get("metadata")).get("namespace")) or namespace or "default"
    if environment is None:
        if place in settings.ungoverned_namespaces:
            return Passed("namespace")
        environment = settings.environment(place)
    if environment is None:
        return Refused("unmapped_namespace", f"namespace {clean(place, _NAME)} has no environment; name one")
    found = extract(manifest, kind, place, settings.not_models)
    if not found.governed:
        return Passed("kind")
    return _question(found, kind.name, _object_name(manifest), environment, namespace=place, point=Point.CI)


def _scale(review: Review, environment: str, known: Known) -> Question:
    """Judge a scale on what was last allowed under the name: the Scale object shows no Pod template."""
    wanted, present = _replicas(review.object), _replicas(review.old_object)
    if wanted == 0:
        return Passed("scale_to_zero")
    if wanted is not None and present is not None and wanted < present:
        return Passed("scale_down")  # it starts nothing, and a workload that became forbidden must be able to shrink
    workload = workload_key(review)
    document = known(workload) if workload else None
    facts = mapping(document).get("facts")
    if not isinstance(facts, dict):
        what = f"{review.resource.name} {clean(review.namespace, 63)}/{clean(review.name, _NAME)}"
        message = (
            f"what {what} runs is not known, because it was not admitted through Proctor; apply its manifest again"
        )
        return Refused("unknown_workload", message)
    name = text(mapping(facts.get("workload")).get("name")) or review.name
    kind = text(mapping(facts.get("workload")).get("kind")) or review.resource.name
    places = _places(facts)
    subject = {"kind": SubjectKind.DEPLOYMENT, "name": f"{review.namespace}/{kind}/{name}"}
    return _asked(facts, places, Operation.SCALE, subject, environment, Point.KUBERNETES_ADMISSION, review.uid)


def _replicas(scale: Any) -> int | None:
    """Return how many replicas a Scale asks for; None where it doesn't say so."""
    spec = scale.get("spec") if isinstance(scale, dict) else None
    if not isinstance(spec, dict):
        return None
    replicas = spec.get("replicas", 0)  # omitted when it is 0 (autoscaling/v1, ScaleSpec)
    return replicas if type(replicas) is int and replicas >= 0 else None


def workload_key(review: Review) -> str:
    """Return the name under which a deployment is remembered: the same for the object and its scale; else empty."""
    name = review.name or _object_name(review.object, generated=False)
    if not (review.resource.name and name):
        return ""
    resource = f"{review.resource.name}.{review.resource.group}" if review.resource.group else review.resource.name
    key = f"{review.namespace}/{resource}/{name}"
    return key if len(key) < 1000 and clean(key, 1000) == key else ""  # noqa: PLR2004 (two names and a group are 700)


def _stated_kind(document: Mapping[str, Any]) -> GroupKind:
    group, slash, _ = text(document.get("apiVersion")).partition("/")
    return GroupKind(group if slash else "", text(document.get("kind")))


def _object_name(document: Any, *, generated: bool = True) -> str:
    metadata = mapping(mapping(document).get("metadata"))
    name = text(metadata.get("name"))
    if not name and generated and text(metadata.get("generateName")):
        name = f"{text(metadata.get('generateName'))}*"
    return name


def _question(
    found: Found,
    kind: str,
    name: str,
    environment: str,
    *,
    namespace: str,
    point: Point,
    request_id: str | None = None,
) -> Governed | Refused:
    kind, name, namespace = clean(kind, 100) or "unknown", clean(name, 260) or "unnamed", clean(namespace, 63)
    facts = found.facts()
    facts["workload"] = {
        "kind": kind,
        "namespace": namespace or "(cluster)",
        "name": name,
        "unlimited_containers": found.unlimited,
        "writable_model_mounts": found.writable,
        "unclassified": found.unclassified,
    }
    subject = {"kind": SubjectKind.DEPLOYMENT, "name": f"{namespace}/{kind}/{name}".lstrip("/")}
    return _asked(facts, _places(facts), Operation.DEPLOY, subject, environment, point, request_id)


def _places(facts: Mapping[str, Any]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for name in ("models", "images"):
        for item in facts.get(name) or ():
            if isinstance(item, dict):
                paths = mapping(item.get("reference")).get("paths")
                places[text(item.get("id"))] = [text(path) for path in paths] if isinstance(paths, list) else []
    return places


def _asked(
    facts: Mapping[str, Any],
    places: Mapping[str, list[str]],
    operation: Operation,
    subject: Mapping[str, Any],
    environment: str,
    point: Point,
    request_id: str | None,
) -> Governed | Refused:
    document = {
        "schema": REQUEST_SCHEMA, "stage": Stage.DEPLOYMENT, "operation": operation, "point": point,
        "environment": environment, "subject": subject, "facts": facts,
        "request_id": clean(request_id, _NAME) if request_id else None,
    }  # fmt: skip
    try:
        return Governed(DecisionRequest.model_validate(document), places)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return Refused("untranslatable", f"the object can't be described: {clean(where, 200)}: {first['msg']}")
