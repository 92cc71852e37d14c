"""`proctor demo`: the whole of Proctor in a minute or two, in a throw-away folder."""

from typing import Annotated

import typer


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers up afterwards, with addresses and logins, until Ctrl-C.")
    ] = False,
) -> None:
    """Play the life of one model on a real server, a real OPA and a real MLflow; leaves nothing behind."""
    from proctor.cli.demo.run import run

    raise typer.Exit(run(keep=keep))
