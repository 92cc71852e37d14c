"""Runs something again whenever a file of an author changes.

By polling: it works on every file system, also those that are mounted from elsewhere, and looking at some hundred
files twice a second costs nothing that anybody would notice.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from proctor.cli.terminal import progress

_INTERVAL: Final = 0.5
"""Seconds between two looks."""
_SUFFIXES: Final = frozenset({".rego", ".json", ".yaml", ".yml"})
_SHOWN: Final = 5

State = Mapping[Path, tuple[int, int]]
"""Modification time in nanoseconds and size, by file."""


def run(work: Callable[[], None], folders: Sequence[Path], sleep: Callable[[float], None] = time.sleep) -> None:
    """Do `work` now and after every change below `folders`, until Ctrl-C (`KeyboardInterrupt`), which ends it well."""
    try:
        seen = look(folders)
        work()
        progress(f"watching {len(seen)} files; Ctrl-C ends it")
        while True:
            sleep(_INTERVAL)
            found = look(folders)
            if found != seen:
                # Read before the work: what is saved while it runs is the next change.
                changed, seen = differences(seen, found), found
                progress(f"changed: {_told(changed)}")
                work()
    except KeyboardInterrupt:
        progress("no longer watching")


def look(folders: Iterable[Path]) -> State:
    """Return the state of every file below the folders that a policy is made of."""
    found: dict[Path, tuple[int, int]] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix in _SUFFIXES or path.name == ".manifest":
                try:
                    status = path.stat()
                except FileNotFoundError:  # an editor that writes aside and renames
                    continue
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


def differences(before: State, after: State) -> list[Path]:
    """Return the files that were changed, made or removed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _told(changed: Sequence[Path]) -> str:
    names = [str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path) for path in changed]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
