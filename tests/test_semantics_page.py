"""docs/decision-semantics.md: every row is closed by files that exist and held by tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "decision-semantics.md").read_text(encoding="utf-8")
ROWS = {
    int(cells[1]): cells
    for line in PAGE.splitlines()
    if (cells := [cell.strip() for cell in line.split("|")])[1:2] and cells[1].isdigit()
}
SEMANTICS = "tests/contract/semantics/"


@cache
def _tests(path: Path) -> frozenset[str]:
    """Return the names of a module's test functions, and `row_NN` for each that is named after a row."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    found = {name for name in names if name.startswith("test_")}
    return frozenset(found | {match[1] for name in found if (match := re.match(r"test_(row_\d\d)_", name))})


def test_the_page_has_forty_rows_in_order() -> None:
    assert list(ROWS) == list(range(1, 41))
    assert all(len(cells) == 7 for cells in ROWS.values())
    assert all(len(hole) > 40 and len(closes) > 30 for _, _, hole, closes, *_ in ROWS.values())


@pytest.mark.parametrize("row", ROWS)
def test_what_closes_a_row_exists(row: int) -> None:
    files = re.findall(r"`([^`]+)`", ROWS[row][4])
    assert files
    for name in files:
        assert (ROOT / name).is_file(), name
        assert not name.startswith("tests/"), name


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_exist(row: int) -> None:
    tests = re.findall(r"`([^`]+)`", ROWS[row][5])
    assert tests
    for named in tests:
        name, _, function = named.partition("::")
        assert (ROOT / name).is_file(), name
        if function:
            assert function in _tests(ROOT / name), named
        elif name != f"{SEMANTICS}test_attack.py":
            assert f"row_{row:02}" in _tests(ROOT / name), f"{name} has no test named after row {row}"


def test_every_test_that_is_named_after_a_row_is_on_its_line() -> None:
    for path in sorted((ROOT / SEMANTICS).glob("test_*.py")):
        for name in _tests(path):
            if re.fullmatch(r"row_\d\d", name):
                row = int(name.removeprefix("row_"))
                assert f"`{path.relative_to(ROOT).as_posix()}`" in ROWS[row][5], f"{path.name}: row {row}"


def test_the_page_is_pointed_at_and_points_back() -> None:
    assert "docs/decision-semantics.md" in (ROOT / "engine/proctor/opa/soundness.py").read_text(encoding="utf-8")
    for name in re.findall(r"`(tests/[a-z_/.]+|engine/[a-z_/.]+)`", PAGE.split("| row |")[0]):
        assert (ROOT / name).exists(), name
