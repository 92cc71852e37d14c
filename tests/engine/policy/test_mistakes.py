"""Each mistake of an author is found, by exactly the lines of defence that the table names; a right rule by none."""

import asyncio
import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import PolicyError
from proctor.opa import bundle, soundness
from proctor.policy import cases, evaluation, layout, linting, regal, testing
from proctor.settings import Settings
from tests.engine.policy import packs
from tests.engine.policy.mistakes import MISTAKES, RIGHT, Mistake

TABLE = (*RIGHT, *MISTAKES)
AUTHORS = {"base", "decisive", "exempt"}
"""Kinds of cases that a rule can get wrong where all its calls are total. The aggregator answers the others."""
Found = dict[str, set[str]]
"""Name of a rule -> the defences that found something in it."""


def test_every_mistake_is_found_by_something() -> None:
    assert [mistake.name for mistake in MISTAKES if not mistake.caught_by] == []
    assert len({mistake.name for mistake in TABLE}) == len(TABLE)


def test_the_rows_that_a_rule_can_get_wrong_are_all_tried() -> None:
    tried = {row for mistake in MISTAKES for row in mistake.rows}
    assert tried >= {1, 2, 9, 10, 29, 30, 35, 36, 40}


def _written(pack: Path, mistakes: Sequence[Mistake]) -> Path:
    rules = {m.name: packs.source(m.name, m.body, evidence=m.evidence, for_each=m.for_each) for m in mistakes}
    samples = {f"exempt_{m.name}": _excused() for m in mistakes if "exempt" in m.body}
    return packs.write(pack, rules, samples=samples)


def _excused() -> dict[str, Any]:
    """Return an input whose models nobody outside can reach, and of which nothing else is right."""
    sample = copy.deepcopy(packs.SAMPLE)
    for model in sample["facts"]["models"]:
        model["risk"]["exposure"] = "internal"
        model["registration"]["registered"] = False
    return sample


def _groups() -> Iterator[list[Mistake]]:
    """Yield the rules that can be looked at together: all that do not end every decision, or the whole build."""
    yield [mistake for mistake in TABLE if not mistake.alone]
    yield from ([mistake] for mistake in TABLE if mistake.alone)


def _name(line: str) -> str:
    found = re.search(r"governance/rules/deployment/(\w+)/", line)
    return found[1] if found else ""


def _source(group: Sequence[Mistake], small_policy: Path) -> Path | None:
    """Return what stands beside a group: the provided policy (None), or for a rule alone as much as a pack needs."""
    return small_policy if len(group) == 1 else None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, opa_binary: Path, small_policy: Path) -> Found:
    """Return which rules the build refuses."""
    found: Found = {mistake.name: set() for mistake in TABLE}
    for number, group in enumerate(_groups()):
        folder = tmp_path_factory.mktemp(f"built{number}")
        settings = packs.settings(folder, _written(folder / "pack", group), _source(group, small_policy))
        source = bundle.policy_dir(settings.policy_dir)
        try:
            bundle.lay_out(settings.policy, opa_binary, source, folder / "stage")
        except PolicyError as error:
            for problem in error.problems:
                found[_name(problem)].add("build")
    return found


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory, regal_binary: Path) -> Found:
    """Return in which rules Regal finds something with our own lint rules."""
    found: Found = {mistake.name: set() for mistake in TABLE}
    pack = _written(tmp_path_factory.mktemp("linted") / "pack", TABLE)
    origins = {file.relative_to(pack).as_posix(): file for file in pack.rglob("*.rego")}
    for line in regal.lint(regal.Linter(regal_binary, packs.ROOT / ".regal"), pack, origins):
        if "(regal proctor/" in line:
            found[_name(line)].add("regal")
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, opa_binary: Path, small_policy: Path) -> Found:
    """Return in which rules the type checker and the cases find something, with the build's checks out of the way."""
    found: Found = {mistake.name: set() for mistake in TABLE}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "check", lambda *_: None)
        patch.setattr(bundle, "_check_names", lambda *_: None)
        for number, group in enumerate(_groups()):
            folder = tmp_path_factory.mktemp(f"run{number}")
            pack = _written(folder / "pack", group)
            try:
                settings = packs.settings(folder, pack, _source(group, small_policy))
                _run(settings, pack, opa_binary, found, whole=len(group) == 1)
            except PolicyError:
                if len(group) > 1:
                    raise
                found[group[0].name].add("build")  # it can't even be compiled
    return found


def _run(settings: Settings, pack: Path, opa: Path, found: Found, *, whole: bool) -> None:
    with layout.laid_out(settings, opa, pack) as work:
        for line in linting.types(work, opa):
            found[_name(line)].add("types")
        samples = testing.projected(work)
        made, problems = cases.generate(work.laid_out.document, samples, testing.roles(work, opa))
        assert problems == []
        if not whole:
            made = [case for case in made if case.kind in AUTHORS]
        for judged in asyncio.run(_judged(settings, work, opa, made, samples)):
            if judged.surprise is not None:
                found[judged.case.rule.removeprefix("deployment.")].add("cases")


async def _judged(
    settings: Settings, work: layout.Layout, opa: Path, made: list[cases.Case], samples: dict[str, dict[str, Any]]
) -> list[evaluation.Judged]:
    async with evaluation.serving(settings, opa, work.built(opa), work.folder) as client:
        return await evaluation.run(made, testing.asked(work, samples), evaluation.Served(client))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mistake", TABLE, ids=[mistake.name for mistake in TABLE])
def test_a_mistake_is_found_by_exactly_the_defences_that_it_names(
    mistake: Mistake, built: Found, linted: Found, run: Found
) -> None:
    assert built[mistake.name] | linted[mistake.name] | run[mistake.name] == mistake.caught_by
