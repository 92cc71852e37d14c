"""The register of model versions: who registered what under which URIs, and where each may be deployed.

Reads come from a snapshot in memory, so that an admission makes no I/O. A write goes through the ledger, which puts
the tables' change and its own entry on disk in one transaction; the snapshot follows only after that.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Executable, select

from proctor.errors import NotFoundError, RefusedError
from proctor.inventory import records, uris
from proctor.inventory.records import Allowance, ModelVersion
from proctor.ledger.journal import Journal
from proctor.ledger.records import Entry
from proctor.store.database import Database
from proctor.store.moments import to_text
from proctor.store.tables import model_uris, model_versions
from proctor.vocabulary.references import ModelUri, parse_model

MAX_URIS: Final = 50
_FIXED: Final = ("digest", *records.DESCRIPTION)
"""What of a version never changes once it is known."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the inventory knows under one reference."""

    uri: ModelUri
    versions: tuple[ModelVersion, ...]
    """All registered versions under the reference; a digest, where one is known, narrows them."""

    @property
    def digest(self) -> str | None:
        """Return the digest that the reference stands for, or None where that is not exactly one.

        A mutable reference stands for none, however many versions are registered under it.
        """
        return self.versions[0].digest if len(self.versions) == 1 and not self.uri.mutable else None


@dataclass(frozen=True, slots=True)
class Hashed:
    """What was found when all files of a version were read."""

    files: int
    unsafe_files: tuple[str, ...]
    at: datetime


Snapshot = Mapping[str, tuple[ModelVersion, ...]]
"""Active versions by locator."""


class Inventory:
    """The registered model versions. `load` fills it from the database."""

    def __init__(self, database: Database, ledger: Journal, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._changes = database.following.add("models", self)
        self._versions: dict[tuple[str, str], ModelVersion] = {}
        self._by_locator: dict[str, tuple[ModelVersion, ...]] = {}
        self._used: frozenset[str] = frozenset()

    @classmethod
    def load(cls, database: Database, ledger: Journal, now: Callable[[], datetime]) -> "Inventory":
        """Read all versions into memory. Raises `StateError` when the database does not answer."""
        inventory = cls(database, ledger, now)
        inventory._changes.load()
        return inventory

    def read(self, connection: Connection, keys: frozenset[str] | None) -> list[ModelVersion]:
        """Read all versions, or those with these ids."""
        locating, describing = select(model_uris), select(model_versions)
        if keys is not None:
            locating = locating.where(model_uris.c.model_version_id.in_(keys))
            describing = describing.where(model_versions.c.id.in_(keys))
        locators: dict[str, list[str]] = {}
        for row in connection.execute(locating):
            locators.setdefault(row.model_version_id, []).append(row.locator)
        found = connection.execute(describing).all()
        return [records.from_row(row._asdict(), locators.get(row.id, ())) for row in found]

    def apply(self, found: Sequence[ModelVersion]) -> None:
        """Put what was read in the place of what was known. A version never disappears."""
        self._versions |= {(version.name, version.version): version for version in found}
        self._index()

    def _index(self) -> None:
        found: dict[str, list[ModelVersion]] = {}
        for version in self._versions.values():
            if version.withdrawn_at is None:
                for locator in version.uris:
                    found.setdefault(locator, []).append(version)
        self._by_locator = {locator: tuple(versions) for locator, versions in found.items()}
        self._used = frozenset(locator for version in self._versions.values() for locator in version.uris)

    def snapshot(self) -> Snapshot:
        """Return the active versions by locator, as of now. Later writes don't change it."""
        return self._by_locator

    def list(self, *, withdrawn: bool = False) -> list[ModelVersion]:
        """Return the versions by name and time of registration; those withdrawn only on request."""
        chosen = [one for one in self._versions.values() if withdrawn or one.withdrawn_at is None]
        return sorted(chosen, key=lambda one: (one.name, one.registered_at, one.version))

    def get(self, name: str, version: str) -> ModelVersion:
        """Return one version, withdrawn or not. Raises `NotFoundError`."""
        found = self._versions.get((name, version))
        if found is None:
            raise NotFoundError(
                f"looking up version {version} of model {name}", "it is not registered", "See 'proctor model list'"
            )
        return found

    def resolve(self, uri: str, pinned_digest: str | None = None) -> Resolution:
        """Return what is registered under `uri`; `pinned_digest` (in the URI or claimed for it) narrows it."""
        parsed = parse_model(uri)
        versions = self._by_locator.get(parsed.locator, ())
        for digest in (parsed.digest, pinned_digest):
            if digest is not None:
                versions = tuple(one for one in versions if one.digest == digest)
        return Resolution(parsed, versions)

    def used(self, uri: str) -> bool:
        """Tell whether any version is registered under `uri`, or was until it was withdrawn."""
        return parse_model(uri).locator in self._used

    def digest_for(self, uri: str) -> str | None:
        """Return the digest of an immutable reference with exactly one registration, or None."""
        return self.resolve(uri).digest

    async def register(  # noqa: PLR0913 (keyword-only: the fields of a version)
        self,
        *,
        name: str,
        version: str,
        digest: str,
        by: str,
        uris: Sequence[str] = (),
        author: str | None = None,
        purpose: str | None = None,
        exposure: str | None = None,
        autonomy: str | None = None,
        data_class: str | None = None,
        hashed: "Hashed | None" = None,
        datasets: Sequence[str] = (),
    ) -> ModelVersion:
        """Register a model version and return it; without `uris` it is found under `models:/NAME/VERSION`.

        Registering the same again confirms it: its facts count as observed now. With `hashed`, what was not known of
        it before is added, because whoever reads all files knows more than whoever states a digest. Raises
        `RefusedError` with status 422 for a value out of the vocabulary, and 409 when the version exists with other
        content, was withdrawn, or when another version holds a URI that would no longer resolve to one digest.
        """
        locators = _locators(uris or (f"models:/{name}/{version}",), digest)
        draft = ModelVersion(
            id=f"mdl_{secrets.token_hex(12)}", name=name, version=version, digest=digest, uris=locators,
            registered_by=by, registered_at=self._now(), author=author, purpose=purpose, exposure=exposure,
            autonomy=autonomy, data_class=data_class, datasets=tuple(sorted(set(datasets))),
            files=hashed.files if hashed else None, unsafe_files=hashed.unsafe_files if hashed else (),
            hashed_at=hashed.at if hashed else None,
        )  # fmt: skip
        records.validate(draft)
        async with self._changes.writing():
            known = self._versions.get((name, version))
            if known is not None:
                return await self._confirm(known, draft)
            self._refuse_shared_uris(draft)
            await self._store("registered", draft, by, records.insertion(draft))
            return draft

    async def _confirm(self, known: ModelVersion, draft: ModelVersion) -> ModelVersion:
        tried = f"registering version {draft.version} of model {draft.name}"
        if known.withdrawn_at is not None:
            raise RefusedError("conflict", 409, tried, "it was withdrawn", "Register a new version")
        new = tuple(sorted({*draft.uris} - {*known.uris}))
        if draft.hashed_at is None:
            confirmed = known
            differing = [name for name in (*_FIXED, "uris") if getattr(known, name) != getattr(draft, name)]
        else:
            self._refuse_shared_uris(replace(draft, uris=new))
            confirmed = records.completed(known, draft)
            differing = [name for name in _FIXED if getattr(draft, name) not in (None, getattr(confirmed, name))]
        if differing:
            found = f"it is registered with another {', '.join(differing)}"
            raise RefusedError("conflict", 409, tried, found, "Register a new version; a version does not change")
        confirmed = replace(confirmed, registered_at=draft.registered_at)
        await self._store("confirmed", confirmed, draft.registered_by, records.alteration(confirmed, new))
        return confirmed

    def _refuse_shared_uris(self, draft: ModelVersion) -> None:
        """Refuse what would make a reference ambiguous that today stands for one digest."""
        for locator in draft.uris:
            for other in self._by_locator.get(locator, ()):
                if not parse_model(locator).mutable or other.digest == draft.digest:
                    raise RefusedError(
                        "conflict", 409, f"registering {locator}",
                        f"version {other.version} of model {other.name} is registered under it",
                        "Withdraw that version first, or register this one under a URI of its own",
                    )  # fmt: skip

    async def allow(self, name: str, version: str, environments: Iterable[str], *, by: str) -> ModelVersion:
        """Allow the version in `environments`, beside those where it is allowed already."""
        wanted = list(dict.fromkeys(environments))
        records.validate_environments(wanted)
        async with self._changes.writing():
            known = self._active(name, version)
            now = self._now()
            kept = [one for one in known.allowances if one.environment not in wanted]
            allowances = (*kept, *(Allowance(environment, by, now) for environment in wanted))
            changed = replace(known, allowances=tuple(sorted(allowances, key=lambda one: one.environment)))
            await self._store("allowed", changed, by, records.alteration(changed))
            return changed

    async def disallow(self, name: str, version: str, environments: Iterable[str], *, by: str) -> ModelVersion:
        """Take the allowance for `environments` back. What runs there keeps running until the next decision."""
        unwanted = set(environments)
        async with self._changes.writing():
            known = self._active(name, version)
            kept = tuple(one for one in known.allowances if one.environment not in unwanted)
            changed = replace(known, allowances=kept)
            await self._store("disallowed", changed, by, records.alteration(changed))
            return changed

    async def withdraw(self, name: str, version: str, *, by: str) -> ModelVersion:
        """Withdraw the version for good: no reference resolves to it any more. Its record stays."""
        async with self._changes.writing():
            changed = replace(self._active(name, version), withdrawn_at=self._now(), allowances=())
            await self._store("withdrawn", changed, by, records.alteration(changed))
            return changed

    def _active(self, name: str, version: str) -> ModelVersion:
        known = self.get(name, version)
        if known.withdrawn_at is not None:
            raise RefusedError(
                "conflict", 409, f"changing version {version} of model {name}", "it was withdrawn",
                "Register a new version",
            )  # fmt: skip
        return known

    async def _store(self, change: str, version: ModelVersion, by: str, statements: Sequence[Executable]) -> None:
        record = {"change": change, "by": by, "at": to_text(self._now()), "model": version.document()}
        entry = Entry(kind="model", id=version.id, record=record)
        await self._ledger.append(entry, also=[*self._changes.claim(version.id), *statements])
        self._versions[version.name, version.version] = version
        self._index()


def _locators(texts: Sequence[str], digest: str) -> tuple[str, ...]:
    if len(texts) > MAX_URIS:
        raise RefusedError(
            "invalid_request", 422, "registering a model version", f"{len(texts)} URIs", f"Give at most {MAX_URIS}"
        )
    return tuple(sorted({uris.registrable(text, digest).locator for text in texts}))
