"""`proctor decisions`: what was decided."""

from typing import Annotated

import typer

from proctor.cli import outputs, session
from proctor.cli.listing import decision_of, quoted, rows_of
from proctor.cli.options import ListOutputOption, OutputOption
from proctor.cli.terminal import result

app = typer.Typer(no_args_is_help=True, help="Look at decisions that were made.")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 20,
    output: ListOutputOption = None,
) -> None:
    """List the newest decisions."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    reply = session.run(lambda api: api.get("/v1/decisions", limit=limit))
    rows = [
        {
            **decision,
            "name": (decision.get("subject") or {}).get("name"),
            "what": f"{decision.get('outcome')}, {decision.get('reason')}",
            "at": str(decision.get("decided_at", ""))[:19].replace("T", " "),
        }
        for decision in rows_of(reply, "decisions")
    ]
    columns = {"Decision": "id", "Outcome": "what", "Subject": "name", "At (UTC)": "at"}
    outputs.write_rows(rows, columns, destinations, empty="No decisions yet.")


@app.command()
def show(
    decision: Annotated[str, typer.Argument(metavar="ID", help="dec_...")],
    output: OutputOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what it rests on, rule by rule.")] = False,
) -> None:
    """Show one decision, as it was recorded."""
    if explain:
        result(session.run(lambda api: api.get_text(f"/v1/decisions/{quoted(decision)}/explanation")))
        return
    destinations = outputs.parse(output or [])
    found = decision_of(session.run(lambda api: api.get(f"/v1/decisions/{quoted(decision)}")))
    outputs.write_decisions([outputs.Judged(found)], destinations)
