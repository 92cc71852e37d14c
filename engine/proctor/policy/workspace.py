"""The authors' workbench: what `proctor policy test` and `proctor policy lint` run.

Both lay the provided policy and the packs out in a temporary folder, work there, and leave nothing behind.
"""

import os
from collections.abc import Callable
from pathlib import Path

from proctor.errors import OpaError
from proctor.policy import layout, linting, mutation, testing
from proctor.policy.checks import Checked
from proctor.policy.testing import Report
from proctor.settings import Settings


def test(  # the verb of the command
    settings: Settings,
    binary: Path,
    *,
    verbose: bool,
    only: Path | None = None,  # noqa: PT028 (no test of pytest's, whose file would be named test_...)
) -> Checked:
    """Run the rules' own tests and the cases generated from their annotations, with the OPA at `binary`.

    `only`: a pack of `settings`, or a folder of it or of the provided policy. The rules below it are tested, each in a
    whole decision, and not everybody's again.
    A rule without a test, a test file that runs none, a switched-off test and a rule without a sample are failures.
    Raises `PolicyError` for a policy that can't be built or compiled, `OpaError` when OPA fails.
    """
    opa = _executable(binary)
    with layout.laid_out(settings, opa, only) as work:
        return testing.run(settings, work, opa, verbose=verbose)


def lint(settings: Settings, binary: Path) -> Report:
    """Look for ways to fail open, for typos against the declared fields, and for bad form and wording.

    Raises `PolicyError` and `OpaError` when a tool can't be run; what the tools find is in the report.
    """
    return linting.run(settings, _executable(binary))


def mutate(
    settings: Settings,
    binary: Path,
    progress: Callable[[str], None],
    *,
    at_least: float,
    only: Path | None = None,
    chosen: Callable[[str], bool] = lambda _: True,
) -> Checked:
    """Judge all mutants of the rules below `only` (None: everywhere) by what `test` runs; ok from a score `at_least`.

    `chosen` says of each rule by its code, and of each library as `lib.<name>`, whether it is looked at.

    Raises `PolicyError` for a policy that can't be built or compiled, `OpaError` when OPA fails.
    """
    opa = _executable(binary)
    with layout.laid_out(settings, opa, only) as work:
        return mutation.run(settings, work, opa, progress, at_least=at_least, chosen=chosen)


def _executable(binary: Path) -> Path:
    """Return the absolute path of OPA: its processes are started in folders of their own."""
    path = binary.absolute()
    if not os.access(path, os.X_OK) or not path.is_file():
        raise OpaError("running OPA", f"{path} is no program", "Set PROCTOR_OPA_BIN, or run 'proctor opa install'")
    return path
