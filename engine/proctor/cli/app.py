"""All commands, put together. Importing this module loads typer, and of the commands only their options."""

import sys
from typing import Annotated, Any, Final

import typer

from proctor import __version__
from proctor.cli import (
    audit,
    check,
    decide,
    decisions,
    doctor,
    key,
    ledger,
    lifecycle,
    model,
    opa,
    policy,
    principal,
    serve,
    waiver,
)
from proctor.cli.demo.command import demo

_GROUPS: Final = {
    "check": check.app,
    "decisions": decisions.app,
    "waiver": waiver.app,
    "policy": policy.app,
    "model": model.app,
    "dataset": lifecycle.dataset,
    "violation": lifecycle.violation,
    "principal": principal.app,
    "key": key.app,
    "ledger": ledger.app,
    "opa": opa.app,
}


def command() -> Any:
    """Return the command line as one command object."""
    app = typer.Typer(
        name="proctor",
        no_args_is_help=True,
        rich_markup_mode="rich" if sys.stdout.isatty() else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_proctor)
    app.command()(serve.serve)
    app.command()(decide.decide)
    app.command()(audit.audit)
    for name, group in _GROUPS.items():
        app.add_typer(group, name=name)
    app.command()(doctor.doctor)
    app.command()(demo)
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"proctor {__version__}")
        raise typer.Exit


def _proctor(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Decide whether AI may go ahead: governance as code on Open Policy Agent.

    Exit codes: 0 allow, 1 deny, 2 usage, 3 engine error, 4 approval required.
    """
