"""`proctor ledger`: proof that the history is whole. Works on files alone, with or without a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from proctor.cli import exits, outputs
from proctor.cli.options import ListOutputOption
from proctor.cli.plain import plain
from proctor.cli.terminal import progress
from proctor.errors import NotFoundError, UsageError

app = typer.Typer(no_args_is_help=True, help="Verify and export the ledger.")


@app.command()
def verify(
    source: Annotated[
        Path | None, typer.Argument(help="Database file or exported folder; default: the state directory's ledger.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The public key or its file; default: the state directory's, or the export's.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept: shows whether anything was taken away since.")
    ] = None,
    output: ListOutputOption = None,
) -> None:
    """Verify entries, tree and signed checkpoints; name the entry that was changed.

    Exit code 0: whole. 1: changed.
    """
    from proctor.ledger import verify as verification

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    kept = _text(checkpoint, "the checkpoint") if checkpoint is not None else None
    with _place(source) as (place, shown):
        key = _public_key(public_key, place)
        check = verification.verify_export if place.is_dir() else verification.verify_database
        try:
            report = check(place, key, kept)
        except (ValueError, OSError) as error:
            raise UsageError(
                f"verifying {shown}", str(error), "Name a database or an export, and its public key"
            ) from error
    problems = [{"index": index, "entry": entry, "what": what} for index, entry, what in report.problems]
    verdict = "the ledger is whole" if report.ok else "THE LEDGER WAS CHANGED"
    lines = [
        f"{verdict}: {report.size} entries, {report.signed_size} signed, {len(problems)} problems ({plain(shown)})"
    ]
    lines += [f"  {_named(index, entry)}: {what}" for index, entry, what in report.problems]
    document = {
        "ok": report.ok,
        "size": report.size,
        "signed_size": report.signed_size,
        "source": str(shown),
        "problems": problems,
    }
    outputs.write_one(document, lines, destinations)
    raise typer.Exit(exits.ALLOW if report.ok else exits.DENY)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    cases: Annotated[
        bool,
        typer.Option(
            "--cases", help="Add what was judged, in the clear, and the policies: for `policy replay --from`."
        ),
    ] = False,
) -> None:
    """Write entries, checkpoints and public key to a folder that an auditor can take away."""
    from datetime import timedelta

    from proctor.ledger.bundles import BundleStore
    from proctor.ledger.cases import CaseStore
    from proctor.ledger.clock import Clock
    from proctor.ledger.export import export as write
    from proctor.ledger.keyring import check
    from proctor.ledger.recordings import StateRecordings, export_cases
    from proctor.ledger.signing import Signer
    from proctor.settings import load
    from proctor.store.database import Database

    settings = load()
    if settings.database_url is None:
        _source(None)  # an export of nothing would make an empty ledger first
    database = Database.open(settings.database)
    try:
        check(database, settings.state_dir)  # before a key is made that is not this ledger's
        head = write(database, folder, Signer.load_or_create(settings.state_dir))
        if cases:
            clock, kept = Clock(), timedelta(days=settings.case_retention_days)
            stored = CaseStore(database, settings.state_dir, clock, kept)
            found = StateRecordings(database, stored, BundleStore(database, clock))
            counted = export_cases(found, folder, head.size)
            progress("cases: " + ", ".join(f"{count} {state}" for state, count in counted.items()))
    finally:
        database.close()
    progress(f"{head.size} entries, root {head.root}")
    progress(f"verify it with: proctor ledger verify {folder}")


@contextmanager
def _place(named: Path | None) -> Iterator[tuple[Path, str | Path]]:
    """Lend what to verify and how to call it. What is in PostgreSQL is exported to a folder for as long as it takes."""
    from sqlalchemy import make_url

    from proctor.ledger.export import export as write
    from proctor.ledger.keyring import check
    from proctor.ledger.signing import Signer
    from proctor.settings import load
    from proctor.store.database import Database

    settings = load() if named is None else None
    if settings is None or settings.database.startswith("sqlite:///"):
        place = _source(named)
        yield place, place
        return
    database = Database.open(settings.database)
    try:
        check(database, settings.state_dir)
        with TemporaryDirectory(prefix="proctor-ledger-") as folder:
            write(database, Path(folder), Signer.load_or_create(settings.state_dir))
            yield Path(folder), make_url(settings.database).render_as_string(hide_password=True)
    finally:
        database.close()


def _named(index: int, entry: str) -> str:
    return "the ledger" + (f", {entry}" if entry else "") if index < 0 else f"entry {index} {entry}".rstrip()


def _source(named: Path | None) -> Path:
    from proctor.settings import load

    if named is None:
        named = Path(load().database.removeprefix("sqlite:///"))
    if not named.exists():
        raise NotFoundError(f"opening the ledger {named}", "no such file or folder", "Name a database or an export")
    return named


def _public_key(named: str | None, place: Path) -> str:
    """Return the text of the key: as given, from the file that was given, or from where it lies beside the ledger."""
    from proctor.settings import load

    if named is not None and not Path(named).exists():
        return named
    if named is not None:
        path = Path(named)
    else:
        path = place / "ledger.pub" if place.is_dir() else load().state_dir / "keys" / "ledger.pub"
    return _text(path, "the public key")


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"reading {what} {path}", str(error), "Name a file that holds it") from error
