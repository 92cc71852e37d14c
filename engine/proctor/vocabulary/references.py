"""How models and images are named: one total reading of model URIs and image references.

Inventory and adapters read references with the same functions, so that what an adapter calls immutable is what the
inventory looks up. Nothing here knows whether a thing exists.
"""

import re
from dataclasses import dataclass
from typing import Final

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,199}")
"""Names of models that the inventory takes."""
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}):(/{1,2})")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")
_VERSION = re.compile(r"[0-9]{1,18}")
_PRINTABLE = re.compile(r"[^\x00-\x20\x7f]+")

OCI_SCHEMES: Final = frozenset({"oci", "oci+native", "oci+fetch", "docker"})
STORAGE_SCHEMES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "azure", "hdfs", "webhdfs", "http", "https",
     "pvc", "dbfs", "runs", "mlflow-artifacts", "storage"}
)  # fmt: skip
"""Places whose content can be overwritten. An operator's claim of a digest pins one, because nothing about the name
says that it is meant to move; `storage` is ours, for KServe's `storage: {key, path}`."""
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class ImageName:
    """A container image reference in its full form, after the grammar of distribution/reference v0.6."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def full(self) -> str:
        """Return registry, repository, tag and digest; an image without either has the tag `latest`."""
        tag = self.tag or (None if self.digest else "latest")
        return (
            f"{self.registry}/{self.repository}"
            + (f":{tag}" if tag else "")
            + (f"@{self.digest}" if self.digest else "")
        )

    @property
    def source(self) -> str:
        """Return the registry host and, below it, the first path segment where there is more than one."""
        first, slash, _ = self.repository.partition("/")
        return f"{self.registry}/{first}" if slash else self.registry


def parse_image(reference: str) -> ImageName:
    """Read an image reference as a container runtime does: `nginx` is `docker.io/library/nginx:latest`.

    Raises `ValueError` for what no runtime would pull, and for digests other than SHA-256, which the vocabulary
    has no place for.
    """
    name, at, digest = reference.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise ValueError("the digest is not sha256 with 64 lower-case hexadecimal digits")
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost" or head != head.lower()):
        registry, remainder = head.lower(), rest
    else:
        registry, remainder = "docker.io", name
    if registry in {"index.docker.io", "registry-1.docker.io"}:
        registry = "docker.io"
    repository, colon, tag = remainder.partition(":")
    if registry == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    if not _HOST.fullmatch(registry):
        raise ValueError("the registry is not a host name")
    if not all(_COMPONENT.fullmatch(part) for part in repository.split("/")):
        raise ValueError("the repository is not lower-case path segments")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError("the tag is not valid")
    return ImageName(registry, repository, tag if colon else None, digest if at else None)


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A model URI, taken apart."""

    uri: str
    """The normal form of the whole URI. Equal models may have different URIs; equal URIs name one thing."""
    scheme: str
    locator: str
    """What the inventory looks up: the normal form without the digest."""
    digest: str | None
    """The digest that the URI itself carries."""
    revision: str | None
    """Version, alias, tag, branch or commit, as the scheme has it."""
    mutable: bool
    """True when what the URI points to can change without the URI changing."""
    pinnable: bool
    """True when an operator's claim of a digest may stand for one in the URI; see `STORAGE_SCHEMES`."""


def parse_model(uri: str) -> ModelUri:
    """Read any text as a model URI. Total: what is not understood is mutable, and so is refused by the rules.

    Forms: `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/m-ID` (MLflow 3), `runs:/RUN/PATH`,
    `hf://ORG/REPO[:REVISION]` (KServe) and `hf://ORG/REPO@REVISION`, `oci://IMAGE`, `pvc://CLAIM/PATH`, object
    stores and `https://`.
    """
    match = _SCHEME.match(uri)
    if match is None or not _PRINTABLE.fullmatch(uri):
        return _unknown(uri)
    scheme, slashes = match[1].lower(), match[2]
    rest = uri[match.end() :]
    if scheme == "models" and slashes == "/":
        return _mlflow(rest)
    if scheme in OCI_SCHEMES and slashes == "//":
        return _oci(uri, rest)
    if scheme == "hf" and slashes == "//":
        return _hugging_face(uri, rest)
    if scheme in STORAGE_SCHEMES:
        return _storage(scheme, slashes, rest)
    return _unknown(uri, scheme)


def _unknown(uri: str, scheme: str = UNKNOWN) -> ModelUri:
    return ModelUri(uri, scheme, uri, digest=None, revision=None, mutable=True, pinnable=False)


def _mlflow(rest: str) -> ModelUri:
    """Read what follows `models:/`: `mlflow.store.artifact.utils.models._parse_model_uri` is the pattern."""
    name, slash, version = rest.partition("/")
    if not slash and _LOGGED_MODEL.fullmatch(name):
        uri = f"models:/{name}"
        return ModelUri(uri, "models", uri, digest=None, revision=None, mutable=False, pinnable=False)
    if slash and name and "@" not in name and ":" not in name and _VERSION.fullmatch(version):
        number = str(int(version))
        uri = f"models:/{name}/{number}"
        return ModelUri(uri, "models", uri, digest=None, revision=number, mutable=False, pinnable=False)
    uri = f"models:/{rest}"
    revision = version or name.partition("@")[2] or None
    return ModelUri(uri, "models", uri, digest=None, revision=revision, mutable=True, pinnable=False)


def _oci(uri: str, rest: str) -> ModelUri:
    try:
        image = parse_image(rest)
    except ValueError:
        return _unknown(uri, "oci")
    place = f"oci://{image.registry}/{image.repository}"
    if image.digest:
        return ModelUri(
            f"{place}@{image.digest}", "oci", place, image.digest, image.digest, mutable=False, pinnable=False
        )
    tagged = f"{place}:{image.tag or 'latest'}"
    return ModelUri(tagged, "oci", tagged, None, image.tag or "latest", mutable=True, pinnable=False)


def _hugging_face(uri: str, rest: str) -> ModelUri:
    repository, separator, revision = rest.partition("@") if "@" in rest else rest.partition(":")
    repository = repository.rstrip("/")
    if not repository or (separator and not revision):
        return _unknown(uri, "hf")
    normal = f"hf://{repository}" + (f"@{revision}" if revision else "")
    pinned = _COMMIT.fullmatch(revision) is not None
    return ModelUri(normal, "hf", normal, None, revision or None, mutable=not pinned, pinnable=False)


def _storage(scheme: str, slashes: str, rest: str) -> ModelUri:
    authority, slash, path = rest.partition("/")
    if slashes == "//":
        authority = authority.lower()
    normal = f"{scheme}:{slashes}{authority}{slash}{path}".rstrip("/")
    return ModelUri(normal, scheme, normal, digest=None, revision=None, mutable=True, pinnable=True)
