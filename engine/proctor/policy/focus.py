"""Which part of a policy an author means by a path: a rule, a stage, a library, or a pack."""

from pathlib import Path
from typing import Final

from proctor.errors import UsageError
from proctor.opa import bundle
from proctor.settings import Settings

_ROOT: Final = "governance"
"""The folder below which rules stand, in the provided policy and in a pack alike."""


def settle(settings: Settings, path: Path | None) -> tuple[Settings, Path | None]:
    """Return the settings with the pack to which `path` belongs, and the folder to look at; None looks at everything.

    `path` is a folder of the provided policy, a pack, a folder in one, or a file in any of these, which stands for its
    folder. Raises `UsageError` for what is none of them.
    """
    if path is None:
        return settings, None
    tried = f"looking at {path}"
    found = path.resolve()
    if not found.exists():
        raise UsageError(tried, "there is no such folder", "Name the folder of a rule, a stage or a pack")
    folder = found.parent if found.is_file() else found
    source = bundle.policy_dir(settings.policy_dir).resolve()
    if folder.is_relative_to(source):
        return settings, None if folder in {source, source / _ROOT} else folder
    root = _root(folder)
    if root is None:
        raise UsageError(
            tried,
            f"it is neither below {source} nor in a pack",
            "Name the folder of a rule, a stage or a pack, which holds governance/rules and a .manifest",
        )
    packs = settings.policy.packs
    if all(pack.resolve() != root for pack in packs):
        changed = settings.policy.model_dump() | {"packs": [*packs, root]}
        settings = Settings.model_validate(settings.model_dump() | {"policy": changed})
    return settings, folder


def sources(settings: Settings) -> list[Path]:
    """Return the folders that a policy of these settings is made from."""
    return [bundle.policy_dir(settings.policy_dir), *settings.policy.packs]


def _root(folder: Path) -> Path | None:
    """Return the pack that a folder is, or stands in."""
    candidates = (each for each in (folder, *folder.parents) if (each / _ROOT / "rules").is_dir())
    return next(candidates, None)
