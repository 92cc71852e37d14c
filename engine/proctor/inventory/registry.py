"""What an adapter of a model registry writes into the inventory: versions that it has hashed, and where they may run.

The factors of the risk tier are not the registry's to say: exposure and autonomy come with the configured purpose, the
class of data from the catalog.
"""

from collections.abc import Callable, Mapping, Sequence

from proctor.errors import NotFoundError
from proctor.inventory.datasets import Datasets
from proctor.inventory.models import Hashed, Inventory
from proctor.inventory.records import ModelVersion
from proctor.plugins import RegisteredVersion, Trained
from proctor.settings import PurposeSettings


class Registry:
    """Implements `plugins.Models`."""

    def __init__(
        self, inventory: Inventory, datasets: Datasets, purposes: Callable[[], Mapping[str, PurposeSettings]]
    ) -> None:
        self._inventory = inventory
        self._datasets = datasets
        self._purposes = purposes

    async def register(self, version: RegisteredVersion, by: str) -> None:
        """Return once the version is on disk; see `plugins.Models`."""
        purpose = self._purposes().get(version.purpose or "")
        worst = self._datasets.data_class(version.datasets)
        known = self._known(version.name, version.version)
        planned = {
            "exposure": purpose.exposure if purpose else None,
            "autonomy": purpose.autonomy if purpose else None,
            "data_class": worst[0] if worst else None,
        }
        # What was true of a version when it was registered stays with it; a change of purpose is another version.
        factors = {name: getattr(known, name, None) or value for name, value in planned.items()}
        await self._inventory.register(
            name=version.name,
            version=version.version,
            digest=version.digest,
            by=by,
            uris=version.uris,
            author=version.author,
            purpose=version.purpose,
            **factors,
            hashed=Hashed(version.files, tuple(sorted(version.unsafe_files)), version.observed_at),
            datasets=version.datasets,
        )

    async def allow(self, name: str, version: str, environments: Sequence[str], by: str) -> None:
        """Return once its digest may be deployed in `environments`."""
        await self._inventory.allow(name, version, environments, by=by)

    def digest(self, name: str, version: str) -> str | None:
        """Return the digest of a registered, unwithdrawn version, or None; no I/O."""
        known = self._known(name, version)
        return None if known is None or known.withdrawn_at is not None else known.digest

    def hashed(self, name: str, version: str) -> bool:
        """Tell whether the files of a registered version were hashed; no I/O."""
        known = self._known(name, version)
        return known is not None and known.hashed_at is not None

    def allowed_in(self, name: str, version: str) -> Sequence[str]:
        """Return the environments in which the version may be deployed; no I/O."""
        known = self._known(name, version)
        return () if known is None else known.environments

    def trained(self, name: str, version: str) -> Trained | None:
        """Return what a registered, unwithdrawn version was made for and from, or None; no I/O."""
        known = self._known(name, version)
        if known is None or known.withdrawn_at is not None:
            return None
        return Trained(known.digest, known.purpose, known.datasets)

    def _known(self, name: str, version: str) -> ModelVersion | None:
        try:
            return self._inventory.get(name, version)
        except NotFoundError:
            return None
