"""`proctor principal`: who people and services are, and which logins elsewhere are theirs."""

from enum import StrEnum
from typing import Annotated

import typer

from proctor.cli import outputs, session
from proctor.cli.listing import quoted, rows_of
from proctor.cli.options import ListOutputOption

app = typer.Typer(no_args_is_help=True, help="Register people and services, and link their logins.")


PurposeOption = Annotated[
    list[str] | None, typer.Option("--purpose", help="For which purposes they may train; may be repeated; * for all.")
]
DataClassOption = Annotated[
    list[str] | None,
    typer.Option("--data-class", help="On which data: public, internal, personal, special; may be repeated."),
]


class Kind(StrEnum):
    """Who can be registered."""

    PERSON = "person"
    SERVICE = "service"


@app.command()
def add(
    kind: Annotated[Kind, typer.Argument(help="person or service")],
    name: Annotated[str, typer.Argument(help="A readable name.")],
    role: Annotated[list[str] | None, typer.Option("--role", "-r", help="What they may do; may be repeated.")] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--environment", "-e", help="Where they may deploy; may be repeated.")
    ] = None,
    purpose: PurposeOption = None,
    data_class: DataClassOption = None,
    output: ListOutputOption = None,
) -> None:
    """Register a person or a service; prints the id that Proctor minted."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    body = {
        "kind": kind.value,
        "name": name,
        "roles": role or [],
        "environments": environment or [],
        "purposes": purpose or [],
        "data_classes": data_class or [],
    }
    made = session.run(lambda api: api.post("/v1/principals", body))
    outputs.write_one(made, [f"{made['id']}  {name}"], destinations)


@app.command()
def grant(
    principal: Annotated[str, typer.Argument(metavar="ID", help="person:... or service:...")],
    purpose: PurposeOption = None,
    data_class: DataClassOption = None,
    output: ListOutputOption = None,
) -> None:
    """Set what a principal may train from now on; it takes the place of what was granted before."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    body = {"purposes": purpose or [], "data_classes": data_class or []}
    made = session.run(lambda api: api.post(f"/v1/principals/{quoted(principal)}/grants", body))
    granted = f"{', '.join(body['data_classes']) or 'no'} data for {', '.join(body['purposes']) or 'no purpose'}"
    outputs.write_one(made, [f"{principal} may train on {granted}"], destinations)


@app.command()
def link(
    principal: Annotated[str, typer.Argument(metavar="ID", help="person:... or service:...")],
    system: Annotated[str, typer.Argument(help="kubernetes, mlflow, git, ...")],
    name: Annotated[str, typer.Argument(help="The login there, exactly as that system writes it.")],
    output: ListOutputOption = None,
) -> None:
    """Say that a login of another system is this principal."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    made = session.run(
        lambda api: api.post(f"/v1/principals/{quoted(principal)}/aliases", {"system": system, "name": name})
    )
    outputs.write_one(made or {}, [f"{principal} is {name} on {system}"], destinations)


@app.command("list")
def list_(output: ListOutputOption = None) -> None:
    """List all principals."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = rows_of(session.run(lambda api: api.get("/v1/principals")), "principals")
    columns = {"Id": "id", "Name": "name", "Roles": "roles", "Environments": "environments", "Active": "active"}
    outputs.write_rows(rows, columns, destinations, empty="No principals yet: proctor principal add person NAME")
