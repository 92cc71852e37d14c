"""Folders of installed packages, as installers leave them: real metadata, read by the real `importlib.metadata`."""

import json
import subprocess
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any


def install(
    site: Path, name: str, version: str = "1.0", origin: Mapping[str, Any] | str | None = None, *, record: bool = True
) -> None:
    """Put a package's metadata into `site`. `origin` is its `direct_url.json`; without one it came from an index."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if record:
        (folder / "RECORD").write_text("")
        (folder / "INSTALLER").write_text("pip\n")
    if origin is not None:
        (folder / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))


def found(site: Path) -> list[Distribution]:
    """Return what is installed in `site`."""
    return list(distributions(path=[str(site)]))


def commit(folder: Path, **files: str) -> str:
    """Make a checkout with these files committed; return its commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git = ["git", "-c", "user.email=a@example.com", "-c", "user.name=a", "-C", str(folder)]
    if not (folder / ".git").exists():
        subprocess.run([*git, "init", "-q"], check=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()
