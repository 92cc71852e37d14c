"""The authors' own tests: runs them with `opa test`, and finds those that are missing, empty or switched off."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.errors import OpaError, PolicyError
from proctor.opa import bundle
from proctor.policy.layout import Layout, write_json

_TIMEOUT: Final = "60s"
"""For one test. OPA's own default of 5 s is short for two cores that are busy with something else."""
_WHOLE: Final = 300
"""Seconds for all of them."""
_FAILED: Final = 2
"""Exit code of `opa test` when tests failed; 1 says that they could not be run."""


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One test as OPA reports it."""

    file: Path
    package: str
    name: str
    line: int
    why: str
    """Why it counts as failed; empty where it passed."""


@dataclass(frozen=True, slots=True)
class UnitTests:
    """What came of all tests."""

    tests: tuple[UnitTest, ...]
    missing: tuple[str, ...]
    """One line for each file of the policy that nothing tests."""

    @property
    def failed(self) -> tuple[UnitTest, ...]:
        """Return the tests that did not pass."""
        return tuple(test for test in self.tests if test.why)


def run(layout: Layout, binary: Path) -> UnitTests:
    """Run every test of the layout in OPA, with the built-ins that a bundle may use and the samples as `data.samples`.

    Raises `PolicyError` when the tests can't be compiled, and `OpaError` when OPA fails.
    """
    capabilities = layout.folder / "capabilities.json"
    write_json(capabilities, bundle.allowed_capabilities(binary))
    samples = layout.folder / "samples.json"
    write_json(samples, {"samples": layout.samples})
    command = [
        str(binary), "test", "--format", "json", "--timeout", _TIMEOUT,
        "--run", _wanted(layout), "--capabilities", str(capabilities),
        str(layout.policy), *map(str, _files(layout)), str(samples),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=_WHOLE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpaError("running the rules' tests", str(error), "Look at 'proctor doctor'") from error
    if done.returncode < 0:
        raise OpaError("running the rules' tests", f"OPA ended with signal {-done.returncode}")
    results = _results(done.stdout)
    if results is None or done.returncode not in {0, _FAILED}:
        detail = layout.named((done.stderr or done.stdout).decode(errors="replace").strip())
        raise PolicyError("running the rules' tests", detail.splitlines() or [f"opa test ended with {done.returncode}"])
    tests = tuple(_test(layout, result) for result in results)
    if done.returncode == _FAILED and not any(test.why for test in tests) and tests:
        raise OpaError("running the rules' tests", "OPA says that tests failed, and reports none that did")
    return UnitTests(tests, tuple(_missing(layout, {Path(result["location"]["file"]) for result in results})))


def _wanted(layout: Layout) -> str:
    """Return the expression that matches the full names of the tests in focus, and no others."""
    files = [file.relative_to(layout.tests) for file in layout.tests.rglob("*_test.rego") if layout.in_focus(file)]
    packages = {re.escape(".".join(("data", *file.parent.parts))) for file in files}
    return "." if layout.focus is None else rf"^({'|'.join(sorted(packages))})_test\."


def _files(layout: Layout) -> list[Path]:
    """Return what holds the tests: of many thousand lines, OPA compiles only those that are wanted."""
    if layout.focus is None:
        return [layout.tests]
    files = sorted(layout.tests.rglob("*.rego"))
    return [file for file in files if layout.in_focus(file) or not file.name.endswith("_test.rego")]


def _results(output: bytes) -> list[dict[str, Any]] | None:
    """Return OPA's list of results; None where it printed no such list."""
    try:
        found = json.loads(output or b"[]")
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _test(layout: Layout, result: Mapping[str, Any]) -> UnitTest:
    why = ""
    if result.get("error"):
        error = result["error"]
        why = f"error: {error.get('message', error) if isinstance(error, dict) else error}"
    elif result.get("skip"):
        why = "it is switched off, so it proves nothing"
    elif result.get("fail"):
        why = "it is not true"
    location = result["location"]
    return UnitTest(layout.origin(Path(location["file"])), result["package"], result["name"], location["row"], why)


def _missing(layout: Layout, ran: set[Path]) -> Iterator[str]:
    """Yield one line for each file of the policy without a test beside it, and for each test file that ran nothing."""
    for file in sorted(layout.policy.rglob("*.rego")):
        if layout.in_focus(file):
            beside = layout.tests / file.relative_to(layout.policy).with_name(f"{file.stem}_test.rego")
            if not beside.is_file():
                yield f"{layout.origin(file)}: has no {beside.name} beside it"
    for file in sorted(layout.tests.rglob("*_test.rego")):
        if layout.in_focus(file) and file not in ran:
            yield f"{layout.origin(file)}: runs no test; a test's name starts with test_"
