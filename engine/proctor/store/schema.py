"""Brings a database to the newest schema, and refuses one that a newer Proctor has written."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from proctor.errors import StateError
from proctor.store.tables import SCHEMA_REVISION

_MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"


def migrate(connection: Connection) -> None:
    """Run the migrations that `connection`'s database has not had, inside the caller's transaction.

    Raises `StateError` when the database is at a revision that this version of Proctor does not know.
    """
    found = current(connection)
    if found == SCHEMA_REVISION:
        return
    # Importing alembic costs a tenth of a second: it is spared every start that finds nothing to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StateError(
            "migrating the database",
            f"it is at schema {found}, this Proctor knows up to {SCHEMA_REVISION}: {error}",
            "Run the version of Proctor that wrote it, or a newer one",
        ) from error


def current(connection: Connection) -> str | None:
    """Return the revision that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
