"""Options that several commands share, so that they read the same everywhere."""

from typing import Annotated

import typer

from proctor.cli.exits import FailOn

OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FORM[=FILE]",
        help="table, json, junit, sarif, github or markdown; may be repeated, all but one with a file.",
    ),
]
ListOutputOption = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", metavar="FORM[=FILE]", help="table, json or markdown; may be repeated."),
]
EnvironmentOption = Annotated[
    str | None, typer.Option("--environment", "-e", help="dev, staging, prod or one of yours.")
]
FailOnOption = Annotated[
    FailOn,
    typer.Option("--fail-on", help="error: what blocks; warning: a finding that warns too; never: engine errors only."),
]
