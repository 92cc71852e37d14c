"""The packages of this Python, and whether each of them could be installed again exactly as it is.

What an installer leaves beside a package says where it came from (PEP 610, `direct_url.json`; nothing there means an
index, where name and version are enough). A folder can change after it was installed from, and so proves nothing; with
one exception that is none: an editable install of a clean checkout is as fixed as the plan's own source code, which is
known by its commit, too.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from proctor.notebook import checkout

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A revision of git or Mercurial that names its content; branches and tags do not."""
_HASHES: Final[Mapping[str, int]] = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hashes that pin an archive, with their hexadecimal digits."""
_INSTALLERS: Final = ("RECORD", "INSTALLER")
"""What installers leave behind. A folder with neither was built in place (`setup.py develop`) and can change."""


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution: the line by which it could be installed again, or why there is none."""

    line: str
    loose: str = ""
    """Why it could be another one tomorrow; empty where it could not."""


def packages(found: Iterable[Distribution] | None = None) -> list[Package]:
    """Return what is installed for this Python, by name; from `found` where that is given."""
    read = [_package(one) for one in (distributions() if found is None else found)]
    return sorted(set(read), key=lambda one: (one.line.casefold(), one.loose))


def locked(installed: Iterable[Package]) -> bool:
    """Tell whether every package is fixed. An environment in which nothing is known to be installed is not."""
    loose = [bool(one.loose) for one in installed]
    return bool(loose) and not any(loose)


def recorded(installed: Iterable[Package]) -> str:
    """Return the environment as a text to keep: what `pip freeze` would say, and what of it is not fixed."""
    lines = [one.line + (f"  # not fixed: {one.loose}" if one.loose else "") for one in installed]
    return "\n".join([f"# Python {sys.version.split()[0]}", *lines])


def _package(one: Distribution) -> Package:
    name, version = _named(one)
    if not name or not version:
        return Package(f"# {name or 'a package without a name'}", "its metadata names no version")
    pinned = f"{name}=={version}"
    origin = one.read_text("direct_url.json")
    if origin is None:
        installed = any(one.read_text(left) is not None for left in _INSTALLERS)
        return Package(pinned, "" if installed else "no installer has recorded where it came from")
    try:
        document = json.loads(origin)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("url"), str):
        return Package(pinned, "its direct_url.json can't be read")
    return _direct(name, pinned, document)


def _named(one: Distribution) -> tuple[str, str]:
    """Return name and version, empty where the metadata of a half-removed package lacks them.

    Where the backport `importlib_metadata` was imported, it finds packages, too, and raises where the standard library
    returns nothing.
    """
    try:
        metadata = one.metadata
    except FileNotFoundError:
        return "", ""
    name, version = (str(metadata[key] or "") if key in metadata else "" for key in ("Name", "Version"))
    return name, version


def _direct(name: str, pinned: str, origin: Mapping[str, Any]) -> Package:
    """Read where a package came from that came from no index."""
    url = str(origin["url"])
    versioned, archive, folder = (_part(origin, key) for key in ("vcs_info", "archive_info", "dir_info"))
    if versioned is not None:
        revision, kind = str(versioned.get("commit_id", "")), str(versioned.get("vcs", ""))
        if kind in {"git", "hg"} and _COMMIT.fullmatch(revision):
            return Package(f"{name} @ {kind}+{_shown(url)}@{revision}")
        return Package(pinned, f"it came from {kind or 'a repository'} at no revision that names its content")
    if archive is not None:
        found = _hash(archive)
        return Package(f"{name} @ {_shown(url)}#{found}") if found else Package(pinned, "its archive has no hash")
    if folder is not None and folder.get("editable") is True:
        path = Path(unquote(urlsplit(url).path))
        commit = checkout.clean_commit(path)
        if commit is not None:
            return Package(f"{pinned}  # editable, clean at {commit}")
        return Package(pinned, f"it is an editable install of {path.name!r}, which is no clean checkout")
    return Package(pinned, "it was installed from a local folder")


def _part(origin: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found = origin.get(key)
    return found if isinstance(found, dict) else None


def _hash(archive: Mapping[str, Any]) -> str | None:
    stated = archive.get("hashes")
    hashes = dict(stated) if isinstance(stated, dict) else {}
    kind, _, value = str(archive.get("hash", "")).partition("=")
    hashes.setdefault(kind, value)
    for name, digits in _HASHES.items():
        if re.fullmatch(rf"[0-9a-f]{{{digits}}}", str(hashes.get(name, ""))):
            return f"{name}={hashes[name]}"
    return None


def _shown(url: str) -> str:
    """Return a URL without login, query and fragment: they can hold a password, and this text is kept."""
    split = urlsplit(url)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))
