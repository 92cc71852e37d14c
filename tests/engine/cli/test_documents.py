import io
import json
import sys
import time
from pathlib import Path

import pytest

from proctor.cli import documents
from proctor.errors import UsageError


def _read(tmp_path: Path, text: str | bytes, name: str = "a.yaml") -> list[documents.Manifest]:
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return documents.read([str(file)])


def test_documents_carry_their_lines(tmp_path: Path) -> None:
    found = _read(tmp_path, "# first\nkind: A\n---\n# nothing\n---\n\nkind: B\n")
    assert [(m.document, m.origin.line) for m in found] == [({"kind": "A"}, 2), ({"kind": "B"}, 7)]


def test_folders_are_read_in_order_and_lists_opened(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.json").write_text(json.dumps({"kind": "List", "items": [{"kind": "B"}, {"kind": "C"}]}))
    (tmp_path / "a.yml").write_text("kind: A")
    (tmp_path / "notes.txt").write_text("kind: [")
    assert [m.document["kind"] for m in documents.read([str(tmp_path)])] == ["A", "B", "C"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"kind: A")))
    (found,) = documents.read(["-"])
    assert (found.document, found.origin.file) == ({"kind": "A"}, "-")


def test_values_are_json_as_a_cluster_reads_them(tmp_path: Path) -> None:
    text = "kind: A\nwhen: 2026-01-01\nyes: on\n1: x\nbase: &b {p: 1, q: 2}\nmerged: {<<: *b, q: 3}\n"
    (found,) = _read(tmp_path, text)
    assert found.document == {
        "kind": "A",
        "when": "2026-01-01",
        "true": True,
        "1": "x",
        "base": {"p": 1, "q": 2},
        "merged": {"p": 1, "q": 3},
    }


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no object"),
        ("---\n---\n", "no object"),
        ("kind: List\nitems: []\n", "no object"),
        ("[1, 2]", "no object but a list"),
        ("just text", "no object but a str"),
        ("kind: [", "not YAML: line 1"),
        ("kind: A\nkind: B", "stands twice"),
        ("spec: {image: good, image: evil}", "stands twice"),
        ("a: !!python/object/apply:os.system [id]", "python/object"),
        ("a: !!binary aGk=", "no place in a manifest"),
        ("a: !!set {x}", "no place in a manifest"),
        ("a: .nan", "no place in a manifest"),
        ("a: -.inf", "no place in a manifest"),
        ("a: 1.0e+999", "no place in a manifest"),
        ("? [a, b]\n: c", "a key is no text"),
        ("a: &a [*a]", "nested deeper"),
        ("a: " + "[" * 200 + "]" * 200, "nested deeper"),
        ("a: " + "[" * 100_000, "nested deeper"),
        (BOMB, "once its aliases are written out"),
        ("<<: 5", "mappings only"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: \x00", "not YAML"),
        ("a: *nowhere", "not YAML"),
        ("a: " + "9" * 5000, ""),
    ],
)
def test_what_means_nothing_is_refused_with_a_line(tmp_path: Path, text: str | bytes, found: str) -> None:
    started = time.monotonic()
    with pytest.raises(UsageError) as raised:
        _read(tmp_path, text)
    assert found in raised.value.found
    assert time.monotonic() - started < 20


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    for name in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(UsageError):
            documents.read([str(name)])


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than"):
        _read(tmp_path, b"#" * (documents.MAX_BYTES + 1))
