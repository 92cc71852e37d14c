"""`proctor model`: model versions, their digests, and where they may run."""

from typing import Annotated

import typer

from proctor.cli import outputs, session
from proctor.cli.listing import quoted, rows_of
from proctor.cli.options import ListOutputOption
from proctor.cli.terminal import progress

app = typer.Typer(no_args_is_help=True, help="Register model versions and allow them, environment by environment.")
Name = Annotated[str, typer.Argument(help="The model's name.")]
Version = Annotated[str, typer.Argument(help="Its version.")]


@app.command()
def register(
    name: Name,
    version: Version,
    digest: Annotated[str, typer.Option(help="sha256:... of all its artifacts.")],
    uri: Annotated[list[str], typer.Option(help="A reference by which deployments name it; may be repeated.")],
    author: Annotated[str, typer.Option(help="Who made it: person:... or service:...")],
    exposure: Annotated[str, typer.Option(help="Who is exposed to its output: internal, partner or public.")],
    autonomy: Annotated[str, typer.Option(help="Between output and effect: advisory, supervised or autonomous.")],
    data_class: Annotated[str, typer.Option(help="Most sensitive data used: public, internal, personal or special.")],
    purpose: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    output: ListOutputOption = None,
) -> None:
    """Register a model version. It may run nowhere until it is allowed."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    body = {
        "name": name,
        "version": version,
        "digest": digest,
        "uris": uri,
        "author": author,
        "exposure": exposure,
        "autonomy": autonomy,
        "data_class": data_class,
    }
    if purpose is not None:
        body["purpose"] = purpose
    made = session.run(lambda api: api.post("/v1/models", body))
    outputs.write_one(made, [f"{name} {version} is {digest}, allowed nowhere yet"], destinations)


@app.command()
def allow(
    name: Name,
    version: Version,
    environment: Annotated[list[str], typer.Option("--environment", "-e", help="May be repeated.")],
    output: ListOutputOption = None,
) -> None:
    """Allow a registered version's digest in these environments."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    path = f"/v1/models/{quoted(name)}/{quoted(version)}/allowance"
    made = session.run(lambda api: api.post(path, {"environments": environment}))
    outputs.write_one(made or {}, [f"{name} {version} is allowed in {', '.join(environment)}"], destinations)


@app.command()
def withdraw(name: Name, version: Version) -> None:
    """Withdraw a version: it is registered no longer, and allowed nowhere."""
    session.run(lambda api: api.delete(f"/v1/models/{quoted(name)}/{quoted(version)}"))
    progress(f"{name} {version} is withdrawn")


@app.command("list")
def list_(output: ListOutputOption = None) -> None:
    """List registered model versions."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = rows_of(session.run(lambda api: api.get("/v1/models")), "models")
    for row in rows:
        row["short"] = str(row.get("digest", ""))[:19]
        row["allowed"] = [one.get("name") if isinstance(one, dict) else one for one in row.get("environments") or ()]
        row["withdrawn"] = str(row.get("withdrawn_at") or "")[:10]
    columns = {"Name": "name", "Version": "version", "Digest": "short", "Allowed in": "allowed"}
    outputs.write_rows(
        rows, columns | {"Withdrawn": "withdrawn"}, destinations, empty="No models yet: proctor model register"
    )
