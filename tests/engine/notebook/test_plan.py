"""What the notebook says of its surroundings, and how it tells the person what is missing."""

from pathlib import Path

import pytest

from proctor.notebook import environment, plan
from proctor.notebook.preflight import Preflight
from proctor.vocabulary.words import Point
from tests.engine.notebook.sites import commit, found, install


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of packages that stands for this Python's own."""
    folder = tmp_path / "site"
    install(folder, "numpy", "2.0")
    monkeypatch.setattr(environment, "distributions", lambda: found(folder))
    return folder


def facts(around: plan.Surroundings) -> dict[str, object]:
    asked = plan.request(purpose="x", datasets=[], environment="dev", name="n", around=around)
    stated: dict[str, object] = asked["facts"]["plan"]
    return stated


def test_a_clean_checkout_and_fixed_packages_are_a_recipe(site: Path, tmp_path: Path) -> None:
    at = commit(tmp_path / "source", **{"train.py": "1"})
    around = plan.surroundings(7, tmp_path / "source")
    assert facts(around) == {"purpose": "x", "commit": at, "clean": True, "locked": True, "seeded": True}
    assert around.gaps() == []
    (tmp_path / "source" / "train.py").write_text("2")
    assert facts(plan.surroundings(None, tmp_path / "source")) == {
        "purpose": "x", "commit": at, "clean": False, "locked": True, "seeded": False,
    }  # fmt: skip


def test_outside_of_a_checkout_nothing_is_clean(site: Path, tmp_path: Path) -> None:
    around = plan.surroundings(7, tmp_path)
    assert (around.commit, around.clean) == ("unknown", False)


def test_packages_that_can_change_are_named_with_the_reason(site: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        install(site, name, origin={"url": "file:///src", "dir_info": {}})
    around = plan.surroundings(7, tmp_path)
    assert around.locked is False
    assert facts(around)["locked"] is False
    (gap,) = around.gaps()
    assert "a: it was installed from a local folder" in gap
    assert gap.endswith("and 2 more")
    decision = {"id": "dec_0", "outcome": "deny", "reason": "non_compliant", "message": "no", "findings": []}
    shown = Preflight(decision, "here", (gap, "<script>"))
    assert gap in str(shown)
    assert gap in shown._repr_html_()
    assert "<script>" not in shown._repr_html_()


def test_only_a_question_at_the_notebook_is_a_preflight(site: Path, tmp_path: Path) -> None:
    around = plan.surroundings(7, tmp_path)
    asked = [
        plan.request(purpose="x", datasets=[], environment="dev", name="n", around=around, **point)
        for point in ({}, {"point": Point.CI})
    ]
    assert [one["point"] for one in asked] == ["notebook", "ci"]
    assert asked[0] | {"point": "ci"} == asked[1]
