"""What is about to be trained, and from what: read from the notebook's own surroundings, nothing guessed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from proctor.errors import UsageError
from proctor.vocabulary.datasets import Dataset, canonical, parse
from proctor.vocabulary.words import Point

_GIT_LIMIT: Final = 10
_UNKNOWN_COMMIT: Final = "unknown"


@dataclass(frozen=True, slots=True)
class PlannedDataset:
    """One dataset of the plan, with the version that is read."""

    dataset: Dataset
    version: str | None

    @property
    def key(self) -> str:
        """Return the digest of the version, or the URN where no version is named."""
        return self.dataset.digest(self.version) if self.version else self.dataset.urn


def dataset(spelt: "str | Mapping[str, str] | PlannedDataset") -> PlannedDataset:
    """Return a dataset as people write it: `s3://lake/payments@7`, a URN with `@version`, or a mapping.

    Raises `UsageError` for what names none.
    """
    if isinstance(spelt, PlannedDataset):
        return spelt
    tried = f"reading the dataset {str(spelt)[:200]!r}"
    remedy = "Write it as s3://BUCKET/KEY@VERSION, or as {'namespace': ..., 'name': ..., 'version': ...}"
    try:
        if isinstance(spelt, Mapping):
            return PlannedDataset(canonical(spelt["namespace"], spelt["name"]), spelt.get("version"))
        text, at, version = spelt.rpartition("@")
        if not at or "/" in version:
            text, version = spelt, ""
        if text.startswith("urn:ol:"):
            return PlannedDataset(parse(text), version or None)
        scheme, separator, rest = text.partition("://")
        authority, slash, name = rest.partition("/")
        if not separator or not slash:
            raise UsageError(tried, "it has no scheme and name", remedy)
        return PlannedDataset(canonical(f"{scheme}://{authority}", name), version or None)
    except (KeyError, ValueError) as error:
        raise UsageError(tried, str(error), remedy) from error


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the code runs: its revision, its environment, its seed."""

    commit: str
    clean: bool
    locked: bool
    seeded: bool


def surroundings(seed: int | None, folder: Path | None = None) -> Surroundings:
    """Look at the git checkout of `folder` (default: the working directory) and at this Python's packages.

    Outside of a checkout the commit is `unknown` and nothing is clean. The environment is locked when every installed
    distribution has an exact version, which is so unless one is installed from a folder that can change.
    """
    where = folder or Path.cwd()
    commit = _git(where, "rev-parse", "HEAD")
    status = _git(where, "status", "--porcelain", "--untracked-files=no")
    return Surroundings(
        commit=commit or _UNKNOWN_COMMIT,
        clean=commit is not None and status == "",
        locked=bool(environment_lock()),
        seeded=seed is not None,
    )


def environment_lock() -> str:
    """Return the exact versions of everything that is installed, one per line: what `pip freeze` would say."""
    found = {f"{one.metadata['Name']}=={one.version}" for one in distributions() if one.metadata["Name"]}
    return "\n".join([f"# Python {sys.version.split()[0]}", *sorted(found, key=str.casefold)])


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 (the git that the person has)
            capture_output=True, text=True, timeout=_GIT_LIMIT, check=False, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def request(
    *,
    purpose: str,
    datasets: Sequence[PlannedDataset],
    environment: str,
    name: str,
    around: Surroundings,
    point: Point = Point.NOTEBOOK,
) -> dict[str, Any]:
    """Return the question whether this may be trained (rego/schemas/request.json).

    Asked at `notebook` it is a preflight; at any other point it is a look ahead, with which nothing can be started.
    """
    return {
        "schema": "proctor/request/v1",
        "stage": "training",
        "operation": "train",
        "point": str(point),
        "environment": environment,
        "purpose": purpose,
        "subject": {"kind": "run", "name": name},
        "facts": {
            "plan": {
                "purpose": purpose, "commit": around.commit, "clean": around.clean, "locked": around.locked,
                "seeded": around.seeded,
            },
            "datasets": [one.dataset.item(one.version) for one in datasets],
        },
    }  # fmt: skip
