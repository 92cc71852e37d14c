"""Lints a policy: ways to fail open, types, form, and what its rules say to people.

Each tool sees something that the others don't: the build refuses what is unsound, OPA's type checker finds typos
against the declared fields, Regal says while typing what the build would refuse, and finds bugs of other kinds.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from proctor.errors import OpaError, PolicyError
from proctor.opa import bundle
from proctor.policy import layout, regal, schemas, wording
from proctor.policy.layout import Layout
from proctor.policy.testing import Report
from proctor.settings import Settings

_TIMEOUT: Final = 60
_NO_REGAL: Final = (
    "NOT LINTED BY REGAL: there is none. Set PROCTOR_REGAL_BIN, put regal on PATH, or run 'make regal' in a checkout."
)


def run(settings: Settings, binary: Path, environment: Mapping[str, str] | None = None) -> Report:
    """Lint the provided policy and the packs of `settings`.

    Without Regal the report says so, and is not ok where the variable `CI` is set. Raises `OpaError` when OPA fails
    and `PolicyError` when Regal can't be run.
    """
    environment = os.environ if environment is None else environment
    source = bundle.policy_dir(settings.policy_dir)
    files = layout.authored(source, settings.policy.packs)
    findings = [*_form(binary, files)]
    done = ["build", "types", "form"]
    try:
        with layout.laid_out(settings, binary) as work:
            findings += [*types(work, binary), *wording.problems(work.laid_out.rules, work.inspected)]
    except PolicyError as error:
        done.remove("types")
        findings += [f"{problem} (build: {error.tried})" for problem in error.problems]
    lines, ok = [], True
    found = regal.find(source, environment)
    if found is None:
        ok = not environment.get("CI")
        lines.append(_NO_REGAL)
    else:
        done.append("regal")
        findings += _regal(regal.Linter(found, regal.configuration(source)), files)
    lines = [*dict.fromkeys(findings), *lines]
    lines.append(f"{len(files)} files, {len(set(findings))} findings ({', '.join(done)})")
    return Report(ok and not findings, "\n".join(lines))


def _form(binary: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """Yield the files that `opa fmt` would write in another way."""
    for file in files.values():
        done = _opa(binary, "fmt", "--list", str(file))
        if done.returncode == 0 and done.stdout.strip():
            yield f"{_short(file)}: not formatted; run 'opa fmt --write {_short(file)}' (opa fmt)"
        # What does not parse, the build names with its line.


def types(work: Layout, binary: Path) -> Iterator[str]:
    """Yield what OPA's strict check says of policy and tests, with a schema of what each rule may read."""
    capabilities = work.folder / "capabilities.json"
    layout.write_json(capabilities, bundle.allowed_capabilities(binary))
    schemas.write(work.laid_out.rules, work.folder / "schemas", work.folder / "types")
    done = _opa(
        binary, "check", "--strict", "--format", "json", "--max-errors", "100", "--capabilities", str(capabilities),
        "--schema", str(work.folder / "schemas"), str(work.policy), str(work.tests), str(work.folder / "types"),
    )  # fmt: skip
    if done.returncode == 0:
        return
    output = done.stdout or done.stderr
    try:
        errors = json.loads(output)["errors"]
    except (ValueError, KeyError, TypeError) as error:
        detail = output.decode(errors="replace").strip() or f"it ended with {done.returncode}"
        raise OpaError("checking the types of the policy", work.named(detail)) from error
    for problem in errors:
        yield _type_error(work, problem)


def _type_error(work: Layout, problem: Mapping[str, Any]) -> str:
    location = problem.get("location") or {}
    place = f"{work.origin(Path(location['file']))}:{location['row']}: " if "file" in location else ""
    wanted = (problem.get("details") or {}).get("want") if isinstance(problem.get("details"), dict) else None
    known = f"; there is {', '.join(map(str, wanted))}" if isinstance(wanted, list) else ""
    return f"{place}{work.named(str(problem.get('message')))}{known} (opa check)"


def _regal(linter: regal.Linter, files: Mapping[str, Path]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="prc-") as name:
        folder = Path(name).resolve()
        for relative, file in files.items():
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        return regal.lint(linter, folder, {relative: _short(file) for relative, file in files.items()})


def _opa(binary: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        done = subprocess.run([str(binary), *arguments], capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpaError(f"running opa {arguments[0]}", str(error), "Look at 'proctor doctor'") from error
    if done.returncode < 0:
        raise OpaError(f"running opa {arguments[0]}", f"OPA ended with signal {-done.returncode}")
    return done


def _short(file: Path) -> Path:
    try:
        return file.relative_to(Path.cwd())
    except ValueError:
        return file
