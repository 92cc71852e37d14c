"""A real PostgreSQL for tests: one server for a session, started when the first test asks, and a fresh database each.

Looked for in this order: `PROCTOR_TEST_POSTGRESQL_URL` (a server on which databases may be made and dropped), the
binaries of Debian's package, a container where a container engine runs.
"""

import hashlib
import itertools
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL, make_url

from proctor.ledger import verify
from proctor.ledger.export import export
from proctor.ledger.signing import Signer
from proctor.store.database import Database
from proctor.store.tables import SCHEMA_REVISION, metadata

AT_ONCE: Final = signal.SIGQUIT
"""How to stop a cluster as a crash would."""
VARIABLE: Final = "PROCTOR_TEST_POSTGRESQL_URL"
_numbers: Final = itertools.count()
_urls: Final[dict[Path, str]] = {}


def url_of(state_dir: Path) -> str:
    """Return the URL of the database that belongs to a state directory: SQLite in it, unless `beside` said other."""
    return _urls.get(state_dir, f"sqlite:///{state_dir / 'proctor.db'}")


@contextmanager
def beside(state_dir: Path, url: str) -> Iterator[None]:
    """Let the database at `url` be that of the state directory, for as long as the block lasts."""
    _urls[state_dir] = url
    try:
        yield
    finally:
        del _urls[state_dir]


RUNNING: set[int] = set()
"""Process ids of the servers that are up: children of the tests for a while, and not of what is tested."""


class Cluster:
    """A PostgreSQL server of our own from Debian's binaries, on a Unix socket in a private folder and nowhere else.

    PostgreSQL refuses to run as root: then it runs as the user `postgres`, or as `nobody`. `durable` leaves `fsync` on.
    """

    def __init__(self, *, durable: bool = False) -> None:
        found = binaries()
        assert found is not None, "no initdb: install the package postgresql"
        self._binaries = found
        self._options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._folder = Path(tempfile.mkdtemp(prefix="prpg-", dir="/tmp"))  # short, for the socket
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._owner = _owner() if os.getuid() == 0 else None
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        self._server: subprocess.Popen[bytes] | None = None
        made = subprocess.run(
            [
                *self._as_owner(), found / "initdb", "-D", self._data, "-U", "proctor", "-A", "trust", "-E", "UTF8",
                "--locale=C.UTF-8", "--no-sync", "--no-instructions",
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert made.returncode == 0, f"initdb: {made.stdout}{made.stderr}"

    def _as_owner(self) -> list[str]:
        """Return what a command begins with: the right user, and an end when the tests are killed."""
        command = ["setpriv", "--pdeathsig", "INT"]
        if self._owner is not None:
            command += ["--reuid", str(self._owner.pw_uid), "--regid", str(self._owner.pw_gid), "--clear-groups"]
        return command

    @property
    def url(self) -> str:
        """Return the URL of the database that every cluster has."""
        return f"postgresql://proctor@/postgres?host={self._folder}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [
                    *self._as_owner(), self._binaries / "postgres", "-D", self._data, "-k", self._folder,
                    "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "timezone=Asia/Kathmandu",
                    *self._options,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
        RUNNING.add(self._server.pid)
        until = time.monotonic() + 30
        while True:
            assert self._server.poll() is None, f"postgres ended: {self._log.read_text(encoding='utf-8')[-2000:]}"
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all sessions in order, SIGQUIT at once and without a last checkpoint."""
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(30)
            RUNNING.discard(self._server.pid)
            self._server = None

    def remove(self) -> None:
        """Stop it and remove everything that it wrote."""
        self.stop()
        shutil.rmtree(self._folder)


class Server:
    """A PostgreSQL server that hands out databases. `cluster` is ours to stop, or None."""

    def __init__(self, url: str, cluster: Cluster | None = None) -> None:
        self._url = make_url(url)
        self.cluster = cluster
        self._free: list[str] = []
        self._made: list[str] = []

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend the URL of a database that has all tables and nothing in them."""
        name = self._free.pop() if self._free else self._make()
        try:
            yield self._at(name)
        finally:
            # Emptying costs a twentieth of making one. What can't be emptied any more is made again.
            if self._emptied(name):
                self._free.append(name)
            else:
                self._drop(name)

    @contextmanager
    def blank(self) -> Iterator[str]:
        """Lend the URL of a database without tables."""
        name = self._create()
        try:
            yield self._at(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Remove all databases."""
        for name in list(self._made):
            self._drop(name)

    def _create(self) -> str:
        name = f"proctor_test_{os.getpid()}_{next(_numbers)}"
        self._command(f"CREATE DATABASE {name} TEMPLATE template0")
        self._made.append(name)
        return name

    def _make(self) -> str:
        name = self._create()
        Database.open(self._at(name)).close()
        return name

    def _drop(self, name: str) -> None:
        self._command(f"DROP DATABASE {name} WITH (FORCE)")
        self._made.remove(name)

    def _emptied(self, name: str) -> bool:
        """Put the database back to what the migrations made of it; tell whether that was possible."""
        self._command(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            name,
        )
        root = hashlib.sha256().digest()
        try:
            with closing(connect(self._at(name))) as connection:
                found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
                tables = {"alembic_version", *metadata.tables}
                if {row[0] for row in found} != tables or version != [(SCHEMA_REVISION,)]:
                    return False
                connection.execute("SET session_replication_role = replica")  # the ledger's triggers stand aside
                connection.execute(";".join(f"DELETE FROM {table}" for table in metadata.tables))  # noqa: S608 (ours)
                connection.execute("INSERT INTO ledger_head (id, size, root, frontier) VALUES (1, 0, %s, '')", [root])
                connection.execute("SELECT setval('outbox_id_seq', 1, false), setval('inbox_id_seq', 1, false)")
        except psycopg.Error:
            return False
        return True

    def _at(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _command(self, command: LiteralString, *values: object) -> None:
        with closing(connect(self._url)) as connection:
            connection.execute(command, values)


def connect(url: str | URL) -> psycopg.Connection:
    """Return a plain connection without transactions, as of somebody with psql; shares no code with Proctor."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def everything(state_dir: Path) -> bytes:
    """Return all that the database of a state directory holds, in no particular form: what is not in it is nowhere."""
    url = url_of(state_dir)
    if url.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in sorted(state_dir.glob("proctor.db*")))
    found: list[bytes] = []
    with closing(connect(url)) as connection:
        for table in metadata.tables:
            rows = connection.execute(SQL("SELECT * FROM {}").format(Identifier(table))).fetchall()
            values = (value for row in rows for value in row)
            found += [value if isinstance(value, bytes) else str(value).encode() for value in values]
    return b"\n".join(found)


@contextmanager
def holding_the_ledger(url: str | URL) -> Iterator[None]:
    """Keep everybody from appending to a ledger for as long as the block lasts, as a slow commit would."""
    found = make_url(url)
    if found.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(found.database), isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
            file.execute("ROLLBACK")
    else:
        with closing(connect(found)) as connection, connection.transaction():
            connection.execute("SELECT 1 FROM ledger_head FOR UPDATE")
            yield


def verified(state_dir: Path, public_key: str) -> verify.Report:
    """Verify the ledger of a state directory as an auditor does: the file itself, or what PostgreSQL exports."""
    url = url_of(state_dir)
    if url.startswith("sqlite"):
        return verify.verify_database(state_dir / "proctor.db", public_key)
    database = Database.open(url)
    try:
        with tempfile.TemporaryDirectory(prefix="prc-export-") as folder:
            export(database, Path(folder), Signer.load_or_create(state_dir))
            return verify.verify_export(folder, public_key)
    finally:
        database.close()


@contextmanager
def serving() -> Iterator[Server]:
    """Lend a server, looked for as the head of this module says; fail in CI and skip elsewhere where there is none."""
    if url := os.environ.get(VARIABLE):
        yield from _lent(url, None)
    elif binaries() is not None:
        cluster = Cluster()
        try:
            cluster.start()
            yield from _lent(cluster.url, cluster)
        finally:
            cluster.remove()
    elif _docker():
        from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 (slow, and only here)

        with PostgresContainer("postgres:17.6-bookworm", driver=None) as container:
            yield from _lent(container.get_connection_url(), None)
    else:
        found = (
            f"No PostgreSQL: {VARIABLE} is not set, there is no initdb in /usr/lib/postgresql or on PATH, and no "
            "container engine runs. Install Debian's package postgresql."
        )
        if os.environ.get("CI"):
            pytest.fail(found)
        pytest.skip(found)


def _lent(url: str, cluster: Cluster | None) -> Iterator[Server]:
    server = Server(url, cluster)
    try:
        yield server
    finally:
        server.close()


def binaries() -> Path | None:
    """Return the folder with initdb of the newest version, or None."""
    debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin/initdb")
    newest = sorted(debian, key=lambda path: float(path.parent.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    found = newest[0] if newest else Path(on_path) if on_path else None
    return found.parent if found is not None and shutil.which("setpriv") else None


def _owner() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("neither the user postgres nor nobody exists, and PostgreSQL does not run as root")


def _docker() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, timeout=30, check=False).returncode == 0
