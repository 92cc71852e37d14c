"""Reads a built bundle back: its files, its index, and the digest of the policy, computed anew from what is inside.

A bundle of former days is signed with a key that may be gone, and an export comes from elsewhere. What a decision names
is the digest of its policy, and the ledger holds that. So an archive is good for replaying a decision when its content
has the digest that the decision recorded, whoever signed it; it is then signed with a key of the moment, because OPA
is never started without one.
"""

import gzip
import io
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

from proctor.errors import PolicyError
from proctor.opa import bundle
from proctor.opa.bundle import BuiltBundle
from proctor.opa.index import Index
from proctor.vocabulary.canonical import NotCanonical, canonical, decode, digest, digest_bytes

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of a bundle, unpacked. The provided policy with a thousand rules more has less than 8 MiB."""
_MAX_FILES: Final = 20_000
_REMEDY: Final = "Take the bundle from where it was built, or build it again from its source"
_DATA: Final = "data.json"
_MANIFEST: Final = ".manifest"
_SIGNATURES: Final = ".signatures.json"
_INDEX: Final = "governance/index/data.json"
_VALUES: Final = "governance/config/values/data.json"


@dataclass(frozen=True)
class Archive:
    """A policy as it stands in a bundle. `read` makes it."""

    rego: Mapping[str, bytes]
    """Path -> source, for each Rego file."""
    data: Mapping[str, Any]
    """All data documents, as OPA merges them."""

    @property
    def document(self) -> dict[str, Any]:
        """Return the index."""
        found: dict[str, Any] = self.data["governance"]["index"]
        return found

    @property
    def revision(self) -> str:
        """Return the revision that the index names."""
        return str(self.document["revision"])

    @cached_property
    def digest(self) -> str:
        """Return the digest of the policy, as `bundle.lay_out` computes it: over path and content of every file."""
        index = {name: value for name, value in self.document.items() if name != "revision"}
        generated = {_INDEX: canonical(index), _VALUES: canonical(self.data["governance"]["config"]["values"])}
        files = {**self.rego, **generated, **self._others}
        return digest({path: digest_bytes(content) for path, content in files.items()})

    @property
    def _others(self) -> dict[str, bytes]:
        """Return the data documents that the build takes as they are, under the paths at which it lays them out."""
        known = {"index", "config"}
        governance = self.data["governance"]
        return {
            f"governance/{name}/data.json": canonical(value) for name, value in governance.items() if name not in known
        }


def read(content: bytes, name: str) -> Archive:
    """Read the bytes of a bundle that people know as `name`. Raises `PolicyError` for what is no bundle of ours."""
    tried = f"reading the bundle {name}"
    try:
        files = _unpacked(content)
        document: Any = decode(files.pop(_DATA), max_bytes=MAX_BYTES)
        archive = Archive({path: text for path, text in files.items() if path.endswith(".rego")}, document)
        if not archive.revision or not archive.document["rules"]:
            raise PolicyError(tried, ["its index names no rule"], _REMEDY)
        _ = archive.data["governance"]["config"]["values"]
    except (OSError, EOFError, zlib.error, tarfile.TarError, NotCanonical, KeyError, TypeError, ValueError) as error:
        raise PolicyError(tried, [f"no bundle of Proctor's: {type(error).__name__}: {error}"], _REMEDY) from error
    strange = sorted(path for path in files if path not in {_MANIFEST, _SIGNATURES} and path not in archive.rego)
    if strange:
        raise PolicyError(tried, [f"{path}: the build writes no such file" for path in strange], _REMEDY)
    return archive


def _unpacked(content: bytes) -> dict[str, bytes]:
    with gzip.open(io.BytesIO(content)) as stream:
        raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes when it is unpacked")
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
        for member in tar:
            path = member.name.removeprefix("/")
            if member.isdir():
                continue
            taken = tar.extractfile(member)
            if taken is None or ".." in PurePosixPath(path).parts or path in found or len(found) >= _MAX_FILES:
                raise ValueError(f"{path!r:.200}: not a plain file, twice, or one too many")
            found[path] = taken.read()
    return found


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that can be sent to another process: what a `BuiltBundle` is on this machine's disk."""

    digest: str
    revision: str
    content: bytes
    """The archive, signed."""
    public_key: bytes

    def unpacked(self, folder: Path) -> BuiltBundle:
        """Write it into `folder` and return it as OPA can be started with."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path, key = folder / f"{self.revision}.tar.gz", folder / f"{self.revision}.pub"
        path.write_bytes(self.content)
        key.write_bytes(self.public_key)
        archive = read(self.content, self.revision)
        return BuiltBundle(path, self.digest, self.revision, Index(archive.document), key)


def policy(archive: Archive, binary: Path) -> Policy:
    """Sign an archive with a key that nobody keeps. Raises `PolicyError` when OPA does not take it."""
    with tempfile.TemporaryDirectory(prefix="prc-") as name:
        folder = Path(name).resolve()
        stage = folder / "policy"
        for path, text in archive.rego.items():
            target = stage / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
        (stage / _DATA).write_bytes(canonical(dict(archive.data)))
        manifest: dict[str, Any] = {"revision": archive.revision, "roots": [""], "rego_version": 1}
        (stage / _MANIFEST).write_bytes(canonical(manifest))
        key = folder / "keys" / "bundle.key"
        public = bundle.signing_key(key)
        target = folder / "bundle.tar.gz"
        bundle.archive(binary, stage, target, key, folder)
        return Policy(archive.digest, archive.revision, target.read_bytes(), public.read_bytes())
