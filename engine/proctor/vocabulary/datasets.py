"""How datasets are named: one canonical identity for what catalogs, jobs and registries each spell in their own way.

A dataset is (namespace, name), as OpenLineage names it (https://openlineage.io/docs/spec/naming), after normalisation:
equal things get equal names, and nothing is guessed. What has no name that another system could know is unresolved.
"""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from proctor.vocabulary.canonical import digest

_SCHEMES: Final[Mapping[str, str]] = {
    "s3a": "s3", "s3n": "s3", "gcs": "gs", "postgresql": "postgres", "abfs": "abfss", "wasb": "wasbs",
}  # fmt: skip
"""Spellings of one store. The Java client of OpenLineage normalises the same ones."""
_PORTS: Final[Mapping[str, int]] = {
    "postgres": 5432, "mysql": 3306, "mssql": 1433, "oracle": 1521, "redshift": 5439, "trino": 8080, "hive": 10000,
}  # fmt: skip
_OBJECT_STORES: Final = frozenset({"s3", "gs", "abfss", "wasbs"})
_NAMESPACE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_URN: Final = re.compile(r"urn:ol:([^:]*):([^:]+)")
MAX_LENGTH: Final = 2048
"""Characters of a URN, as of every `Word` of the vocabulary."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's identity. `canonical` makes one; two are equal when they name the same thing."""

    namespace: str
    name: str

    @property
    def urn(self) -> str:
        """Return the printable form, which `parse` reads back. Percent-encoding makes it unambiguous (RFC 3986)."""
        return f"urn:ol:{quote(self.namespace, safe='')}:{quote(self.name, safe='')}"

    def digest(self, version: str) -> str:
        """Return the digest of one version of the dataset: of canonical namespace, name and version."""
        return digest({"namespace": self.namespace, "name": self.name, "version": version})


def canonical(namespace: str, name: str) -> Dataset:
    """Return the canonical identity of a dataset as somebody spells it. Raises `ValueError` for what names nothing."""
    namespace, name = namespace.strip(), name.strip()
    match = _NAMESPACE.fullmatch(namespace)
    if match is not None:
        scheme = _SCHEMES.get(match[1].lower(), match[1].lower())
        authority, _, path = match[2].partition("/")
        # A namespace that carries a path (an Iceberg warehouse, a folder) keeps it; credentials and queries go.
        path = path.partition("?")[0].strip("/")
        namespace = f"{scheme}://{_authority(scheme, authority.partition('?')[0])}" + (f"/{path}" if path else "")
        if scheme in _OBJECT_STORES:
            name = "/".join(part for part in name.split("/") if part) or "/"
        elif scheme == "file":
            name = posixpath.normpath(name)
    found = Dataset(namespace, name)
    if not namespace or not name or not (namespace + name).isprintable() or len(found.urn) > MAX_LENGTH:
        raise ValueError(f"{namespace!r:.80} and {name!r:.80} name no dataset")
    return found


def _authority(scheme: str, text: str) -> str:
    host, colon, port = text.rpartition("@")[2].lower().partition(":")
    if host.startswith("["):  # an IPv6 address has colons of its own
        return text.rpartition("@")[2].lower()
    if not colon or port in {"", "none", "null"}:
        port = str(_PORTS[scheme]) if scheme in _PORTS and host else ""
    return f"{host}:{port}" if port else host


def parse(urn: str) -> Dataset:
    """Return the dataset of a URN. Raises `ValueError` for text that is none, or not in the canonical form."""
    match = _URN.fullmatch(urn)
    if match is None:
        raise ValueError(f"{urn!r:.120} is no dataset's URN")
    found = canonical(unquote(match[1], errors="strict"), unquote(match[2], errors="strict"))
    if found.urn != urn:
        raise ValueError(f"{urn!r:.120} is spelt {found.urn!r:.120}")
    return found


@dataclass(frozen=True, slots=True)
class MlflowInput:
    """What a run's logged input is. `dataset` is None where nobody else could know it."""

    dataset: Dataset | None
    version: str | None
    why: str = ""
    """Why it is unresolved."""


def from_mlflow(source_type: str, source: str) -> MlflowInput:
    """Return the identity of a dataset source as MLflow logs it: a type and a JSON text of that type's own shape."""
    try:
        document: Any = json.loads(source)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return MlflowInput(None, None, "its source is not JSON")
    try:
        return _mlflow(source_type.lower(), document)
    except ValueError as error:
        return MlflowInput(None, None, str(error))


def _mlflow(source_type: str, source: Mapping[str, Any]) -> MlflowInput:
    uri = next((str(source[key]) for key in ("uri", "url", "path") if isinstance(source.get(key), str)), "")
    if source_type == "hugging_face" and uri:
        revision = source.get("revision")
        return MlflowInput(canonical("hf://datasets", uri), str(revision) if revision else None)
    if source_type == "delta_table" and source.get("delta_table_name"):
        return MlflowInput(None, None, "a table by name needs its catalog's namespace")
    version = source.get("delta_table_version")
    parts = urlsplit(uri)
    if source_type == "local" or parts.scheme == "file":
        return MlflowInput(None, None, "a path on some machine is no name that a catalog knows")
    if not parts.scheme or not (parts.netloc or parts.path):
        return MlflowInput(None, None, f"a source of type {source_type!r:.40} without a URI")
    dataset = canonical(f"{parts.scheme}://{parts.netloc}", parts.path or "/")
    return MlflowInput(dataset, None if version is None else str(version))
