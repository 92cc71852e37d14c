"""`proctor doctor`: what works on this machine, what does not, and how to mend it. Changes nothing."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from proctor.cli import exits, outputs
from proctor.cli.options import ListOutputOption

if TYPE_CHECKING:
    from proctor.plugins import Examine, Examined


def doctor(
    system: Annotated[
        str | None,
        typer.Argument(
            metavar="[SYSTEM]", help="Check a system beside Proctor: run it where that system's server runs."
        ),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address of that system, where it already runs.")] = None,
    output: ListOutputOption = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what takes seconds: policy build and ledger.")
    ] = False,
) -> None:
    """Check state directory, lock, OPA, policy, database, ledger, clock and ports; or, with a name, another system."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = [asdict(result) for result in (_other(system, url) if system else _own(quick=quick))]
    columns = {"Check": "check", "State": "state", "Found": "found", "To do": "fix"}
    outputs.write_rows(rows, columns, destinations, empty="")
    raise typer.Exit(exits.ENGINE_ERROR if any(row["state"] == "broken" for row in rows) else exits.ALLOW)


def _own(*, quick: bool) -> "Iterator[Examined]":
    from proctor.cli import checkup
    from proctor.settings import load

    return checkup.examine(load(), quick=quick)


def _other(system: str, url: str | None) -> "Iterator[Examined]":
    from importlib.metadata import entry_points

    from proctor.errors import UsageError
    from proctor.plugins import DOCTOR_GROUP

    known = {point.name: point for point in entry_points(group=DOCTOR_GROUP)}
    if system not in known:
        found = f"{system[:60]!r} is none of {', '.join(sorted(known)) or 'those that are installed'}"
        raise UsageError("looking for the system to check", found, "Leave it out to check Proctor itself")
    examine: Examine = known[system].load()
    return examine(os.environ, url)
