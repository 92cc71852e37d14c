"""A database knows the keys with which it was made."""

import shutil
from pathlib import Path

import pytest

from proctor.errors import LedgerError, StateError
from proctor.identity.keys import pepper
from proctor.ledger import keyring
from proctor.ledger.clock import Clock
from proctor.ledger.writer import Ledger
from proctor.store.database import Database


@pytest.fixture
def made(database: Database, state_dir: Path) -> Path:
    """Return the state directory of a server that has made the database's keys."""
    Ledger.open(database, state_dir, clock=Clock()).close_now()
    pepper(state_dir / "keys" / "pepper")
    keyring.settle(database, state_dir)
    return state_dir


def test_copies_of_the_keys_are_good(database: Database, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "keys", tmp_path / "keys")
    keyring.check(database, tmp_path)
    keyring.settle(database, tmp_path)
    Ledger.open(database, tmp_path, clock=Clock()).close_now()


def test_what_is_missing_is_not_made(database: Database, made: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"copy the folder keys"):
        Ledger.open(database, tmp_path, clock=Clock())
    with pytest.raises(StateError, match=r"is missing, and this database was made with one"):
        keyring.check(database, tmp_path)
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("name", ["pepper", "ledger.key"])
def test_another_key_is_refused_by_name(database: Database, made: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(made / "keys", tmp_path / "keys")
    path = tmp_path / "keys" / name
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(StateError, match=f"{name}: this database was made with another key"):
        Ledger.open(database, tmp_path, clock=Clock())


def test_of_two_with_keys_of_their_own_the_second_is_refused(
    database: Database, state_dir: Path, tmp_path: Path
) -> None:
    first, second = state_dir, tmp_path
    for folder in (first, second):  # both have looked before either was first
        keyring.check(database, folder)
        pepper(folder / "keys" / "pepper")
    keyring.settle(database, first)
    with pytest.raises(StateError, match="pepper"):
        keyring.settle(database, second)
