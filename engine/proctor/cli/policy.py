"""`proctor policy`: the authors' side. Works on files; only `list --server` and `show --server` ask a server."""

from pathlib import Path
from typing import Annotated

import typer

from proctor.cli import exits, outputs, policy_diff, policy_mutate, policy_pages, policy_replay, policy_test
from proctor.cli.options import ListOutputOption
from proctor.cli.policy_files import binary_of as _binary
from proctor.cli.policy_files import settings_of as _settings
from proctor.cli.terminal import progress, result

app = typer.Typer(no_args_is_help=True, help="Write, test and build rules; see what they ask and which are enforced.")
app.command("test")(policy_test.check_behaviour)
app.command()(policy_mutate.mutate)
app.command()(policy_diff.diff)
app.command()(policy_replay.replay)
PackOption = Annotated[Path | None, typer.Option("--pack", help="A pack's folder, in addition to the provided policy.")]


@app.command()
def new(
    rule: Annotated[str, typer.Argument(metavar="STAGE/NAME", help="Such as deployment/image_scanned.")],
    name: Annotated[str | None, typer.Argument(hidden=True)] = None,
    pack: PackOption = None,
) -> None:
    """Write a new rule with its test, and in a pack its sample, from a template that passes."""
    from proctor.cli import scaffold
    from proctor.opa.bundle import policy_dir

    stage, _, second = rule.partition("/")
    source = policy_dir(_settings(None).policy_dir)
    files = scaffold.write(
        pack or source, stage, name or second, pack=pack is not None, samples=source / "samples" / "inputs"
    )
    result("\n".join(str(path) for path in files))
    where = pack or files[0].parent
    progress(f"next: edit them, then 'proctor policy test {where}' and 'proctor policy mutate {where}'")


@app.command()
def build(
    folder: Annotated[Path, typer.Option("--into", help="Where the signed bundle goes.")] = Path("build"),
    pack: PackOption = None,
    output: ListOutputOption = None,
) -> None:
    """Build, check and sign the bundle that OPA gets."""
    from proctor.opa import binary, bundle
    from proctor.policy import suppliers

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    settings = _settings(pack)
    built = bundle.build(
        settings.policy,
        binary.find(settings).path,
        bundle.policy_dir(settings.policy_dir),
        folder.resolve(),
        settings.state_dir / "keys" / "bundle.key",
        suppliers.delivered(),
    )
    for warning in built.warnings:
        progress(f"warning: {warning}")
    rules = len(built.index.rules)
    document = {"path": str(built.path), "revision": built.revision, "digest": built.digest, "rules": rules}
    lines = [str(built.path), f"revision {built.revision}, {rules} rules", built.digest]
    outputs.write_one(document, lines, destinations)


@app.command()
def lint(pack: PackOption = None) -> None:
    """Check types strictly, look for ways to fail open, and run Regal with our own rules where it is installed."""
    from proctor.policy import workspace

    settings = _settings(pack)
    report = workspace.lint(settings, _binary(settings))
    result(report.text)
    raise typer.Exit(exits.ALLOW if report.ok else exits.DENY)


policy_pages.register(app)
