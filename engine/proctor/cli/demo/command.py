"""`proctor demo`: the whole of Proctor in half a minute, in a throw-away state directory."""

import typer


def demo() -> None:
    """Play deployments through a real server with a real OPA and a ledger; leaves nothing behind."""
    from proctor.cli.demo.run import run

    raise typer.Exit(run())
