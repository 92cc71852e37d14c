"""What was found in one object: models, images and everything that nobody understood, with the places of each.

A place is a path as people write it (`spec.template.spec.containers[0].image`). All collections are bounded; what
goes over a bound is itself something that nobody understood, and so is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proctor.vocabulary.references import DIGEST, ModelUri, parse_image, parse_model

MAX_ITEMS: Final = 200
"""Models, and images, of one object. The vocabulary takes 1000 of each; no manifest known to us has over 40."""
MAX_PLACES: Final = 200
MAX_REFERENCE: Final = 1024
MAX_PATH: Final = 400
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_OCI_IMAGE = re.compile(r"(?:oci\+native|oci\+fetch|oci|docker)://(.+)", re.IGNORECASE)


def below(path: str, key: str | int) -> str:
    """Return the path of one entry of the object or list at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _SIMPLE.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}['{clean(key, 100)}']"


def clean(value: str, limit: int) -> str:
    """Return `value` on one line, without characters that can't be written as UTF-8, at most `limit` long."""
    plain = _NOT_PRINTABLE.sub("?", value)
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."


@dataclass(slots=True)
class FoundModel:
    """One model by one URI."""

    uri: ModelUri
    places: list[str] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)


@dataclass(slots=True)
class FoundImage:
    """One image by one full reference."""

    registry: str
    digest: str | None
    places: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """Everything found in one object. `namespace` completes references that mean something only inside it."""

    namespace: str
    not_models: frozenset[str] = frozenset()
    governed: bool = False
    """True once something was found that Proctor judges: a PodSpec, a model, or what nobody understood."""
    models: dict[str, FoundModel] = field(default_factory=dict)
    images: dict[str, FoundImage] = field(default_factory=dict)
    unlimited: list[str] = field(default_factory=list)
    writable: list[str] = field(default_factory=list)
    unclassified: list[str] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)
    """Digests that the object's annotation claims, by normal URI."""
    sightings: int = 0
    """How often a model was seen, the same one in another place too."""
    stored: str | None = None
    """The model that KServe's annotations on a Pod describe by a storage Secret, see `kserve.annotated`."""
    read: set[str] = field(default_factory=set)
    """Paths of the PodSpecs and containers that have been read."""
    script_room: int = 40_000
    """Characters that may still be split as a shell would, at 0.5 us each; the rest is split at white space."""
    expansions: int = 500
    """Values in which variables may still be replaced; the rest is unclassified."""

    def unknown(self, path: str) -> None:
        """Note a place that may carry a model and was not understood."""
        self.governed = True
        _note(self.unclassified, path)

    def model(self, uri: str, path: str, role: str = "base") -> None:
        """Note a model. `pvc://` and `storage://` are completed with the namespace: elsewhere they are others."""
        self.governed = True
        if not uri or len(uri) > MAX_REFERENCE or _NOT_PRINTABLE.search(uri):
            self.unknown(path)
            return
        parsed = parse_model(uri)
        if parsed.scheme == "pvc":
            parsed = parse_model(f"pvc://{self.namespace}/{parsed.uri.removeprefix('pvc://')}")
        known = self.models.get(parsed.uri)
        if known is None:
            if len(self.models) >= MAX_ITEMS:
                self.unknown(path)
                return
            known = self.models[parsed.uri] = FoundModel(parsed)
        if clean(path, MAX_PATH) in known.places:
            return  # a row has read this very place, with its proper role
        _note(known.places, path)
        known.roles.add(role)
        self.sightings += 1
        image = _OCI_IMAGE.fullmatch(uri)
        if image is not None:
            # KServe runs oci:// as a container, mounts oci+native:// and unpacks oci+fetch://: it is pulled anyway.
            self.image(image[1], path)

    def image(self, reference: Any, path: str) -> None:
        """Note a container image; what is no valid reference can't be judged and is unclassified."""
        self.governed = True
        if not isinstance(reference, str) or len(reference) > MAX_REFERENCE:
            self.unknown(path)
            return
        try:
            name = parse_image(reference)
        except ValueError:
            self.unknown(path)
            return
        known = self.images.get(name.full)
        if known is None:
            if len(self.images) >= MAX_ITEMS:
                self.unknown(path)
                return
            known = self.images[name.full] = FoundImage(name.source, name.digest)
        _note(known.places, path)

    def unlimited_container(self, path: str) -> None:
        """Note a container without a CPU and a memory limit."""
        _note(self.unlimited, path)

    def writable_mount(self, path: str) -> None:
        """Note a mount through which a container could write to a model."""
        _note(self.writable, path)

    def claim(self, document: Any, path: str) -> None:
        """Note the digests that an annotation claims. One that is not understood, or two that differ, refuse."""
        if not isinstance(document, dict) or len(document) > MAX_ITEMS:
            self.unknown(path)
            return
        for uri, digest in document.items():
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                self.unknown(path)
                continue
            parsed = parse_model(uri)
            if parsed.scheme == "pvc":
                parsed = parse_model(f"pvc://{self.namespace}/{parsed.uri.removeprefix('pvc://')}")
            if self.claims.setdefault(parsed.uri, digest) != digest:
                self.unknown(path)

    def facts(self) -> dict[str, Any]:
        """Return the lists `models` and `images` as the vocabulary has them."""
        models = [self._model_item(uri, found) for uri, found in sorted(self.models.items())]
        images = [_image_item(reference, found) for reference, found in sorted(self.images.items())]
        return {"models": models, "images": images}

    def _model_item(self, uri: str, found: FoundModel) -> dict[str, Any]:
        claimed = self.claims.get(uri) if found.uri.pinnable else None
        digest = found.uri.digest or claimed
        item: dict[str, Any] = {
            "id": uri,
            "reference": {
                "uris": [uri],
                "schemes": [found.uri.scheme],
                "mutable": found.uri.mutable and claimed is None,
                "paths": found.places,
                "roles": sorted(found.roles),
            },
        }
        return item | ({"digest": digest} if digest else {})


def _image_item(reference: str, found: FoundImage) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": reference,
        "reference": {
            "references": [reference],
            "registries": [found.registry],
            "pinned": found.digest is not None,
            "paths": found.places,
        },
    }
    return item | ({"digest": found.digest} if found.digest else {})


def _note(places: list[str], path: str) -> None:
    path = clean(path, MAX_PATH) or "(the object)"
    if len(places) < MAX_PLACES and path not in places:
        places.append(path)


def limited(resources: Any) -> bool:
    """Tell whether a container's or Pod's `resources` limit both CPU and memory."""
    limits = resources.get("limits") if isinstance(resources, Mapping) else None
    if not isinstance(limits, Mapping):
        return False
    return all(_quantity(limits.get(name)) for name in ("cpu", "memory"))


def _quantity(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return value > 0
    return isinstance(value, str) and value.strip(" 0.") != ""
