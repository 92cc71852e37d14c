"""The inventory as a provider of facts on models: registration, allowance, authorship, purpose, risk and files.

It says what an authenticated principal registered, and so has the tier `observed`: a claimed digest was compared with a
registered one, and nobody has compared either with the bytes that will be loaded. Only what was found by reading and
hashing every file is `verified`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from proctor.inventory.models import Inventory
from proctor.inventory.purposes import PlannedRisk
from proctor.inventory.records import ModelVersion
from proctor.plugins import FactGroup, Question
from proctor.vocabulary.words import EvidenceTier, Stage

_ARTIFACT = "artifact"
_RISK = "risk"


@dataclass(frozen=True, slots=True)
class _Known:
    """What all references of one item together stand for."""

    versions: tuple[ModelVersion, ...]
    """Versions in which at least one reference ends; empty when any reference ends in none."""
    digest: str | None
    """The one digest for which all of them stand, compared with a registered one; None where that is not proven."""
    new: bool = False
    """True when none of the references ends, or has ever ended, in a version."""

    @property
    def single(self) -> ModelVersion | None:
        return self.versions[0] if len(self.versions) == 1 else None


class InventoryProvider:
    """Implements `plugins.FactProvider` from the snapshot in memory; makes no I/O."""

    name: str = "inventory"
    provides: Sequence[str] = (
        "models/*/registration",
        "models/*/allowance",
        "models/*/authorship",
        "models/*/risk",
        "models/*/artifact",
        "models/*/purpose",
    )
    tier: EvidenceTier = EvidenceTier.OBSERVED
    LIST: ClassVar[str] = "models"

    def __init__(self, inventory: Inventory, planned: PlannedRisk | None = None) -> None:
        """Take the inventory; nothing else may say what it says. Without `planned`, what is new has no known risk."""
        self._inventory = inventory
        self._planned = planned

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return the groups for each model of the question. Who made an unregistered model is not known."""
        found: list[FactGroup] = []
        for index, item in enumerate(question.items.get(self.LIST, ())):
            about = Question.about(item)
            known = self._known(item)
            for group, values, observed_at in self._groups(known, question):
                # That files were read and hashed is the one thing here that somebody has checked.
                tier = EvidenceTier.VERIFIED if group == _ARTIFACT else None
                found.append(FactGroup(self.LIST, index, group, values, about, observed_at, tier))
            if known.new and self._planned is not None and question.stage == Stage.REGISTRATION:
                factors = self._planned.factors(question)
                if factors is not None:
                    found.append(
                        FactGroup(self.LIST, index, _RISK, factors.values, about, factors.observed_at, factors.tier)
                    )
        return found

    def _groups(self, known: _Known, question: Question) -> Iterator[tuple[str, Mapping[str, Any], datetime]]:
        version = known.single
        if version is None:
            # That nothing, or too much, is registered is what the inventory sees at this very moment.
            yield "registration", {"registered": False, "matches": len(known.versions)}, question.now
            yield "allowance", {"digest_known": False, "digest_allowed": False}, question.now
            return
        names = {"name": version.name, "version": version.version}
        yield "registration", {"registered": True, "matches": 1, **names}, version.registered_at
        allowance = version.allowance(question.environment) if known.digest else None
        yield (
            "allowance",
            {"digest_known": known.digest is not None, "digest_allowed": allowance is not None},
            allowance.allowed_at if allowance else question.now,
        )
        if version.author:
            yield "authorship", {"author": version.author}, version.registered_at
        if version.purpose:
            yield "purpose", {"declared": version.purpose}, version.registered_at
        if version.hashed_at is not None and version.files is not None and version.digest == known.digest:
            yield _ARTIFACT, {"files": version.files, "unsafe_files": list(version.unsafe_files)}, version.hashed_at
        if version.exposure and version.autonomy and version.data_class:
            factors = {
                "exposure": version.exposure,
                "autonomy": version.autonomy,
                "data_class": version.data_class,
            }
            yield _RISK, factors, version.registered_at

    def _known(self, item: Mapping[str, Any]) -> _Known:
        """Look up every URI of the item: one that stands for nothing registered spoils them all."""
        pinned: str | None = item.get("digest")
        reference = item.get("reference") or {}
        uris = sorted({item["id"], *reference.get("uris", ())})
        resolutions = [self._inventory.resolve(uri, pinned) for uri in uris]
        if not all(resolution.versions for resolution in resolutions):
            return _Known((), None, new=not any(self._inventory.used(uri) for uri in uris))
        versions = {one.id: one for resolution in resolutions for one in resolution.versions}
        digests = {
            # A claim on a reference that is made to move pins nothing, even if it names a registered digest.
            resolution.versions[0].digest
            if len(resolution.versions) == 1
            and (not resolution.uri.mutable or (pinned is not None and resolution.uri.pinnable))
            else None
            for resolution in resolutions
        }
        digest = next(iter(digests)) if len(digests) == 1 else None
        return _Known(tuple(versions.values()), digest)
