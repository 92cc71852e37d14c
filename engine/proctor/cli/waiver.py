"""`proctor waiver`: two people's signed, expiring exception for one rule, one subject and one item."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from proctor.cli import durations, outputs
from proctor.cli.listing import quoted, rows_of
from proctor.cli.options import ListOutputOption
from proctor.cli.session import Session, run
from proctor.cli.terminal import progress
from proctor.errors import NotFoundError, UsageError

app = typer.Typer(no_args_is_help=True, help="Request, sign and revoke waivers. Two different people are needed.")
Identity = Annotated[str, typer.Argument(metavar="ID", help="The waiver's id.")]


@app.command()
def request(
    rule: Annotated[str, typer.Option(help="The rule that fails, such as deployment.resource_limits_set.")],
    reason: Annotated[str, typer.Option(help="Why this is right, for the one who signs and for the auditor.")],
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 7d, 12h, 30m or 20s.")],
    decision: Annotated[
        str | None, typer.Option(help="The denial that it answers; says subject, environment and item.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="sha256:... of the subject.")] = None,
    environment: Annotated[str | None, typer.Option("--environment", "-e")] = None,
    item: Annotated[list[str] | None, typer.Option(help="The item's id; one for each level of the rule.")] = None,
    output: ListOutputOption = None,
) -> None:
    """Request a waiver. It covers nothing until a second person has signed it."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    length = durations.parse(lasts)

    async def _request(api: Session) -> Any:
        body: dict[str, Any] = {"rule": rule, "reason": reason, **_interval(length)}
        if decision is not None:
            body |= _from_decision(await api.get(f"/v1/decisions/{quoted(decision)}"), rule, item)
        elif subject is not None and environment is not None:
            body |= {"subject_digest": subject, "environment": environment, "item": item or []}
        else:
            raise UsageError(
                "requesting a waiver", "no subject", "Give --decision ID, or --subject with --environment and --item"
            )
        return await api.post("/v1/waivers", body)

    made = run(_request)
    outputs.write_one(
        made, [f"{made['id']}  requested, waits for a second person: proctor waiver sign {made['id']}"], destinations
    )


def _interval(length: timedelta) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"valid_from": _stamp(now), "valid_until": _stamp(now + length)}


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _from_decision(decision: Mapping[str, Any], rule: str, item: list[str] | None) -> dict[str, Any]:
    """Return subject, environment and item of the one finding of `rule` in a decision."""
    failed = [
        finding
        for finding in decision.get("findings", ())
        if finding["rule"] == rule and finding["status"] == "fail" and item in (None, finding["item"])
    ]
    tried = f"looking for what {rule} found in {decision.get('id')}"
    if not failed:
        raise NotFoundError(tried, "no failure of this rule", "A waiver covers what failed, never what can't be judged")
    if len(failed) > 1:
        choices = "; ".join(" ".join(f"--item {part}" for part in finding["item"]) for finding in failed[:5])
        raise UsageError(tried, f"{len(failed)} items", f"Say which one: {choices}")
    return {
        "subject_digest": decision["subject"]["digest"],
        "environment": decision["environment"],
        "item": failed[0]["item"],
    }


@app.command()
def sign(waiver: Identity, output: ListOutputOption = None) -> None:
    """Sign a waiver that another person requested. From now on it covers the finding, until it ends."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    made = run(lambda api: api.post(f"/v1/waivers/{quoted(waiver)}/signature"))
    until = f", covers until {made['valid_until']}" if isinstance(made, dict) and "valid_until" in made else ""
    outputs.write_one(made or {}, [f"{waiver}  signed{until}"], destinations)


@app.command()
def revoke(waiver: Identity) -> None:
    """Revoke a waiver; it covers nothing any more, from now on."""
    run(lambda api: api.delete(f"/v1/waivers/{quoted(waiver)}"))
    progress(f"{waiver} is revoked")


@app.command("list")
def list_(output: ListOutputOption = None) -> None:
    """List waivers, with their state now."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = rows_of(run(lambda api: api.get("/v1/waivers")), "waivers")
    for row in rows:
        row["until"] = str(row.get("valid_until", ""))[:16].replace("T", " ")
    columns = {"Id": "id", "State": "state", "Rule": "rule", "Environment": "environment"}
    outputs.write_rows(rows, columns | {"Until (UTC)": "until"}, destinations, empty="No waivers.")
