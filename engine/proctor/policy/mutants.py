"""Mutants: a rule or library function with one thing changed that an author could get wrong.

A test suite that stays green on a mutant does not prove what the changed piece of Rego is there for. Mutants are made
from the syntax tree with locations (`opa parse --json-include locations`, whose rows and columns are 1-based and
count characters), as edits of the author's own text: each can say in which line and column what stood, and what
stands there instead.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from proctor.errors import OpaError, PolicyError

Operator = Literal["negate", "drop", "constant", "comparison", "clause", "universal", "join", "field"]

HINTS: Final[Mapping[Operator, str]] = {
    "negate": "no test fails when this condition is turned round: test an input that meets it and one that does not",
    "drop": "no test fails without this condition: test an input in which only it is not met",
    "constant": "no test fails with another value here: test the value itself and its neighbours",
    "comparison": "no test fails with another comparison: test at the limit, just under it and just over it",
    "clause": "no test fails without this clause: test an input that only this clause lets through",
    "universal": "no test fails when every item passes: test an item that must not",
    "join": "no test fails when another item is looked at: test two items of which one is wrong, in both orders",
    "field": "no test fails when another field is read: test an input in which only this field is wrong",
}
"""What an author does about a survivor."""

_TIMEOUT: Final = 30


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    name: str
    """`m1`, `m2`, ... in the order of the file."""
    operator: Operator
    line: int
    column: int
    before: str
    """What stands there, on one line."""
    after: str
    """What the mutant has there instead."""
    text: str
    """The whole file with the change."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a mutant may name instead of what stands there."""

    configuration: Mapping[str, Mapping[str, Any]]
    """`list` and `threshold`: the values by name."""
    functions: Mapping[str, frozenset[str]]
    """The functions of each library, by the library's name."""


def parse(binary: Path, file: Path) -> dict[str, Any]:
    """Return the syntax tree of a module, with locations. Raises `PolicyError` when it does not parse."""
    command = [str(binary), "parse", "--format", "json", "--json-include", "locations", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpaError(f"parsing {file}", str(error), "Look at 'proctor doctor'") from error
    if done.returncode != 0:
        raise PolicyError(f"parsing {file.name}", _problems(done.stderr))
    module: dict[str, Any] = json.loads(done.stdout)
    return module


def _problems(output: bytes) -> list[str]:
    """Return one line for each error of `opa parse --format json`."""
    try:
        errors = json.loads(output)["errors"]
        return [f"{error['location']['file']}:{error['location']['row']}: {error['message']}" for error in errors]
    except (ValueError, LookupError, TypeError):
        return output.decode(errors="replace").strip().splitlines() or ["opa parse says nothing"]
