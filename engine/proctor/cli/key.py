"""`proctor key`: credentials for the API."""

from typing import Annotated

import typer

from proctor.cli import outputs, session
from proctor.cli.listing import quoted, rows_of
from proctor.cli.options import ListOutputOption
from proctor.cli.terminal import progress

app = typer.Typer(no_args_is_help=True, help="Create and revoke API keys.")


@app.command()
def create(
    principal: Annotated[str, typer.Argument(metavar="ID", help="Whose key: person:... or service:...")],
    role: Annotated[list[str] | None, typer.Option("--role", "-r", help="May be repeated.")] = None,
    point: Annotated[
        list[str] | None, typer.Option("--point", "-p", help="Where it may ask: ci, kubernetes-admission, ...")
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--environment", "-e", help="For which environments it may ask.")
    ] = None,
    asserts: Annotated[
        list[str] | None,
        typer.Option(
            "--assert",
            metavar="GROUP",
            help="Fact group that counts as observed when this key states it; for datasets also GROUP@NAMESPACE.",
        ),
    ] = None,
    days: Annotated[int, typer.Option("--expires-in-days", min=1, max=3650)] = 90,
    output: ListOutputOption = None,
) -> None:
    """Create a key. It is shown once, on standard output, and kept nowhere."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    body = {
        "principal": principal,
        "roles": role or [],
        "points": point or [],
        "environments": environment or [],
        "asserts": asserts or [],
        "expires_in_days": days,
    }
    made = session.run(lambda api: api.post("/v1/keys", body))
    progress("keep this key: it is shown once")
    outputs.write_one(made, [str(made["key"])], destinations)


@app.command()
def revoke(prefix: Annotated[str, typer.Argument(help="The key's prefix, as `key list` shows it.")]) -> None:
    """Revoke a key; it stops working at once."""
    session.run(lambda api: api.delete(f"/v1/keys/{quoted(prefix)}"))
    progress(f"{prefix} is revoked")


@app.command("list")
def list_(output: ListOutputOption = None) -> None:
    """List all keys, without their secrets."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = rows_of(session.run(lambda api: api.get("/v1/keys")), "keys")
    for row in rows:
        row["until"] = str(row.get("expires_at") or "")[:10]
        row["revoked"] = str(row.get("revoked_at") or "")[:10]
    columns = {"Prefix": "prefix", "Principal": "principal_id", "Roles": "roles", "Points": "points"}
    outputs.write_rows(rows, columns | {"Until": "until", "Revoked": "revoked"}, destinations, empty="No keys yet.")
