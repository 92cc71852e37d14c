"""The rules' own tests in strict mode, where production lives: `opa test` can't turn it on.

Without it a built-in's error is merely undefined, and a library that raises one on a strange value looks total. Strict,
one such error would deny everything for everybody.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from proctor.policy import layout
from proctor.settings import Settings

EXCEPT = "data.testing_test"
"""Proves that a misspelt pointer is undefined, which strict mode calls an error. The bundle never holds it."""


@pytest.fixture(scope="module")
def strict(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what each test of each package is, evaluated once in strict mode; and what `opa test` knows of."""
    with layout.laid_out(Settings(state_dir=tmp_path_factory.mktemp("state")), opa_binary) as work:
        samples = work.folder / "all.json"
        samples.write_text(json.dumps({"samples": work.samples}))
        inspected = json.loads(_output(opa_binary, "inspect", "--format", "json", work.tests))
        packages = sorted(name for name in inspected["namespaces"] if name.endswith("_test") and name != EXCEPT)
        loaded = [part for path in (work.policy, work.tests, samples) for part in ("--data", path)]
        query = f"[{', '.join(packages)}]"
        answer = json.loads(_output(opa_binary, "eval", "--strict-builtin-errors", "--format", "json", *loaded, query))
        listed = json.loads(_output(opa_binary, "test", "--format", "json", work.policy, work.tests, samples))
    assert "errors" not in answer, json.dumps(answer["errors"], indent=1)[:3000]
    values = answer["result"][0]["expressions"][0]["value"]
    return {
        "evaluated": {
            f"{package}.{name}": value
            for package, found in zip(packages, values, strict=True)
            for name, value in found.items()
            if name.startswith("test_")
        },
        "listed": {f"{test['package']}.{test['name']}" for test in listed if test["package"] != EXCEPT},
    }


def _output(opa: Path, *arguments: str | Path) -> bytes:
    return subprocess.run([opa, *arguments], capture_output=True, check=False, timeout=50).stdout


def test_every_test_of_the_policy_is_true_in_strict_mode(strict: dict[str, Any]) -> None:
    assert len(strict["evaluated"]) > 300
    # One that failed is missing from what was evaluated, because a rule that is not true is undefined.
    assert {name for name, value in strict["evaluated"].items() if value is True} == strict["listed"]
