"""Finds Regal, the linter of Rego, and runs it with our configuration and our own lint rules."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proctor.errors import PolicyError

VARIABLE: Final = "PROCTOR_REGAL_BIN"
_TIMEOUT: Final = 300
_FAILED: Final = 3
"""Exit code of `regal lint` with findings; 1 says that it could not lint."""


@dataclass(frozen=True, slots=True)
class Linter:
    """A Regal, and the folder with its configuration and our rules."""

    binary: Path
    folder: Path


def find(policy: Path, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the Regal to use: `PROCTOR_REGAL_BIN`, else one on PATH, else the one that `make regal` built.

    `policy` is the folder with the provided policy. None where there is none; an empty variable says so on purpose.
    Raises `PolicyError` when the variable names no program.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(VARIABLE)
    if named is not None:
        if named and not os.access(named, os.X_OK):
            raise PolicyError("running Regal", [f"{VARIABLE}={named} is no program"], f"Mend {VARIABLE}, or unset it")
        return Path(named).absolute() if named else None
    built = policy.parent / ".cache" / "bin" / "regal"
    found = shutil.which("regal", path=environment.get("PATH")) or (str(built) if os.access(built, os.X_OK) else None)
    return Path(found).absolute() if found else None


def configuration(policy: Path) -> Path:
    """Return the folder with Regal's configuration and our rules: of the checkout, or inside the installed package.

    Raises `PolicyError` where neither is there.
    """
    for candidate in (policy.parent / ".regal", Path(__file__).resolve().parents[1] / "_regal"):
        if (candidate / "config.yaml").is_file() and (candidate / "rules").is_dir():
            return candidate
    raise PolicyError(
        "running Regal", [f"no .regal with config.yaml and rules beside {policy}"], "Restore it from the distribution"
    )


def lint(linter: Linter, sources: Path, origins: Mapping[str, Path]) -> list[str]:
    """Lint the tree `sources` and return one line for each finding, with the path that its author knows.

    `origins` maps paths below `sources` to those. Raises `PolicyError` when Regal can't lint, and when it linted
    fewer files than there are: what it skipped would look clean.
    """
    # The tree is the root, whatever the configuration of a checkout says. Its path is absolute, because Regal does not
    # find the Rego version that is configured for a relative one, and falls back to the grammar of OPA 0.
    settings = sources / ".regal" / "config.yaml"
    settings.parent.mkdir(parents=True)
    text = (linter.folder / "config.yaml").read_text(encoding="utf-8")
    settings.write_text(re.sub(r"(?m)^  roots: .*$", '  roots: ["."]', text), encoding="utf-8")
    command = [
        str(linter.binary), "lint", "--format", "json", "--no-color", "--config-file", str(settings),
        "--rules", str(linter.folder / "rules"), str(sources),
    ]  # fmt: skip
    environment = {"REGAL_DISABLE_CHECK_VERSION": "1", "HOME": str(sources), "PATH": os.environ.get("PATH", "")}
    try:
        done = subprocess.run(command, cwd=sources, env=environment, capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PolicyError("running Regal", [str(error)]) from error
    if unread := _unread(done.stdout or done.stderr):
        return unread
    try:
        report = json.loads(done.stdout)
        scanned, violations = report["summary"]["files_scanned"], report["violations"] or []
    except (ValueError, KeyError, TypeError) as error:
        detail = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise PolicyError("running Regal", detail.splitlines()[:20] or [f"it ended with {done.returncode}"]) from error
    if done.returncode not in {0, _FAILED} or scanned != len(origins):
        raise PolicyError(
            "running Regal", [f"it ended with {done.returncode}; {scanned} of {len(origins)} files linted"]
        )
    return sorted(_lines(violations, sources, origins))


def _unread(output: bytes) -> list[str]:
    """Return what kept Regal from reading the sources, such as one that does not parse."""
    try:
        errors = json.loads(output)["errors"]
    except (ValueError, KeyError, TypeError):
        return []
    return [f"{' '.join(str(error).split())} (regal)" for error in errors]


def _lines(violations: list[Mapping[str, object]], sources: Path, origins: Mapping[str, Path]) -> Iterator[str]:
    for violation in violations:
        location = violation.get("location")
        place = "the policy"
        if isinstance(location, dict) and location.get("file"):
            file = str(location["file"]).removeprefix(f"{sources}/")
            place = f"{origins.get(file, file)}:{location.get('row', 1)}"
        yield f"{place}: {violation.get('description')} (regal {violation.get('category')}/{violation.get('title')})"
