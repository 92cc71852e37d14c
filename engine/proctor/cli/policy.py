"""`proctor policy`: the authors' side. Works on files; only `list` and `show` ask what a server enforces."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proctor.cli import exits, outputs, policy_diff, policy_replay, session
from proctor.cli.listing import rows_of
from proctor.cli.options import ListOutputOption
from proctor.cli.terminal import progress, result
from proctor.errors import NotFoundError

if TYPE_CHECKING:
    from proctor.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Write, test and build rules; see which are enforced.")
app.command()(policy_diff.diff)
app.command()(policy_replay.replay)
PackOption = Annotated[Path | None, typer.Option("--pack", help="A pack's folder, in addition to the provided policy.")]


@app.command()
def new(
    stage: Annotated[str, typer.Argument(help="deployment")],
    name: Annotated[str, typer.Argument(help="The rule's name, such as image_signed.")],
    pack: PackOption = None,
) -> None:
    """Write a new rule with its test, from a template that passes."""
    from proctor.cli import scaffold
    from proctor.opa.bundle import policy_dir

    root = pack or policy_dir(_settings(None).policy_dir)
    files = scaffold.write(root, stage, name, pack=pack is not None)
    result("\n".join(str(path) for path in files))
    progress("next: edit both, then proctor policy test" + (f" --pack {pack}" if pack else ""))


@app.command()
def build(
    folder: Annotated[Path, typer.Option("--into", help="Where the signed bundle goes.")] = Path("build"),
    pack: PackOption = None,
    output: ListOutputOption = None,
) -> None:
    """Build, check and sign the bundle that OPA gets."""
    from proctor.opa import binary, bundle

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    settings = _settings(pack)
    built = bundle.build(
        settings.policy,
        binary.find(settings).path,
        bundle.policy_dir(settings.policy_dir),
        folder.resolve(),
        settings.state_dir / "keys" / "bundle.key",
    )
    for warning in built.warnings:
        progress(f"warning: {warning}")
    rules = len(built.index.rules)
    document = {"path": str(built.path), "revision": built.revision, "digest": built.digest, "rules": rules}
    lines = [str(built.path), f"revision {built.revision}, {rules} rules", built.digest]
    outputs.write_one(document, lines, destinations)


@app.command("test")
def check_behaviour(pack: PackOption = None, verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False) -> None:
    """Run the rules' own tests and the cases that are generated from their annotations, in a real OPA.

    With --pack, those of the pack; without, those of the provided policy and of all packs that are configured.
    """
    from proctor.policy import workspace

    settings = _settings(pack)
    only = pack.resolve() if pack is not None else None
    report = workspace.test(settings, _binary(settings), verbose=verbose, only=only)
    result(report.text)
    raise typer.Exit(exits.ALLOW if report.ok else exits.DENY)


@app.command()
def lint(pack: PackOption = None) -> None:
    """Check types strictly, look for ways to fail open, and run Regal with our own rules where it is installed."""
    from proctor.policy import workspace

    settings = _settings(pack)
    report = workspace.lint(settings, _binary(settings))
    result(report.text)
    raise typer.Exit(exits.ALLOW if report.ok else exits.DENY)


@app.command("list")
def list_(output: ListOutputOption = None) -> None:
    """List the rules in force."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    policy = session.run(lambda api: api.get("/v1/policy"))
    rows = _rules(policy)
    progress(f"policy {policy.get('revision')}, profile {policy.get('profile')}")
    columns = {"Rule": "code", "Severity": "severity", "Title": "title", "Controls": "controls"}
    outputs.write_rows(rows, columns, destinations, empty="No rules.")


@app.command()
def show(
    rule: Annotated[str, typer.Argument(help="The rule's code, such as deployment.model_registered.")],
    output: ListOutputOption = None,
) -> None:
    """Show one rule in force: what it asks for, what it rests on, and how to mend a failure."""
    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    rows = {row["code"]: row for row in _rules(session.run(lambda api: api.get("/v1/policy")))}
    if (found := rows.get(rule)) is None:
        raise NotFoundError(f"looking for the rule {rule}", f"{len(rows)} others", "See 'proctor policy list'")
    shown = [key for key in found if key not in {"code", "title"}]
    lines = [f"{rule}: {found.get('title', '')}", *(f"  {key:<13} {outputs.cell(found[key])}" for key in shown)]
    outputs.write_one(found, lines, destinations)


def _rules(policy: Any) -> list[dict[str, Any]]:
    rules = policy.get("rules") if isinstance(policy, dict) else None
    if isinstance(rules, dict):
        return [{"code": code, **rule} for code, rule in sorted(rules.items())]
    return rows_of(policy, "rules")


def _settings(pack: Path | None) -> "Settings":
    from proctor.settings import Settings, load

    settings = load()
    if pack is None:
        return settings
    changed = settings.policy.model_dump() | {"packs": [*settings.policy.packs, pack.resolve()]}
    return Settings.model_validate(settings.model_dump() | {"policy": changed})


def _binary(settings: "Settings") -> Path:
    from proctor.opa import binary

    path: Path = binary.find(settings).path
    return path
