"""`proctor policy test`: whether rules say what their authors and their annotations expect, once or on every change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proctor.cli import checks, exits, outputs, watching
from proctor.cli.options import OutputOption
from proctor.cli.terminal import progress
from proctor.errors import ProctorError, UsageError

if TYPE_CHECKING:
    from proctor.policy.checks import Checked
    from proctor.settings import Settings


def check_behaviour(
    path: Annotated[
        Path | None, typer.Argument(help="The folder of a rule, a stage or a pack; everything if left out.")
    ] = None,
    pack: Annotated[Path | None, typer.Option("--pack", help="A pack's folder: the same as naming it as PATH.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Run again whenever a file changes, until Ctrl-C.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
    output: OutputOption = None,
) -> None:
    """Run the rules' own tests and the cases that are generated from their annotations, in a real OPA.

    With a PATH, those below it; without, those of the provided policy and of all packs that are configured.
    """
    from proctor.opa import binary
    from proctor.policy import focus
    from proctor.settings import load

    if path is not None and pack is not None:
        raise UsageError("reading the command line", "a PATH and --pack", "Name the folder once")
    destinations = outputs.parse(output or [])
    settings, folder = focus.settle(load(), path or pack)
    opa = binary.find(settings).path
    if not watch:
        checked = _run(settings, opa, folder, verbose=verbose)
        checks.write(checked, destinations)
        raise typer.Exit(exits.ALLOW if checked.ok else exits.DENY)

    def again() -> None:
        try:
            checks.write(_run(settings, opa, folder, verbose=verbose), destinations)
        except ProctorError as error:  # half-written Rego is what an author has while writing
            progress(str(error))

    watching.run(again, focus.sources(settings))


def _run(settings: "Settings", opa: Path, folder: Path | None, *, verbose: bool) -> "Checked":
    from proctor.policy import workspace

    return workspace.test(settings, opa, verbose=verbose, only=folder)
