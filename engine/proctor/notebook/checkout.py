"""What git says of a folder: its commit, and whether it is as committed. Nothing is guessed where git says nothing."""

import os
import subprocess
from pathlib import Path
from typing import Final

_LIMIT: Final = 10
"""Seconds for one question."""


def commit(folder: Path) -> str | None:
    """Return the commit that is checked out around `folder`, or None outside of a checkout."""
    return _git(folder, "rev-parse", "HEAD") or None


def unchanged(folder: Path) -> bool:
    """Tell whether no tracked file of the whole checkout differs from its commit."""
    return _git(folder, "status", "--porcelain", "--untracked-files=no") == ""


def clean_commit(folder: Path) -> str | None:
    """Return the commit of the checkout if `folder` is a tracked part of it in which nothing was changed or added."""
    if not _git(folder, "ls-files", "--", "."):
        return None  # a folder that git ignores is never changed, as far as git knows
    if _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", ".") != "":
        return None
    return commit(folder)


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 (the git that the person has)
            capture_output=True, text=True, timeout=_LIMIT, check=False, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
