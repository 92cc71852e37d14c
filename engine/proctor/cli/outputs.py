"""Where results go and in which form: `--output FORMAT` or `FORMAT=FILE`, as often as one likes.

Decisions have six forms (`proctor.cli.formats`); lists of other things have table, json and markdown.
"""

import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from proctor.cli import terminal
from proctor.cli.plain import plain
from proctor.errors import UsageError


class Format(StrEnum):
    """The forms of a result."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"


OF_LISTS: Final = (Format.TABLE, Format.JSON, Format.MARKDOWN)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the caller's files a decision's subject stands."""

    file: str
    line: int
    """1-based."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One decision as the API gave it, with where its subject came from, if that is known."""

    decision: Mapping[str, Any]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """One form and the file that it goes to; None is standard output."""

    form: Format
    file: Path | None


def parse(values: Sequence[str], allowed: Sequence[Format] = tuple(Format)) -> list[Destination]:
    """Read the values of `--output`; none at all is a table. Raises `UsageError`."""
    found: list[Destination] = []
    for value in values or [Format.TABLE]:
        name, equals, file = value.partition("=")
        if name not in allowed or (equals and not file):
            raise UsageError(
                f"reading --output {value}", "no such form", f"Use one of {', '.join(allowed)}, or FORM=FILE"
            )
        found.append(Destination(Format(name), Path(file) if file else None))
    if sum(destination.file is None for destination in found) > 1:
        raise UsageError(
            "reading --output", "more than one form for standard output", "Give all but one a file: --output sarif=FILE"
        )
    return found


def write_decisions(judged: Sequence[Judged], destinations: Sequence[Destination]) -> None:
    """Write the decisions to every destination. Raises `UsageError` for a file that can't be written."""
    for destination in destinations:
        colour = destination.file is None and terminal.coloured(sys.stdout)
        module = importlib.import_module(f"proctor.cli.formats.{destination.form}_form")
        render: Callable[..., str] = module.render
        write_text(render(judged, colour=colour), destination.file)


def write_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    destinations: Sequence[Destination],
    *,
    empty: str,
    document: Any = None,
    lines: Sequence[str] | None = None,
) -> None:
    """Write a list of things. `columns` maps each title to the key that it shows; `empty` is said of no rows.

    `document`: what JSON holds, where that is more than the rows. `lines`: what a terminal shows instead of a table, of
    rows that are too wide for one.
    """
    for destination in destinations:
        if destination.form is Format.JSON:
            text = as_json(list(rows) if document is None else document)
        elif destination.form is Format.MARKDOWN:
            text = _markdown(rows, columns)
        elif rows and lines is not None:
            text = "\n".join(map(plain, lines))
        elif rows:
            text = _table(rows, columns, colour=destination.file is None and terminal.coloured(sys.stdout))
        else:
            text = empty
        write_text(text, destination.file)


def write_one(
    document: Mapping[str, Any],
    lines: Sequence[str],
    destinations: Sequence[Destination],
    *,
    markdown: str | None = None,
) -> None:
    """Write one thing: as JSON, as a page where there is one, or as the `lines` that a person reads."""
    for destination in destinations:
        if destination.form is Format.JSON:
            text = as_json(document)
        elif destination.form is Format.MARKDOWN and markdown is not None:
            text = markdown
        else:
            text = "\n".join(map(plain, lines))
        write_text(text, destination.file)


@dataclass(frozen=True, slots=True)
class Section:
    """A table inside a report; one without rows is left out."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    columns: Mapping[str, str]
    """Title of each column and the key that it shows."""


def write_report(
    document: Mapping[str, Any], lines: Sequence[str], sections: Sequence[Section], destinations: Sequence[Destination]
) -> None:
    """Write a report: as JSON, or as lines and tables."""
    shown = [section for section in sections if section.rows]
    for destination in destinations:
        if destination.form is Format.JSON:
            text = as_json(document)
        elif destination.form is Format.MARKDOWN:
            from proctor.cli.formats.markdown_form import escape

            parts = ["\n".join(f"- {escape(plain(line))}" for line in lines)]
            for section in shown:
                heading = f"### {escape(section.title)}\n\n" if section.title else ""
                parts.append(heading + _markdown(section.rows, section.columns))
            text = "\n\n".join(parts)
        else:
            colour = destination.file is None and terminal.coloured(sys.stdout)
            parts = ["\n".join(map(plain, lines))]
            for section in shown:
                heading = f"{section.title}\n" if section.title else ""
                parts.append(heading + _table(section.rows, section.columns, colour=colour))
            text = "\n\n".join(parts)
        write_text(text, destination.file)


def as_json(document: Any) -> str:
    """Return `document` as indented JSON in ASCII, which no terminal takes for a command."""
    return json.dumps(document, indent=2, ensure_ascii=True, sort_keys=False)


def cell(value: Any) -> str:
    """Return a value of a list as one line."""
    if value is None or value in ([], "", {}):
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(name)} {plain(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else plain(value)


def write_text(text: str, file: Path | None) -> None:
    """Write `text` to a file, or to standard output. Raises `UsageError` for a file that can't be written."""
    if file is None:
        terminal.result(text)
        return
    try:
        file.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"writing {file}", str(error), "Name a file in a folder that exists") from error


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, colour: bool) -> str:
    import io

    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, title in enumerate(columns):
        # What names the row is there to be copied, so it stays in one piece.
        table.add_column(title, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell(row.get(key))) for key in columns.values()))
    buffer = io.StringIO()
    terminal.console(buffer, colour=colour).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    from proctor.cli.formats.markdown_form import escape

    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(escape(cell(row.get(key))) for key in columns.values())} |" for row in rows]
    return "\n".join(lines)
