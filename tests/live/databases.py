"""A database that is ready at once: the migrations, which cost most of a small test, run once and not for each."""

import functools
import os
import tempfile
from pathlib import Path

from proctor.store.database import Database
from tests.live.postgres import url_of


def opened(state_dir: Path) -> Database:
    """Open the database of a state directory, as a server does that was here before and has written nothing.

    A fresh SQLite file is a copy of one that the migrations have made; PostgreSQL's databases are lent with all tables.
    """
    url = url_of(state_dir)
    if url.startswith("sqlite") and not (file := state_dir / "proctor.db").exists():
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as fresh:
            fresh.write(_migrated())
    return Database.open(url)


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="prc-migrated-") as folder:
        file = Path(folder) / "proctor.db"
        Database.open(f"sqlite:///{file}").close()
        assert [path.name for path in file.parent.iterdir()] == [file.name], "the last one to close leaves one file"
        return file.read_bytes()
