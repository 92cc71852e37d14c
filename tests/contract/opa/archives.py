"""Bundles that were changed after they had been signed."""

import dataclasses
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proctor.opa.bundle import BuiltBundle

Files = dict[str, bytes]


def read(path: Path) -> Files:
    """Return the files of a bundle."""
    with tarfile.open(path) as archive:
        return {member.name: _content(archive, member) for member in archive if member.isfile()}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def write(path: Path, files: Files) -> None:
    """Write files as a bundle."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def changed(bundle: BuiltBundle, folder: Path, change: Callable[[Files], None]) -> BuiltBundle:
    """Return a copy of `bundle` below `folder` with other files, and the signature of the original."""
    files = read(bundle.path)
    change(files)
    path = folder / "changed.tar.gz"
    write(path, files)
    return dataclasses.replace(bundle, path=path)


def copied(bundle: BuiltBundle, folder: Path) -> BuiltBundle:
    """Return `bundle` in a file of its own below `folder`."""
    path = folder / f"copy-{bundle.revision}.tar.gz"
    path.write_bytes(bundle.path.read_bytes())
    return dataclasses.replace(bundle, path=path)


def tampered(files: Files) -> None:
    """Let everything be compliant."""
    (name,) = [name for name in files if name.endswith("governance/main/main.rego")]
    assert b'"deny"' in files[name]
    files[name] = files[name].replace(b'"deny"', b'"none"')


def extended(files: Files) -> None:
    """Add a file that the signature does not know."""
    files["/governance/lib/extra/extra.rego"] = b"package governance.lib.extra\n\nallow := true\n"


def unsigned(files: Files) -> None:
    """Take the signature away."""
    (name,) = [name for name in files if name.endswith(".signatures.json")]
    del files[name]


def another_key(folder: Path) -> Path:
    """Return the public half of a key that has signed nothing."""
    path = folder / "another.pub"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return path
