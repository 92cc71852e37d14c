"""The shape of a registered model version, and how it is stored."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Executable, insert, update

from proctor.errors import RefusedError
from proctor.store.moments import from_text, to_text
from proctor.store.tables import model_uris, model_versions
from proctor.vocabulary.references import DIGEST, MODEL_NAME
from proctor.vocabulary.words import DATA_CLASSES

DESCRIPTION: Final = ("author", "purpose", "exposure", "autonomy", "data_class")
"""What may be unknown of a version when it is registered."""
EXPOSURES: Final = ("internal", "partner", "public")
AUTONOMIES: Final = ("advisory", "supervised", "autonomous")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PRINCIPAL = re.compile(r"(person|service):[a-z0-9]{4,64}")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """One environment in which the version may be deployed."""

    environment: str
    allowed_by: str
    allowed_at: datetime


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version: a name, a digest, and what people declared about it."""

    id: str
    name: str
    version: str
    digest: str
    """Digest of the canonical manifest of all artifact files."""
    uris: tuple[str, ...]
    """Locators: normal forms without a digest."""
    registered_by: str
    registered_at: datetime
    allowances: tuple[Allowance, ...] = ()
    author: str | None = None
    purpose: str | None = None
    exposure: str | None = None
    autonomy: str | None = None
    data_class: str | None = None
    withdrawn_at: datetime | None = None
    files: int | None = None
    """How many files were hashed; None where only a digest was stated."""
    unsafe_files: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    """URNs of the datasets that it was trained on."""
    hashed_at: datetime | None = None

    @property
    def environments(self) -> tuple[str, ...]:
        """Return the names of the environments in which the version is allowed."""
        return tuple(allowance.environment for allowance in self.allowances)

    def allowance(self, environment: str) -> Allowance | None:
        """Return the allowance for `environment`, or None."""
        return next((found for found in self.allowances if found.environment == environment), None)

    def document(self) -> dict[str, Any]:
        """Return the version as JSON, for the ledger and the API: no nulls, times as text."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or value == () or field.name == "allowances":
                continue
            plain[field.name] = to_text(value) if isinstance(value, datetime) else value
            if isinstance(value, tuple):
                plain[field.name] = list(value)
        return plain | {"uris": list(self.uris), "environments": _stored(self.allowances)}


def validate(version: ModelVersion) -> None:
    """Raise `RefusedError` with status 422 for the first field that is not what the vocabulary takes."""
    checks: tuple[tuple[str, str | None, re.Pattern[str] | tuple[str, ...]], ...] = (
        ("name", version.name, MODEL_NAME),
        ("version", version.version, _VERSION),
        ("digest", version.digest, DIGEST),
        ("author", version.author, _PRINCIPAL),
        ("exposure", version.exposure, EXPOSURES),
        ("autonomy", version.autonomy, AUTONOMIES),
        ("data_class", version.data_class, DATA_CLASSES),
    )
    for name, value, allowed in checks:
        if value is None:
            continue
        good = value in allowed if isinstance(allowed, tuple) else allowed.fullmatch(value) is not None
        if not good:
            wanted = ", ".join(allowed) if isinstance(allowed, tuple) else f"text like {allowed.pattern}"
            raise RefusedError(
                "invalid_request",
                422,
                f"reading {name} of a model version",
                f"{value[:200]!r}",
                f"Write one of: {wanted}",
            )


def validate_environments(environments: Iterable[str]) -> None:
    """Raise `RefusedError` with status 422 for a name that no environment can have."""
    for name in environments:
        if not _ENVIRONMENT.fullmatch(name):
            raise RefusedError(
                "invalid_request", 422, "reading an environment", repr(name[:200]), "Name it as the configuration does"
            )


def _stored(allowances: Iterable[Allowance]) -> list[dict[str, str]]:
    return [
        {"name": one.environment, "allowed_by": one.allowed_by, "allowed_at": to_text(one.allowed_at)}
        for one in allowances
    ]


def _hashed(version: ModelVersion) -> dict[str, Any]:
    return {
        "files": version.files,
        "unsafe_files": list(version.unsafe_files),
        "datasets": list(version.datasets),
        "hashed_at": to_text(version.hashed_at) if version.hashed_at else None,
    }


def insertion(version: ModelVersion) -> list[Executable]:
    """Return the statements that store a new version."""
    columns = {field.name: getattr(version, field.name) for field in fields(version)}
    del columns["uris"], columns["allowances"]
    columns |= {
        "environments": _stored(version.allowances),
        "registered_at": to_text(version.registered_at),
        "withdrawn_at": None,
        **_hashed(version),
    }
    locators = [insert(model_uris).values(locator=uri, model_version_id=version.id) for uri in version.uris]
    return [insert(model_versions).values(**columns), *locators]


def completed(known: ModelVersion, hashed: ModelVersion) -> ModelVersion:
    """Return `known` with what was found when its files were read, and with what `hashed` knows beyond it."""
    described = {name: getattr(known, name) or getattr(hashed, name) for name in DESCRIPTION}
    return replace(
        known,
        **described,
        uris=tuple(sorted({*known.uris, *hashed.uris})),
        files=hashed.files,
        unsafe_files=hashed.unsafe_files,
        hashed_at=hashed.hashed_at,
        datasets=hashed.datasets,
    )


def alteration(version: ModelVersion, new_uris: Iterable[str] = ()) -> list[Executable]:
    """Return the statements that store what may change of a version: allowances, confirmation, withdrawal."""
    return [
        *(insert(model_uris).values(locator=uri, model_version_id=version.id) for uri in new_uris),
        update(model_versions)
        .where(model_versions.c.id == version.id)
        .values(
            environments=_stored(version.allowances),
            registered_at=to_text(version.registered_at),
            **{name: getattr(version, name) for name in DESCRIPTION},
            **_hashed(version),
            withdrawn_at=to_text(version.withdrawn_at) if version.withdrawn_at else None,
        ),
    ]


def from_row(row: Mapping[str, Any], uris: Iterable[str]) -> ModelVersion:
    """Read a version from its row in `model_versions` and its locators."""
    plain = dict(row)
    allowances = tuple(
        Allowance(one["name"], one["allowed_by"], from_text(one["allowed_at"])) for one in plain.pop("environments")
    )
    withdrawn = plain.pop("withdrawn_at")
    plain["registered_at"] = from_text(plain["registered_at"])
    hashed = plain.pop("hashed_at")
    for name in ("unsafe_files", "datasets"):
        plain[name] = tuple(plain[name] or ())
    return ModelVersion(
        **plain, hashed_at=from_text(hashed) if hashed else None, uris=tuple(sorted(uris)), allowances=allowances,
        withdrawn_at=from_text(withdrawn) if withdrawn else None,
    )  # fmt: skip
