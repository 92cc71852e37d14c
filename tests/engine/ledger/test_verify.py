"""What an auditor is told after somebody had the database to themselves: each kind of tampering, by name."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proctor.ledger import merkle, verify
from proctor.ledger.export import export
from proctor.ledger.signing import Checkpoint, Signer
from proctor.ledger.verify import Report, verify_database, verify_export
from proctor.store.database import Database
from tests.engine.ledger import histories
from tests.engine.ledger.histories import SIZE, History, name_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> History:
    return histories.make(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def history(finished: History, tmp_path: Path) -> History:
    """Return a copy that the test may spoil."""
    return History(Path(shutil.copy(finished.path, tmp_path)), finished.signer)


def report_on(history: History, checkpoint: str | None = None) -> Report:
    return verify_database(history.path, history.public_key, checkpoint)


def named(report: Report) -> list[tuple[int, str]]:
    return [(index, name) for index, name, _ in report.problems]


def test_an_untouched_ledger_verifies(history: History) -> None:
    assert report_on(history) == Report(size=SIZE, signed_size=SIZE, problems=[])


@pytest.mark.parametrize("index", range(SIZE))
def test_a_changed_record_is_named(history: History, index: int) -> None:
    with history.tampering() as connection:
        connection.execute(
            "UPDATE ledger_entries SET record = CAST(replace(CAST(record AS TEXT), 'deny', 'dent') AS BLOB) "
            "WHERE entry_index = ?", (index,),
        )  # fmt: skip
    assert report_on(history).problems == [
        (index, name_of(index), "changed: its record is not the one that was signed")
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte_of_any_record_is_named(finished: History, tmp_path: Path, data: st.DataObject) -> None:
    copy = History(Path(shutil.copy(finished.path, tmp_path / "copy.db")), finished.signer)
    index = data.draw(st.integers(0, SIZE - 1))
    with copy.tampering() as connection:
        (record,) = connection.execute("SELECT record FROM ledger_entries WHERE entry_index = ?", (index,)).fetchone()
        at, mask = data.draw(st.integers(0, len(record) - 1)), data.draw(st.integers(1, 255))
        changed = record[:at] + bytes([record[at] ^ mask]) + record[at + 1 :]
        connection.execute("UPDATE ledger_entries SET record = ? WHERE entry_index = ?", (changed, index))
    report = report_on(copy)
    assert {where for where, _, _ in report.problems} == {index}
    assert all(name == name_of(index) for _, name, _ in report.problems)
    assert (index, name_of(index), "changed: its record is not the one that was signed") in report.problems


def test_a_byte_changed_in_the_file_itself_is_named(history: History) -> None:
    raw = bytearray(history.path.read_bytes())
    at = raw.index(b"model-13")
    assert raw.find(b"model-13", at + 1) == -1
    raw[at + len(b"model-1")] ^= 1
    history.path.write_bytes(raw)
    assert named(report_on(history)) == [(13, name_of(13))]


def test_a_changed_leaf_hash_is_named_and_the_record_is_not_blamed(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("UPDATE ledger_entries SET leaf = zeroblob(32) WHERE entry_index = 12")
    what = "changed: its leaf hash is not the one that was signed; the record is"
    assert report_on(history).problems == [(12, name_of(12), what)]


def test_changes_under_different_checkpoints_are_all_named(history: History) -> None:
    with history.tampering() as connection:
        for index in (3, 11, 24):
            connection.execute("UPDATE ledger_entries SET record = record || ' ' WHERE entry_index = ?", (index,))
    assert named(report_on(history)) == [(index, name_of(index)) for index in (3, 11, 24)]


def test_record_and_leaf_hash_changed_together_are_found_by_the_signed_root(history: History) -> None:
    with history.tampering() as connection:
        (record,) = connection.execute("SELECT record FROM ledger_entries WHERE entry_index = 14").fetchone()
        forged = record.replace(b"deny", b"dent")
        connection.execute(
            "UPDATE ledger_entries SET record = ?, leaf = ? WHERE entry_index = 14", (forged, merkle.leaf_hash(forged))
        )
    problems = report_on(history).problems
    assert [index for index, _, _ in problems] == [10]  # the range that one checkpoint signs: 10 to 19
    assert "entries 10 to 19" in problems[0][2]


def test_a_whole_new_history_is_found(history: History) -> None:
    """Everything is consistent, head and all, except that only we can sign."""
    tree = merkle.Frontier()
    with history.tampering() as connection:
        for index, record in connection.execute("SELECT entry_index, record FROM ledger_entries").fetchall():
            forged = record.replace(b"deny", b"dent")
            leaf = merkle.leaf_hash(forged)
            tree.append(leaf)
            connection.execute(
                "UPDATE ledger_entries SET record = ?, leaf = ? WHERE entry_index = ?", (forged, leaf, index)
            )
        connection.execute("UPDATE ledger_head SET root = ?, frontier = ?", (tree.root(), tree.dump()))
        forger = Signer(Ed25519PrivateKey.generate())
        connection.execute("DELETE FROM ledger_checkpoints")
        note = forger.sign(Checkpoint(SIZE, tree.root()))
        connection.execute("INSERT INTO ledger_checkpoints VALUES (?, ?, '')", (SIZE, note))
    report = report_on(history)
    assert named(report) == [(-1, f"checkpoint {SIZE}")]
    assert report.signed_size == 0


def test_a_removed_entry_is_named(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_entries WHERE entry_index = 7")
    assert report_on(history).problems == [(7, "", "missing: there is no entry 7")]


def test_a_removed_entry_does_not_hide_a_changed_one(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_entries WHERE entry_index IN (7, 8)")
        connection.execute("UPDATE ledger_entries SET record = record || ' ' WHERE entry_index = 21")
    report = report_on(history)
    assert named(report) == [(7, ""), (21, name_of(21))]
    assert "7 to 8" in report.problems[0][2]


def test_a_removed_entry_whose_gap_was_closed_is_found_where_it_was(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_entries WHERE entry_index = 7")
        connection.execute("UPDATE ledger_entries SET entry_index = entry_index - 1 WHERE entry_index > 7")
    report = report_on(history)
    assert (7, name_of(8), "moved or inserted: its record says that it is entry 8") == report.problems[0]
    assert any("root" in what for _, _, what in report.problems)


def test_an_inserted_entry_is_named(history: History) -> None:
    with history.tampering() as connection:
        (record,) = connection.execute("SELECT record FROM ledger_entries WHERE entry_index = 7").fetchone()
        for index in range(SIZE - 1, 6, -1):
            connection.execute("UPDATE ledger_entries SET entry_index = ? WHERE entry_index = ?", (index + 1, index))
        forged = record.replace(name_of(7).encode(), name_of(99).encode())
        connection.execute(
            "INSERT INTO ledger_entries VALUES (7, ?, 'decision', ?, ?)",
            (name_of(99), forged, merkle.leaf_hash(forged)),
        )
    report = report_on(history)
    assert (8, name_of(7), "moved or inserted: its record says that it is entry 7") in report.problems
    assert any("entries 0 to 9" in what for _, _, what in report.problems)


def test_two_exchanged_entries_are_named(history: History) -> None:
    with history.tampering() as connection:
        for old, new in ((4, 99), (6, 4), (99, 6)):
            connection.execute("UPDATE ledger_entries SET entry_index = ? WHERE entry_index = ?", (new, old))
    problems = report_on(history).problems
    assert problems[0] == (4, name_of(6), "moved or inserted: its record says that it is entry 6")
    assert problems[1] == (6, name_of(4), "moved or inserted: its record says that it is entry 4")


def test_a_truncated_tail_is_found_by_the_newest_checkpoint(history: History) -> None:
    tree = merkle.Frontier()
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_entries WHERE entry_index >= 22")
        for (leaf,) in connection.execute("SELECT leaf FROM ledger_entries ORDER BY entry_index").fetchall():
            tree.append(leaf)
        connection.execute("UPDATE ledger_head SET size = 22, root = ?, frontier = ?", (tree.root(), tree.dump()))
    report = report_on(history)
    assert report.problems == [(22, "", "missing: a checkpoint signed 25 entries, there are 22")]
    assert report.signed_size == 22


def test_a_tail_cut_off_with_its_checkpoint_is_found_by_one_kept_elsewhere(history: History) -> None:
    tree = merkle.Frontier()
    with history.tampering() as connection:
        (kept,) = connection.execute("SELECT note FROM ledger_checkpoints WHERE size = 25").fetchone()
        connection.execute("DELETE FROM ledger_entries WHERE entry_index >= 20")
        connection.execute("DELETE FROM ledger_checkpoints WHERE size > 20")
        for (leaf,) in connection.execute("SELECT leaf FROM ledger_entries ORDER BY entry_index").fetchall():
            tree.append(leaf)
        connection.execute("UPDATE ledger_head SET size = 20, root = ?, frontier = ?", (tree.root(), tree.dump()))
    assert report_on(history).ok  # nothing in the database can tell
    assert report_on(history, kept).problems == [(20, "", "missing: a checkpoint signed 25 entries, there are 20")]


def test_entries_after_the_newest_checkpoint_are_told_apart(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_checkpoints WHERE size > 20")
    report = report_on(history)
    assert (report.ok, report.size, report.signed_size) == (True, 25, 20)


def test_a_changed_entry_after_the_newest_checkpoint_is_named(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_checkpoints WHERE size > 20")
        connection.execute("UPDATE ledger_entries SET record = record || ' ' WHERE entry_index = 23")
    assert report_on(history).problems == [(23, name_of(23), "changed: its record does not have its leaf hash")]


def test_a_record_that_no_signature_covers_is_read_to_its_end(history: History) -> None:
    """Its leaf hash is right and its head is, too; nothing but reading it tells that it is no record."""
    with history.tampering() as connection:
        connection.execute("DELETE FROM ledger_checkpoints WHERE size > 20")
        (record,) = connection.execute("SELECT record FROM ledger_entries WHERE entry_index = 23").fetchone()
        broken = record[:-1]
        connection.execute(
            "UPDATE ledger_entries SET record = ?, leaf = ? WHERE entry_index = 23", (broken, merkle.leaf_hash(broken))
        )
    problem = report_on(history).problems[0]
    assert problem[:2] == (23, name_of(23))
    assert "can't be read" in problem[2]


@pytest.mark.parametrize("change", ["replace(note, '20', '21')", "upper(note)", "substr(note, 2)", "''", "NULL", "7"])
def test_a_changed_checkpoint_is_named(history: History, change: str) -> None:
    with history.tampering() as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'note TEXT NOT NULL', 'note') "
            "WHERE name = 'ledger_checkpoints'"
        )
    with history.tampering() as connection:
        connection.execute(f"UPDATE ledger_checkpoints SET note = {change} WHERE size = 20")  # noqa: S608
    assert named(report_on(history)) == [(-1, "checkpoint 20")]


def test_a_checkpoint_under_another_size_is_named(history: History) -> None:
    with history.tampering() as connection:
        connection.execute("UPDATE ledger_checkpoints SET size = 19 WHERE size = 20")
    assert named(report_on(history)) == [(-1, "checkpoint 19")]


def test_two_histories_under_one_key_are_found(history: History) -> None:
    other = history.signer.sign(Checkpoint(20, bytes(32)))
    assert [name for _, name, _ in report_on(history, other).problems] == ["the checkpoint kept elsewhere"]


@pytest.mark.parametrize("change", ["size = 24", "root = zeroblob(32)"])
def test_a_changed_head_is_named(history: History, change: str) -> None:
    with history.tampering() as connection:
        connection.execute(f"UPDATE ledger_head SET {change}")  # noqa: S608
    assert named(report_on(history)) == [(-1, "head")]


@pytest.mark.parametrize("column", ["id", "kind"])
def test_a_row_that_says_another_thing_than_its_record_is_named(history: History, column: str) -> None:
    with history.tampering() as connection:
        connection.execute(f"UPDATE ledger_entries SET {column} = 'waiver' WHERE entry_index = 5")  # noqa: S608
    report = report_on(history)
    assert [index for index, _, _ in report.problems] == [5]


@pytest.mark.parametrize("record", [b"", b"[]", b"null", b'"text"', b"[" * 100_000, b"\xff", b'{"index":"9"}'])
def test_records_of_any_shape_are_named_and_do_not_stop_it(history: History, record: bytes) -> None:
    with history.tampering() as connection:
        connection.execute("UPDATE ledger_entries SET record = ? WHERE entry_index = 9", (record,))
    assert {index for index, _, _ in report_on(history).problems} == {9}


def test_another_key_verifies_nothing(history: History) -> None:
    other = Signer(Ed25519PrivateKey.generate())
    report = verify_database(history.path, other.public_key)
    assert {name for _, name, _ in report.problems} == {"checkpoint 10", "checkpoint 20", "checkpoint 25"}
    assert report.signed_size == 0


def test_a_damaged_file_is_a_problem_and_no_crash(history: History) -> None:
    raw = bytearray(history.path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    history.path.write_bytes(raw)
    assert not report_on(history).ok


def test_what_is_not_there_is_an_error(tmp_path: Path, history: History) -> None:
    with pytest.raises(FileNotFoundError):
        verify_database(tmp_path / "nothing.db", history.public_key)
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(ValueError, match="public key"):
        verify_database(history.path, "proctor+12345678+AAAA")


def test_an_empty_ledger_verifies(tmp_path: Path) -> None:
    empty = histories.make(tmp_path, size=0)
    assert report_on(empty) == Report(size=0, signed_size=0, problems=[])


# --- Exports ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(history: History, tmp_path: Path) -> Path:
    database = Database.open(f"sqlite:///{history.path}")
    folder = tmp_path / "export"
    head = export(database, folder, history.signer)
    database.close()
    assert head.size == SIZE
    return folder


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_an_export_verifies_with_its_public_key_alone(exported: Path, history: History) -> None:
    assert verify_export(exported, history.public_key) == Report(size=SIZE, signed_size=SIZE, problems=[])
    assert (exported / "ledger.pub").read_text() == history.public_key + "\n"


def test_the_exported_program_runs_alone(exported: Path, history: History, tmp_path: Path) -> None:
    def run(target: Path) -> tuple[int, str]:
        # -I: nothing but the standard library and installed packages can be imported; blocked: our own.
        code = "import runpy, sys; sys.modules['proctor'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, str(exported / "verify.py"), str(target), history.public_key],
            capture_output=True, text=True, check=False, timeout=30, cwd=tmp_path,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    assert run(exported) == (0, "verified: 25 entries, 25 of them signed\n")
    assert run(history.path) == (0, "verified: 25 entries, 25 of them signed\n")
    entries = exported / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b"model-4", b"model-5", 1))
    status, output = run(exported)
    assert status == 1
    assert f"entry 4 {name_of(4)}: changed" in output


@pytest.mark.parametrize("index", [0, 9, 10, 24])
def test_a_changed_line_of_an_export_is_named(exported: Path, history: History, index: int) -> None:
    lines = _lines(exported / "entries.jsonl")
    lines[index] = lines[index].replace(b"deny", b"dent")
    (exported / "entries.jsonl").write_bytes(b"".join(lines))
    assert named(verify_export(exported, history.public_key)) == [(index, name_of(index))]


@pytest.mark.parametrize("file", ["entries.jsonl", "leaves.txt"])
def test_a_line_that_is_missing_in_an_export_is_found(exported: Path, history: History, file: str) -> None:
    lines = _lines(exported / file)
    del lines[5]
    (exported / file).write_bytes(b"".join(lines))
    report = verify_export(exported, history.public_key)
    assert not report.ok
    assert min(index for index, _, _ in report.problems) == 5


def test_a_tail_that_is_missing_in_an_export_is_found(exported: Path, history: History) -> None:
    for file in ("entries.jsonl", "leaves.txt"):
        (exported / file).write_bytes(b"".join(_lines(exported / file)[:-1]))
    what = "missing: a checkpoint signed 25 entries, there are 24"
    assert verify_export(exported, history.public_key).problems == [(24, "", what)]


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b'{"size": 20}\n', b'{"size": 20, "note": 7}\n'])
def test_a_changed_checkpoint_of_an_export_is_found(exported: Path, history: History, line: bytes) -> None:
    lines = _lines(exported / "checkpoints.jsonl")
    (exported / "checkpoints.jsonl").write_bytes(lines[0] + line + lines[2])
    assert {index for index, _, _ in verify_export(exported, history.public_key).problems} == {-1}


def test_the_auditors_module_imports_nothing_of_ours() -> None:
    source = Path(verify.__file__).read_text(encoding="utf-8")
    assert "import proctor" not in source
    assert "from proctor" not in source


def test_verification_does_not_write(history: History) -> None:
    before = history.path.read_bytes()
    history.path.chmod(0o400)
    assert report_on(history).ok
    assert history.path.read_bytes() == before
    assert [file.name for file in history.path.parent.iterdir()] == [history.path.name]
    with closing(sqlite3.connect(history.path)) as connection:
        assert connection.execute("SELECT count(*) FROM ledger_entries").fetchone() == (SIZE,)
