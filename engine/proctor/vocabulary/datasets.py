"""How datasets are named: one canonical identity for what catalogs, jobs and registries each spell in their own way.

A dataset is (namespace, name), as OpenLineage names it (https://openlineage.io/docs/spec/naming), after normalisation:
equal things get equal names, and nothing is guessed. What has no name that another system could know is unresolved.
"""

import json
import posixpath
import re
from collections.abc import Collection, Mapping
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
_IMPLIED: Final[Mapping[str, str]] = {"http": "80", "https": "443"}
"""Ports that are left out, because a URL without one means them (RFC 9110 section 4.2)."""
_OBJECT_STORES: Final = frozenset({"s3", "gs", "abfss", "wasbs"})
_CONTAINERS: Final = frozenset({"abfss", "wasbs"})
"""Stores that write `container@account` where others write a login: what stands before the `@` is part of the name."""
_FOLDING: Final = re.compile(
    r"(?:snowflake|hive|awsathena|athena|trino|redshift|oracle|db2|unitycatalog)://.*|arn:aws[a-z-]*:glue:.*", re.DOTALL
)
"""Namespaces of systems that do not tell `Orders` from `orders`, as OpenLineage names them."""
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

    @property
    def match_key(self) -> str:
        """Return what all spellings of one thing share: its URN, the name case-folded where its platform does so."""
        folds = _FOLDING.fullmatch(self.namespace) is not None
        return Dataset(self.namespace, self.name.casefold()).urn if folds else self.urn

    def digest(self, version: str) -> str:
        """Return the digest of one version of the dataset: of canonical namespace, name and version."""
        return digest({"namespace": self.namespace, "name": self.name, "version": version})

    def item(self, version: str | None) -> dict[str, Any]:
        """Return the item of a request's list `datasets` that names this dataset, pinned where a version is named."""
        reference: dict[str, Any] = {"namespace": self.namespace, "name": self.name, "pinned": version is not None}
        if version is None:
            return {"id": self.urn, "reference": reference}
        return {"id": self.urn, "digest": self.digest(version), "reference": reference | {"version": version}}


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
    elif namespace == "file":
        name = posixpath.normpath(name)
    found = Dataset(namespace, name)
    if not namespace or not name or not (namespace + name).isprintable() or len(found.urn) > MAX_LENGTH:
        raise ValueError(f"{namespace!r:.80} and {name!r:.80} name no dataset")
    return found


def _authority(scheme: str, text: str) -> str:
    """Return host and port; a login goes, with its password, unless it is no login but a container."""
    login, at, address = text.lower().rpartition("@")
    before = f"{login.partition(':')[0]}@" if at and scheme in _CONTAINERS else ""
    if address.startswith("["):  # an IPv6 address has colons of its own
        return before + address
    host, colon, port = address.partition(":")
    if not colon or port in {"", "none", "null"}:
        port = str(_PORTS[scheme]) if scheme in _PORTS and host else ""
    if port == _IMPLIED.get(scheme):
        port = ""
    return before + (f"{host}:{port}" if port else host)


def parse(urn: str) -> Dataset:
    """Return the dataset of a URN. Raises `ValueError` for text that is none, or not in the canonical form."""
    match = _URN.fullmatch(urn)
    if match is None:
        raise ValueError(f"{urn!r:.120} is no dataset's URN")
    found = canonical(unquote(match[1], errors="strict"), unquote(match[2], errors="strict"))
    if found.urn != urn:
        raise ValueError(f"{urn!r:.120} is spelt {found.urn!r:.120}")
    return found


def located(uri: str) -> Dataset | None:
    """Return the dataset that a URI of an object store names, or None for what is no such URI or names no object.

    The whole rest of the URI is the key: object stores know neither queries nor fragments.
    """
    match = _NAMESPACE.fullmatch(uri.strip())
    if match is None or _SCHEMES.get(match[1].lower(), match[1].lower()) not in _OBJECT_STORES:
        return None
    authority, _, key = match[2].partition("/")
    if not authority or not key.strip("/ "):
        return None
    return canonical(f"{match[1]}://{authority}", key)


def asserted(asserts: Collection[str], group: str, namespace: str) -> bool:
    """Tell whether a key that names `asserts` may say `group` of datasets in the canonical `namespace`.

    `datasets/*/ownership` is for all namespaces, `datasets/*/ownership@s3://lake` for that one, however it is spelt.
    """
    if f"datasets/*/{group}" in asserts:
        return True
    prefix = f"datasets/*/{group}@"
    return any(_same(one.removeprefix(prefix), namespace) for one in asserts if one.startswith(prefix))


def _same(spelt: str, namespace: str) -> bool:
    try:
        return canonical(spelt, "any").namespace == namespace
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class MlflowInput:
    """What a run's logged input is. `dataset` is None where nobody else could know it."""

    dataset: Dataset | None
    version: str | None
    why: str = ""
    """Why it is unresolved."""
    confidence: str = "none"
    """`exact`: the source names it; `mapped`: with the operator's word on where tables live; `none`: unresolved."""


def from_mlflow(source_type: str, source: str, unity: str | None = None) -> MlflowInput:
    """Return the identity of a dataset source as MLflow logs it: a type and a JSON text of that type's own shape.

    `unity` is the namespace of the Unity Catalog metastore in which tables and volumes live that are named without one
    (`unitycatalog://host`). Shapes: `mlflow/data/*_dataset_source.py` of MLflow 3.17, `to_dict` of each.
    """
    try:
        document: Any = json.loads(source)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return MlflowInput(None, None, "its source is not JSON")
    try:
        return _mlflow(source_type.lower(), document, unity)
    except ValueError as error:
        return MlflowInput(None, None, str(error))


def _mlflow(source_type: str, source: Mapping[str, Any], unity: str | None) -> MlflowInput:
    uri = next((str(source[key]) for key in ("uri", "url", "path") if isinstance(source.get(key), str)), "")
    if source_type == "hugging_face" and uri:
        return MlflowInput(canonical("hf://datasets", uri), _version(source.get("revision")), confidence="exact")
    table = source.get("delta_table_name") or source.get("table_name")
    if source_type in {"delta_table", "spark"} and isinstance(table, str):
        if unity is None or len([part for part in table.split(".") if part]) != _TABLE_PARTS:
            return MlflowInput(None, None, "a table by name needs its catalog's namespace")
        return MlflowInput(canonical(unity, table), _version(source.get("delta_table_version")), confidence="mapped")
    if source_type == "uc_volume":
        _, volumes, path = uri.partition("/Volumes/")
        parts = [part for part in path.split("/") if part]
        if unity is None or not volumes or len(parts) < _TABLE_PARTS:
            return MlflowInput(None, None, "a volume needs its catalog's namespace")
        name = "/".join([".".join(parts[:_TABLE_PARTS]), *parts[_TABLE_PARTS:]])
        return MlflowInput(canonical(unity, name), None, confidence="mapped")
    return _by_uri(source_type, uri, _version(source.get("delta_table_version")))


def _by_uri(source_type: str, uri: str, version: str | None) -> MlflowInput:
    parts = urlsplit(uri)
    if source_type == "local" or parts.scheme == "file":
        return MlflowInput(None, None, "a path on some machine is no name that a catalog knows")
    if not parts.scheme or not parts.netloc:
        return MlflowInput(None, None, f"a source of type {source_type!r:.40} without a URI that names a host")
    stored = located(uri)
    if stored is not None:
        return MlflowInput(stored, version, confidence="exact")
    if parts.query:
        # Without its query it would be another dataset's name, with it nobody's: signatures and sessions are in there.
        return MlflowInput(None, None, "its URL has a query, which no catalog knows")
    dataset = canonical(f"{parts.scheme}://{parts.netloc}", parts.path or "/")
    return MlflowInput(dataset, version, confidence="exact")


_TABLE_PARTS: Final = 3
"""Catalog, schema and table."""


def _version(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
