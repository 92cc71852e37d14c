import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, insert, select, text, update

from proctor.errors import SettingsError, StateError
from proctor.store import database as database_module
from proctor.store import schema
from proctor.store.database import Database
from proctor.store.tables import (
    LEDGER_TABLES,
    SCHEMA_REVISION,
    aliases,
    ledger_checkpoints,
    ledger_entries,
    ledger_head,
    metadata,
    principals,
)
from tests.live import postgres


@pytest.fixture
def path(state_dir: Path) -> Path:
    return state_dir / "inner" / "proctor.db"


@pytest.fixture
def database(path: Path, state_dir: Path) -> Iterator[Database]:
    url = postgres.url_of(state_dir)
    database = Database.open(f"sqlite:///{path}" if url.startswith("sqlite") else url)
    yield database
    database.close()


def person(name: str) -> dict[str, object]:
    return {
        "id": f"person:{name}", "kind": "person", "name": name, "environments": ["prod"], "roles": ["admin"],
        "created_at": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip


@pytest.mark.sqlite
def test_file_and_folder_are_private(database: Database, path: Path) -> None:
    database.write(insert(principals).values(person("jane")))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["proctor.db", "proctor.db-shm", "proctor.db-wal"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.mark.sqlite
def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o644)
    Database.open(f"sqlite:///{path}").close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_rows_come_back_as_they_were(database: Database) -> None:
    assert database.write(insert(principals).values(person("jane"))) == 1
    (row,) = database.read(select(principals))
    assert (row.id, row.environments, row.active) == ("person:jane", ["prod"], True)
    assert database.write(update(principals).values(active=False)) == 1
    assert database.read(select(principals.c.active)) == [(False,)]


def test_statements_of_one_write_stand_or_fall_together(database: Database) -> None:
    with pytest.raises(StateError, match=r"UNIQUE|unique"):
        database.write(
            insert(principals).values(person("jane")),
            insert(principals).values(person("joe")),
            insert(principals).values(person("jane")),
        )
    assert database.read(select(principals)) == []


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(StateError, match=r"FOREIGN KEY|foreign key"):
        database.write(insert(aliases).values(system="mlflow", name="jane", principal_id="person:nobody"))


@pytest.mark.parametrize("table", sorted(LEDGER_TABLES, key=str), ids=str)
def test_the_ledgers_tables_are_not_for_everybody(database: Database, table: object) -> None:
    assert table in {ledger_entries, ledger_head, ledger_checkpoints}
    for statement in (table.insert(), table.update(), table.delete()):  # type: ignore[attr-defined]
        with pytest.raises(StateError, match="only the ledger's own writer"):
            database.write(statement)


async def test_the_loop_goes_on_while_the_database_works(database: Database) -> None:
    await asyncio.gather(*(database.awrite(insert(principals).values(person(f"p{n}"))) for n in range(20)))
    assert (await database.aread(select(func.count()).select_from(principals))) == [(20,)]
    assert await database.atransact(lambda connection: connection.execute(text("SELECT 7")).scalar()) == 7


@pytest.mark.sqlite
def test_threads_wait_for_each_other(database: Database) -> None:
    """A transaction that reads first and writes then fails at once in SQLite, if another has written in between."""

    def add() -> None:
        for _ in range(10):
            with database.transaction() as connection:
                number = connection.execute(select(func.count()).select_from(principals)).scalar_one()
                connection.execute(insert(principals).values(person(f"p{number}")))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(select(func.count()).select_from(principals)) == [(40,)]


@pytest.mark.sqlite
def test_readers_do_not_wait_for_a_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT", 0.05)
    database = Database.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert database.read(select(principals)) == []
        with pytest.raises(StateError, match="locked"):
            database.write(insert(principals).values(person("jane")))
        other.execute("ROLLBACK")
    database.close()


def test_a_snapshot_does_not_move(database: Database) -> None:
    with database.snapshot() as connection:
        assert connection.execute(select(principals)).all() == []
        database.write(insert(principals).values(person("jane")))
        assert connection.execute(select(principals)).all() == []
    assert len(database.read(select(principals))) == 1


@pytest.mark.sqlite
def test_closing_leaves_one_file(database: Database, path: Path) -> None:
    database.write(insert(principals).values(person("jane")))
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["proctor.db"]


@pytest.mark.parametrize(
    "url", ["", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "nonsense"]
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="reading the database URL"):
        Database.open(url)


@pytest.mark.sqlite
def test_what_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(StateError, match="not a database"):
        Database.open(f"sqlite:///{path}")


@pytest.mark.sqlite
def test_a_folder_that_cannot_be_made_is_an_error(state_dir: Path) -> None:
    (state_dir / "file").touch()
    with pytest.raises(StateError, match="opening sqlite"):
        Database.open(f"sqlite:///{state_dir / 'file' / 'proctor.db'}")


def test_a_password_is_not_shown() -> None:
    with pytest.raises((StateError, SettingsError)) as caught:
        Database.open("postgresql://user:sesame@127.0.0.1:1/none")
    assert "sesame" not in str(caught.value)


# --- Schema -----------------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        # PostgreSQL has no comparison of two `json` values, with which alembic would compare their defaults.
        defaults = connection.dialect.name == "sqlite"
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": defaults}
        )
        assert compare_metadata(context, metadata) == []
        assert schema.current(connection) == SCHEMA_REVISION


def test_the_known_revision_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(schema._MIGRATIONS)).get_current_head() == SCHEMA_REVISION


@pytest.mark.sqlite
def test_opening_again_changes_nothing(path: Path) -> None:
    Database.open(f"sqlite:///{path}").close()
    before = path.read_bytes()
    Database.open(f"sqlite:///{path}").close()
    assert path.read_bytes() == before


@pytest.mark.sqlite
def test_a_newer_schema_is_refused(database: Database, path: Path) -> None:
    database.write(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="schema 9999"):
        Database.open(f"sqlite:///{path}")


@pytest.mark.sqlite
def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE deployments (x)")  # the last table that the migration creates
    with pytest.raises(StateError, match="deployments"):
        Database.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("deployments",)]


# --- Append-only ------------------------------------------------------------------------------------------------------


@pytest.fixture
def anybody(database: Database, path: Path) -> Iterator[sqlite3.Connection]:
    """Return a plain connection, as of somebody with the sqlite3 program, to a ledger with an entry."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO ledger_entries VALUES (0, 'dec_0', 'decision', x'00', x'00')")
        connection.execute("INSERT INTO ledger_entries VALUES (1, 'wv_0', 'waiver', x'00', x'00')")
        connection.execute("INSERT INTO ledger_checkpoints VALUES (1, 'note', '')")
        yield connection


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET record = x'01'",
        "UPDATE ledger_entries SET entry_index = 7",
        "DELETE FROM ledger_entries",
        "INSERT OR REPLACE INTO ledger_entries VALUES (0, 'dec_9', 'decision', x'01', x'01')",
        "INSERT OR REPLACE INTO ledger_entries VALUES (5, 'dec_0', 'decision', x'01', x'01')",
        "INSERT INTO ledger_entries VALUES (0, '', '', '', '') ON CONFLICT (entry_index) DO UPDATE SET record = ''",
        "UPDATE ledger_checkpoints SET note = ''",
        "DELETE FROM ledger_checkpoints",
        "INSERT OR REPLACE INTO ledger_checkpoints VALUES (1, 'other', '')",
    ],
)
def test_history_is_append_only(anybody: sqlite3.Connection, statement: str) -> None:
    tables = ("ledger_entries", "ledger_checkpoints")
    before = [anybody.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        anybody.execute(statement)
    assert [anybody.execute(f"SELECT * FROM {table}").fetchall() for table in tables] == before  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET record = '\\x01'",
        "UPDATE ledger_entries SET entry_index = 7",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "TRUNCATE ledger_checkpoints CASCADE",
        "INSERT INTO ledger_entries VALUES (0, '', '', '', '') ON CONFLICT (entry_index) DO UPDATE SET record = ''",
        "UPDATE ledger_checkpoints SET note = ''",
        "DELETE FROM ledger_checkpoints",
    ],
)
def test_history_is_append_only_on_postgresql(postgresql: postgres.Server, statement: LiteralString) -> None:
    tables: tuple[LiteralString, ...] = ("SELECT * FROM ledger_entries", "SELECT * FROM ledger_checkpoints")
    with postgresql.database() as url, closing(postgres.connect(url)) as anybody:
        anybody.execute("INSERT INTO ledger_entries VALUES (0, 'dec_0', 'decision', '\\x00', '\\x00')")
        anybody.execute("INSERT INTO ledger_checkpoints VALUES (1, 'note', '')")
        before = [anybody.execute(table).fetchall() for table in tables]
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            anybody.execute(statement)
        assert [anybody.execute(table).fetchall() for table in tables] == before
        with pytest.raises(psycopg.errors.UniqueViolation):
            anybody.execute("INSERT INTO ledger_entries VALUES (1, 'dec_0', 'decision', '\\x01', '\\x01')")


@pytest.mark.sqlite
def test_the_history_of_a_waiver_shares_its_id(anybody: sqlite3.Connection) -> None:
    anybody.execute("INSERT INTO ledger_entries VALUES (2, 'wv_0', 'waiver', x'01', x'01')")


@pytest.mark.sqlite
def test_alembic_is_not_imported_by_a_start_that_has_nothing_to_do(database: Database, path: Path) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = (
        "import sys; from proctor.store.database import Database; "
        f"Database.open('sqlite:///{path}').close(); sys.exit('alembic' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30, env=environment).returncode == 0
