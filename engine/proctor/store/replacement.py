"""One row in the place of another, in the way that every database understands."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Executable, Table, delete, insert


def removal(table: Table, row: Mapping[str, Any]) -> Executable:
    """Return the statement that deletes the row with the primary key of `row`, if there is one."""
    return delete(table).where(*(column == row[column.name] for column in table.primary_key.columns))


def replacement(table: Table, row: Mapping[str, Any]) -> list[Executable]:
    """Return the statements that store `row` instead of the one with its primary key; one transaction takes both."""
    return [removal(table, row), insert(table).values(**row)]
