"""The files of a model version: the manifest that binds names to contents, its digest, and which files can run code.

A digest over contents alone would let two files change places; so the manifest lists every file by its path, and the
digest is over the canonical form of the whole list. Whoever hashes (MLflow's process, an init container, an auditor)
gets the same digest from the same files.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proctor.vocabulary.canonical import digest

MANIFEST: Final = "proctor/manifest/v1"
MAX_FILES: Final = 100_000
_UNSAFE_SUFFIXES: Final = (
    ".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt", ".bin", ".h5", ".hdf5", ".mar",
)  # fmt: skip
"""Formats whose usual loaders unpickle or run what the file says: CWE-502. `.bin` and `.pt` are PyTorch's pickles in a
ZIP, HDF5 holds Keras lambdas. safetensors, ONNX, skops, JSON and plain text are not among them."""
_PICKLE_PROTOCOLS: Final = tuple(bytes((0x80, version)) for version in range(2, 6))
"""The first two bytes of a pickle of protocol 2 to 5 (pickletools: PROTO)."""
_ZIP: Final = b"PK\x03\x04"
_ZIP_SUFFIXES: Final = (".zip", ".skops", ".npz", ".jar", ".whl", ".egg", ".keras", ".xlsx", ".docx")
SNIFFED: Final = 512
"""Bytes from the beginning of a file that `unsafe` looks at."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file: its path below the version's root with `/`, its SHA-256 in hexadecimal, its size in bytes."""

    path: str
    sha256: str
    size: int


def manifest_digest(files: Iterable[ManifestFile]) -> str:
    """Return the digest of the canonical manifest of `files`, in whatever order they come.

    Raises `ValueError` for an empty manifest, a path that leaves the root or stands twice, and too many files.
    """
    ordered = sorted(files, key=lambda file: file.path)
    paths = [file.path for file in ordered]
    if not ordered or len(ordered) > MAX_FILES:
        raise ValueError(f"a manifest has 1 to {MAX_FILES} files, this one {len(ordered)}")
    if len(set(paths)) != len(paths):
        raise ValueError("a path stands twice in the manifest")
    for path in paths:
        if path.startswith("/") or "\\" in path or any(part in {"", ".", ".."} for part in path.split("/")):
            raise ValueError(f"{path!r:.120} is no path below the root")
    return digest(
        {
            "schema": MANIFEST,
            "files": [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in ordered],
        }
    )


def unsafe(path: str, beginning: bytes) -> bool:
    """Tell whether loading the file can run code, by its name or by its first bytes (`SNIFFED` of them)."""
    name = path.lower()
    if name.endswith(_UNSAFE_SUFFIXES):
        return True
    if beginning.startswith(_PICKLE_PROTOCOLS):
        return True
    # PyTorch writes a ZIP whose first member is .../data.pkl, whatever the file is called.
    return beginning.startswith(_ZIP) and not name.endswith(_ZIP_SUFFIXES) and b".pkl" in beginning


def sha256_of(chunks: Iterable[bytes]) -> tuple[str, int, bytes]:
    """Return SHA-256 (hexadecimal), size and beginning of a file that comes in chunks."""
    state, size, beginning = hashlib.sha256(), 0, b""
    for chunk in chunks:
        state.update(chunk)
        size += len(chunk)
        if len(beginning) < SNIFFED:
            beginning += chunk[: SNIFFED - len(beginning)]
    return state.hexdigest(), size, beginning
