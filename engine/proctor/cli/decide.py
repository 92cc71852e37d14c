"""`proctor decide`: one request as it is, and the decision on it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from proctor.cli import exits, outputs, session
from proctor.cli.listing import decision_of
from proctor.cli.options import FailOnOption, OutputOption
from proctor.errors import NotFoundError


def decide(
    input_: Annotated[
        str, typer.Option("--input", "-i", metavar="FILE", help="The DecisionRequest; - for standard input.")
    ],
    output: OutputOption = None,
    fail_on: FailOnOption = exits.FailOn.ERROR,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Record nothing; the answer is good for nothing else.")
    ] = False,
) -> None:
    """Decide on one request (JSON). Exit code: 0 allow, 1 deny, 3 engine error, 4 approval required."""
    destinations = outputs.parse(output or [])
    body = _read(input_)
    path = f"/v1/decisions?dry_run={str(dry_run).lower()}"
    decision = decision_of(session.run(lambda api: api.post(path, body)))
    outputs.write_decisions([outputs.Judged(decision)], destinations)
    raise typer.Exit(exits.of_decisions([decision], fail_on))


def _read(name: str) -> bytes:
    """Return the bytes of the request, untouched: the API's door is the one that judges them."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"reading {name}", error.strerror or str(error), "Name a readable file, or - for standard input"
        ) from error
