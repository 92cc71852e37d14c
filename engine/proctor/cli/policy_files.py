"""Where the commands of `proctor policy` find what they work on: the settings, with a pack, and OPA."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proctor.settings import Settings


def settings_of(pack: Path | None) -> "Settings":
    """Return the settings, with `pack` as one more of the configured packs."""
    from proctor.settings import Settings, load

    settings = load()
    if pack is None:
        return settings
    changed = settings.policy.model_dump() | {"packs": [*settings.policy.packs, pack.resolve()]}
    return Settings.model_validate(settings.model_dump() | {"policy": changed})


def binary_of(settings: "Settings") -> Path:
    """Return the OPA to work with. Raises what `proctor.opa.binary.find` raises."""
    from proctor.opa import binary

    path: Path = binary.find(settings).path
    return path
