"""What tests/spreading.py promises: what shares fixtures is not torn apart, and the longest does not come last."""

from itertools import groupby
from pathlib import Path

import pytest

from tests import spreading

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def order(request: pytest.FixtureRequest) -> list[str]:
    """Return the ids of this run's tests as several processes would have them."""
    items = list(request.session.items)
    spreading.longest_first(items)
    return [item.nodeid for item in items]


def _unit(nodeid: str) -> str:
    return spreading.Spreading._split_scope(None, nodeid)  # type: ignore[arg-type] # needs no schedule


def test_places_that_are_named_exist() -> None:
    for place in (*spreading.WHOLE, *spreading.LONGEST):
        assert (ROOT / place).exists(), place


def test_a_file_is_one_piece_of_work_and_so_is_a_folder_with_one_server() -> None:
    assert _unit("tests/engine/a/test_b.py::TestC::test_d[x::y/z]") == "tests/engine/a/test_b.py"
    assert _unit("tests/contract/mlflow/test_b.py::test_d") == "tests/contract/mlflow"
    assert _unit("tests/contract/mlflows/test_b.py::test_d") == "tests/contract/mlflows/test_b.py"


def test_sorting_tears_no_piece_of_work_apart_and_loses_nothing(
    order: list[str], request: pytest.FixtureRequest
) -> None:
    assert sorted(order) == sorted(item.nodeid for item in request.session.items)
    pieces = [unit for unit, _ in groupby(order, _unit)]
    assert len(pieces) == len(set(pieces))


class _Item:
    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_what_takes_longest_comes_first_and_the_rest_stays_as_it_is() -> None:
    names = ["tests/contract/test_a.py", "tests/engine/test_b.py", "tests/a.py", "tests/contract/mlflow/test_z.py"]
    items = [_Item(name) for name in names]
    spreading.longest_first(items)  # type: ignore[arg-type] # only the id is looked at
    assert [names.index(item.nodeid) for item in items] == [3, 0, 1, 2]
