"""`proctor doctor`: what works on this machine, what does not, and how to mend it. Changes nothing."""

from typing import Annotated

import typer

from proctor.cli import exits, outputs
from proctor.cli.options import ListOutputOption


def doctor(
    output: ListOutputOption = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what takes seconds: policy build and ledger.")
    ] = False,
) -> None:
    """Check state directory, lock, OPA, policy, database, ledger, clock and ports."""
    from proctor.cli import checkup
    from proctor.settings import load

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = [result.row() for result in checkup.examine(load(), quick=quick)]
    columns = {"Check": "check", "State": "state", "Found": "found", "To do": "fix"}
    outputs.write_rows(rows, columns, destinations, empty="")
    raise typer.Exit(exits.ENGINE_ERROR if any(row["state"] == "broken" for row in rows) else exits.ALLOW)
