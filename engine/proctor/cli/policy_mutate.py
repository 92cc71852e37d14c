"""`proctor policy mutate`: whether the tests would notice if a rule were wrong."""

from pathlib import Path
from typing import Annotated

import typer

from proctor.cli import checks, exits, outputs
from proctor.cli.options import OutputOption
from proctor.cli.terminal import progress


def mutate(
    path: Annotated[
        Path | None, typer.Argument(help="The folder of a rule, a stage or a pack; all rules if left out.")
    ] = None,
    at_least: Annotated[
        float, typer.Option("--at-least", min=0, max=100, metavar="PERCENT", help="Fail below this score.")
    ] = 95.0,
    output: OutputOption = None,
) -> None:
    """Change the rules in every way that an author could get wrong, and list the changes that no test notices.

    Each mutant meets the rule's own tests and the decisive cases of its annotation, in a real OPA. The score is the
    share of mutants that were noticed; what does not compile is not counted, and what only the build refuses is
    counted apart. Exit code 1 below --at-least.
    """
    from proctor.opa import binary
    from proctor.policy import focus, workspace
    from proctor.settings import load

    destinations = outputs.parse(output or [])
    settings, folder = focus.settle(load(), path)
    checked = workspace.mutate(settings, binary.find(settings).path, progress, at_least=at_least, only=folder)
    checks.write(checked, destinations)
    raise typer.Exit(exits.ALLOW if checked.ok else exits.DENY)
