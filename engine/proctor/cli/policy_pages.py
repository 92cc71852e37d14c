"""What a policy says, for people: `proctor policy list`, `show`, `coverage`, `facts` and `docs`.

All of them read files. `list` and `show` ask a server instead with `--server`, about what it enforces.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proctor.cli import outputs, session
from proctor.cli.listing import rows_of
from proctor.cli.options import ListOutputOption
from proctor.cli.policy_files import binary_of, settings_of
from proctor.cli.terminal import progress, result
from proctor.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from proctor.policy.catalogue import Catalogue

PackOption = Annotated[Path | None, typer.Option("--pack", help="A pack's folder, in addition to the provided policy.")]
ServerOption = Annotated[bool, typer.Option("--server", help="Ask the server what it enforces, and read no files.")]
_RULES = {"Rule": "code", "Severity": "severity", "Title": "title", "Controls": "controls"}


def register(app: typer.Typer) -> None:
    """Add the commands to `proctor policy`."""
    app.command("list")(list_)
    app.command()(show)
    app.command()(coverage)
    app.command()(facts)
    app.command()(docs)


def list_(server: ServerOption = False, pack: PackOption = None, output: ListOutputOption = None) -> None:
    """List the rules: of the policy on files, or with --server those in force."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    if server:
        policy = _policy_in_force(pack)
        rows = _rules(policy)
        progress(f"policy {policy.get('revision')}, profile {policy.get('profile')}")
    else:
        from proctor.policy import catalogue as reading

        catalogue = _catalogue(pack)
        rows = [reading.document(catalogue, code) for code in catalogue.rules]
        _say_warned(catalogue)
    outputs.write_rows(rows, _RULES, destinations, empty="No rules.")


def show(
    rule: Annotated[str, typer.Argument(help="The rule's code, such as deployment.model_registered.")],
    server: ServerOption = False,
    pack: PackOption = None,
    output: ListOutputOption = None,
) -> None:
    """Show one rule: what it asks, the facts it needs and who delivers them, its clauses, what follows where.

    From the policy on files; with --server, what the server enforces, as far as it tells.
    """
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    if server:
        rows = {row["code"]: row for row in _rules(_policy_in_force(pack))}
        found = rows.get(rule)
        if found is None:
            raise NotFoundError(f"looking for the rule {rule}", f"{len(rows)} others", "See 'proctor policy list'")
        shown = [key for key in found if key not in {"code", "title"}]
        lines = [f"{rule}: {found.get('title', '')}", *(f"  {key:<13} {outputs.cell(found[key])}" for key in shown)]
        outputs.write_one(found, lines, destinations)
        return
    from proctor.cli import policy_text
    from proctor.policy import catalogue as reading
    from proctor.policy import pages

    catalogue = _catalogue(pack)
    if rule not in catalogue.rules:
        near = reading.nearest(catalogue, rule)
        raise NotFoundError(
            f"looking for the rule {rule}",
            f"{len(catalogue.rules)} others" + (f", such as {', '.join(near)}" if near else ""),
            "See 'proctor policy list'",
        )
    document = reading.document(catalogue, rule)
    outputs.write_one(document, policy_text.of_rule(document), destinations, markdown=pages.of_rule(catalogue, rule))


def coverage(
    framework: Annotated[
        str | None, typer.Option("--framework", "-f", help="One of them, such as eu-ai-act; otherwise all.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="What holds on this day (2027-12-02), instead of today.")
    ] = None,
    pack: PackOption = None,
    output: ListOutputOption = None,
) -> None:
    """Say for every clause whether rules stand behind it, and which: covered, partly, human-only or none.

    With --at, only clauses that hold on that day, and rules that have taken effect by then.
    """
    from datetime import UTC, date, datetime

    from proctor.cli import policy_text
    from proctor.policy import coverage as covering

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    try:
        day = datetime.now(UTC).date() if at is None else date.fromisoformat(at)
    except ValueError as error:
        raise UsageError(f"reading --at {at}", str(error), "Write a day as 2027-12-02") from error
    covered = covering.of(_catalogue(pack), framework, day)
    if at is not None:
        covered = [one for one in covered if one.clause.in_force(day)]
    rows = [one.row(day) for one in covered]
    outputs.write_rows(
        rows,
        {"Clause": "clause", "Rules": "verdict", "Title": "title", "Holds": "state", "Which": "rules"},
        destinations,
        empty=f"No clause holds on {day}.",
        document=[one.document(day) for one in covered],
        lines=policy_text.of_coverage(rows),
    )
    for name, count in covering.counts(covered).items():
        progress(f"{name}: " + ", ".join(f"{number} {verdict}" for verdict, number in count.items()))
    progress("This says where rules look. Whether an obligation is met, people judge.")


def facts(
    stage: Annotated[str, typer.Argument(help="data, training, registration, deployment or runtime.")],
    kind: Annotated[str | None, typer.Option("--kind", help="dataset, run, model_version or deployment.")] = None,
    operation: Annotated[str | None, typer.Option("--operation", help="ingest, train, promote, deploy, ...")] = None,
    code: Annotated[str | None, typer.Option("--for", metavar="CODE", help="Only what this rule needs.")] = None,
    pack: PackOption = None,
    output: ListOutputOption = None,
) -> None:
    """List the evidence that a subject needs at a stage; with -o json, an empty input to fill instead."""
    from proctor.cli import policy_text
    from proctor.policy import checklist

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    catalogue = _catalogue(pack)
    asked = checklist.questions(catalogue, stage, kind, operation, code)
    columns = {
        "Group": "group", "Fields": "fields", "Tier": "tier", "Max age": "max_age", "Needed": "needed",
        "From": "delivered_by", "Rules": "rules",
    }  # fmt: skip
    json = any(destination.form is outputs.Format.JSON for destination in destinations)
    rows = [one.row() for one in checklist.wanted(catalogue, asked, code)]
    outputs.write_rows(
        rows,
        columns,
        destinations,
        empty="No facts.",
        document=checklist.empty_input(catalogue, asked, code) if json else None,
        lines=policy_text.of_checklist(rows),
    )
    progress("for " + "; ".join(f"{question.stage} {question.named}" for question in asked))


def docs(
    folder: Annotated[Path, typer.Option("--into", help="Where the pages go.")] = Path("docs"),
    pack: PackOption = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a page differs.")] = False,
) -> None:
    """Write a page for each rule, their index, and the coverage of the clauses."""
    from proctor.cli import exits
    from proctor.policy import pages

    changed = pages.write(pages.of_policy(_catalogue(pack)), folder, check=check)
    word = "differs" if check else "written"
    result("\n".join(f"{word}: {path}" for path in changed) or "Every page is as it should be.")
    raise typer.Exit(exits.DENY if check and changed else exits.ALLOW)


def _catalogue(pack: Path | None) -> "Catalogue":
    from proctor.policy import catalogue

    settings = settings_of(pack)
    return catalogue.read(settings, binary_of(settings))


def _say_warned(catalogue: "Catalogue") -> None:
    for code, why in sorted(catalogue.warned.items()):
        progress(f"{code} only warns: {why}")


def _policy_in_force(pack: Path | None) -> Any:
    if pack is not None:
        raise UsageError("asking the server", "--pack names files", "Leave one of --server and --pack out")
    return session.run(lambda api: api.get("/v1/policy"))


def _rules(policy: Any) -> list[dict[str, Any]]:
    rules = policy.get("rules") if isinstance(policy, dict) else None
    if isinstance(rules, dict):
        return [{"code": code, **rule} for code, rule in sorted(rules.items())]
    return rows_of(policy, "rules")
