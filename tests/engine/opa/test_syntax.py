"""Syntax trees of many files by one process: the same as `opa parse` gives for each."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import PolicyError
from proctor.opa import syntax

REGO = Path(__file__).parents[3] / "rego"
FILES = sorted(
    path.relative_to(REGO).as_posix() for path in [*REGO.glob("governance/lib/*/*.rego"), *REGO.glob("authz/*.rego")]
)


def _alone(opa: Path, file: Path) -> dict[str, Any]:
    done = subprocess.run([opa, "parse", "--format", "json", file], capture_output=True, check=True, timeout=20)
    found: dict[str, Any] = json.loads(done.stdout)
    return {name: _bare(found[name]) for name in ("package", "imports", "rules") if name in found}


def _bare(node: Any) -> Any:
    """Return a tree without annotations."""
    if isinstance(node, dict):
        return {name: _bare(value) for name, value in node.items() if name != "annotations"}
    return [_bare(part) for part in node] if isinstance(node, list) else node


def test_the_trees_are_those_of_opa_parse(opa_binary: Path) -> None:
    assert len(FILES) > 10
    found = syntax.trees(opa_binary, REGO, FILES)
    assert [name for name in FILES if found[name] != _alone(opa_binary, REGO / name)] == []


def test_every_file_that_does_not_parse_is_named(opa_binary: Path, tmp_path: Path) -> None:
    texts = {"a.rego": "package a\n\nb if {\n", "b.rego": "package b\n", "c.rego": "package c\n\nx :=\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(PolicyError) as refused:
        syntax.trees(opa_binary, tmp_path, list(texts))
    first, second = refused.value.problems
    assert first.startswith("a.rego: ")
    assert second.startswith("c.rego: ")
    assert "rego_parse_error" in first


def test_an_opa_that_gives_less_than_was_asked_is_no_answer(tmp_path: Path) -> None:
    opa = tmp_path / "opa"
    opa.write_text("#!/bin/sh\necho '{}'\n")
    opa.chmod(0o755)
    (tmp_path / "a.rego").write_text("package a\n")
    with pytest.raises(PolicyError, match="not with a tree of each file"):
        syntax.trees(opa, tmp_path, ["a.rego"])
