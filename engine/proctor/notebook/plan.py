"""What is about to be trained, and from what: read from the notebook's own surroundings, nothing guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.errors import UsageError
from proctor.notebook import checkout, environment
from proctor.notebook.environment import Package
from proctor.vocabulary.datasets import Dataset, canonical, parse
from proctor.vocabulary.words import Point

_UNKNOWN_COMMIT: Final = "unknown"
_SHOWN: Final = 3
"""Packages that are named where some are not fixed."""


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
    packages: tuple[Package, ...]
    seeded: bool

    @property
    def locked(self) -> bool:
        """Tell whether every package of the environment is fixed."""
        return environment.locked(self.packages)

    def gaps(self) -> list[str]:
        """Return what keeps the run from being made again, one line each, for whoever wants to mend it."""
        loose = [f"{one.line.partition('==')[0]}: {one.loose}" for one in self.packages if one.loose]
        found = [f"the environment is not locked: {'; '.join(loose[:_SHOWN])}"] if loose else []
        if len(loose) > _SHOWN:
            found[0] += f"; and {len(loose) - _SHOWN} more"
        return found


def surroundings(seed: int | None, folder: Path | None = None) -> Surroundings:
    """Look at the git checkout of `folder` (default: the working directory) and at this Python's packages.

    Outside of a checkout the commit is `unknown` and nothing is clean.
    """
    where = folder or Path.cwd()
    commit = checkout.commit(where)
    return Surroundings(
        commit=commit or _UNKNOWN_COMMIT,
        clean=commit is not None and checkout.unchanged(where),
        packages=tuple(environment.packages()),
        seeded=seed is not None,
    )


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
