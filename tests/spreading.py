"""How the tests are spread over processes (pytest-xdist): what shares something stays together, the longest goes first.

A file is never split, because its module's fixtures are made once for it. A folder is not split either where what its
tests share takes long to start: a gated MLflow, or a Proctor for each of several policies.
"""

from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

WHOLE: Final = ("tests/contract/mlflow", "tests/contract/semantics")
"""Folders that one process runs alone."""
LONGEST: Final = (
    "tests/contract/mlflow/",
    "tests/engine/policy/test_mistakes.py",
    "tests/engine/policy/",
    "tests/contract/",
)
"""Beginnings of what is started first, so that no process is left with the longest while the others are done."""


class Spreading(LoadScopeScheduling):
    """Hands out files, and the folders of `WHOLE`, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test belongs to: xdist's own way to group by something else."""
        file = nodeid.partition("::")[0]
        return next((folder for folder in WHOLE if file.startswith(f"{folder}/")), file)


def scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Return the schedule of a run."""
    config.option.loadscopereorder = False  # by the number of tests; `longest_first` knows better
    return Spreading(config, log)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the tests for a run in several processes; files and folders stay as they are in themselves."""

    def place(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)
