"""`proctor dataset` and `proctor violation`: what catalogs have told, and what exists against policy."""

from typing import Annotated

import typer

from proctor.cli import outputs, session
from proctor.cli.listing import quoted, rows_of
from proctor.cli.options import ListOutputOption
from proctor.errors import UsageError

dataset = typer.Typer(no_args_is_help=True, help="Look at the datasets that catalogs have told of.")
violation = typer.Typer(no_args_is_help=True, help="Look at what exists against policy.")


@dataset.command("list")
def datasets(output: ListOutputOption = None) -> None:
    """List the datasets."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = rows_of(session.run(lambda api: api.get("/v1/datasets")), "datasets")
    for row in rows:
        row["known"] = ", ".join(group for group, fact in row["facts"].items() if fact["values"] is not None)
    columns = {"Namespace": "namespace", "Name": "name", "Known": "known"}
    outputs.write_rows(rows, columns, destinations, empty="No catalog has told of a dataset yet: docs/catalogs.md")


@dataset.command()
def show(
    name: Annotated[str, typer.Argument(help="s3://BUCKET/KEY, or urn:ol:NAMESPACE:NAME as `list -o json` shows it.")],
    output: ListOutputOption = None,
) -> None:
    """Show what is known of one dataset, from whom and since when."""
    from proctor.notebook.plan import dataset as spelt

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    wanted = spelt(name)
    if wanted.version is not None:
        raise UsageError(
            f"looking for the dataset {name[:200]!r}", "it names a version, and catalogs tell of the whole dataset",
            "Leave out @VERSION",
        )  # fmt: skip
    urn = wanted.dataset.urn
    (found,) = rows_of(session.run(lambda api: api.get("/v1/datasets", urn=urn)), "datasets")
    lines = [urn]
    for group, fact in found["facts"].items():
        values = fact["values"]
        shown = "taken back" if values is None else ", ".join(f"{k} {outputs.cell(v)}" for k, v in values.items())
        lines.append(f"  {group:<12} {shown}")
        lines.append(f"  {'':<12} {fact['tier']}, {fact['source']}, {fact['observed_at'][:19].replace('T', ' ')} UTC")
    outputs.write_one(found, lines, destinations)


@violation.command("list")
def violations(
    every: Annotated[bool, typer.Option("--all", help="The resolved ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 50,
    output: ListOutputOption = None,
) -> None:
    """List the open violations."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    only = None if every else "true"
    rows = rows_of(session.run(lambda api: api.get("/v1/violations", open=only, limit=limit)), "violations")
    for row in rows:
        row["since"] = str(row["opened_at"])[:19].replace("T", " ")
        row["state"] = "resolved" if row.get("resolved_at") else "open"
    columns = {"Violation": "id", "Kind": "kind", "Subject": "subject", "State": "state", "Since (UTC)": "since"}
    outputs.write_rows(rows, columns, destinations, empty="No violations.")


@violation.command("show")
def show_violation(
    violation_id: Annotated[str, typer.Argument(metavar="ID", help="vio_...")], output: ListOutputOption = None
) -> None:
    """Show one violation, and what is wrong."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    found = session.run(lambda api: api.get(f"/v1/violations/{quoted(violation_id)}"))
    state = f"resolved: {found.get('resolution', '')}" if found.get("resolved_at") else "open"
    lines = [f"{found['id']}  {found['kind']}  {found['subject']}", f"  {state}, since {found['opened_at']}"]
    detail = dict(found["detail"])
    lines += [f"  [{finding['rule']}] {finding['message']}" for finding in detail.pop("findings", ())]
    lines += [f"  {name:<12} {outputs.cell(value)}" for name, value in detail.items()]
    outputs.write_one(found, lines, destinations)
