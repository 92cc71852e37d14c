"""Syntax trees of Rego files, as OPA itself parses them.

All files are parsed by one process: `opa parse` takes a single file, and starting it for each rule was most of what a
build cost.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from proctor.errors import PolicyError

_QUERY: Final = """\
{name: object.filter(rego.parse_module(name, source), ["package", "imports", "rules"]) | some name, source in input}"""
"""The trees are those of `opa parse`, but for comments and annotations, which are not asked for."""


def trees(binary: Path, folder: Path, files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return package, imports and rules of each of `files`, which are relative to `folder`.

    Raises `PolicyError` with OPA's own message for each file that it does not parse.
    """
    sources = {file: (folder / file).read_text(encoding="utf-8") for file in files}
    done = subprocess.run(
        [str(binary), "eval", "--format", "raw", "--stdin-input", "--strict-builtin-errors", _QUERY],
        input=json.dumps(sources).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 0:
        found: dict[str, dict[str, Any]] = json.loads(done.stdout)
        if found.keys() == sources.keys():
            return found
    problems = [f"{file}: {problem}" for file in files if (problem := _problem(binary, folder / file))]
    if not problems:
        detail = done.stderr.decode(errors="replace").strip()[:2000]
        problems = [f"opa eval ended with {done.returncode} and not with a tree of each file. {detail}".rstrip()]
    raise PolicyError(f"parsing the policy in {folder}", problems)


def _problem(binary: Path, file: Path) -> str:
    """Return what OPA has against one file: the evaluation above ends at the first, and wraps its message."""
    done = subprocess.run([str(binary), "parse", str(file)], capture_output=True, timeout=30, check=False)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).decode(errors="replace").strip()
