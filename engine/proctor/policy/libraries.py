"""Mutation testing of library functions: each mutant of a library meets the library's own tests.

A library of functions alone is mutated behind its tests: `with data.governance.lib.compare.none as <the mutant's>` is
resolved where a function is called. That is not so for a rule with a value, which would be computed before the test
has put its input in place; a library with one gets a copy of its tests for each mutant.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from proctor.errors import OpaError
from proctor.opa.client import OpaClient
from proctor.opa.reads import head_name
from proctor.policy import evaluation, mutants, operators, switchboard
from proctor.policy.layout import Layout, write_json
from proctor.policy.mutants import Known, Mutant
from proctor.policy.switchboard import ORIGINAL
from proctor.settings import Settings

_DEADLINE: Final = 60.0
"""Seconds for all tests of one library on one mutant."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library that is mutated."""

    name: str
    file: Path
    source: str
    mutants: tuple[Mutant, ...]
    functions: tuple[str, ...]
    of_functions_alone: bool
    """Whether nothing that others may use has a value of its own."""
    test_source: str
    tests: tuple[str, ...]
    """Names of the tests."""


def of(layout: Layout, binary: Path, chosen: Callable[[str], bool]) -> list[Library]:
    """Return the libraries in focus that have tests, if `chosen` says so of `lib.<name>`. Raises `PolicyError`."""
    found = []
    for file in sorted((layout.policy / "governance" / "lib").glob("*/*.rego")):
        test = layout.tests / file.relative_to(layout.policy).with_name(f"{file.stem}_test.rego")
        if layout.in_focus(file) and test.is_file() and chosen(f"lib.{file.stem}"):
            found.append(_library(binary, file, test))
    return found


def _library(binary: Path, file: Path, test: Path) -> Library:
    module = mutants.parse(binary, file)
    source = file.read_text(encoding="utf-8")
    functions = {head_name(entry) for entry in module["rules"] if "args" in entry["head"]}
    values = {head_name(entry) for entry in module["rules"]} - functions
    tests = dict.fromkeys(head_name(entry) for entry in mutants.parse(binary, test)["rules"])
    return Library(
        file.stem,
        file,
        source,
        tuple(operators.of_module(source, module, Known({}, {}))),
        tuple(sorted(functions)),
        all(name.startswith("_") for name in values),
        test.read_text(encoding="utf-8"),
        tuple(name for name in tests if name.startswith("test_")),
    )


def judge(
    settings: Settings, layout: Layout, binary: Path, libraries: list[Library], progress: "switchboard.Progress"
) -> tuple[list[Library], dict[str, Mapping[str, bool]]]:
    """Return the libraries with the mutants that compile, and by library whether its tests pass on each mutant.

    The original is among them. Raises `PolicyError` and `OpaError` when they can't be run.
    """
    folder = layout.folder / "switched-libraries"
    shutil.copytree(layout.policy, folder)
    (folder / "system" / "authz" / "authz.rego").write_text(switchboard.AUTHORISED, encoding="utf-8")
    write_json(folder / "samples" / "data.json", layout.samples)
    for file in layout.tests.rglob("*.rego"):
        beside = {f"{library.name}_test" for library in libraries}
        if file.stem in beside or not file.name.endswith("_test.rego"):
            target = folder / file.relative_to(layout.tests)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    files = {
        _write(folder, library, name, text): (library.name, name)
        for library in libraries
        for name, text in ((ORIGINAL, library.source), *((each.name, each.text) for each in library.mutants))
    }
    for library in libraries:
        if not library.of_functions_alone:
            names = (ORIGINAL, *(each.name for each in library.mutants))
            files |= {_write_tests(folder, library, name): (library.name, name) for name in names}
    broken = switchboard.remove_broken(layout, binary, folder, files)
    left = [
        replace(each, mutants=tuple(mutant for mutant in each.mutants if (each.name, mutant.name) not in broken))
        for each in libraries
    ]
    for library in left:
        file = folder / "mutation" / f"{library.name}.rego"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(_entrypoints(library)) + "\n", encoding="utf-8")
    built = layout.built(binary, folder)

    async def ask() -> dict[str, Mapping[str, bool]]:
        async with evaluation.serving(settings, binary, built, layout.folder) as client:
            return {library.name: await _answers(client, library, progress) for library in left}

    return left, asyncio.run(ask())


def _write(folder: Path, library: Library, name: str, text: str) -> Path:
    file = folder / "mutants" / "lib" / library.name / f"{name}.rego"
    file.parent.mkdir(parents=True, exist_ok=True)
    package = f"package mutants.lib.{library.name}.{name}"
    file.write_text(text.replace(f"package governance.lib.{library.name}", package, 1), encoding="utf-8")
    return file


def _entrypoints(library: Library) -> Iterator[str]:
    yield f"package mutation.lib.{library.name}"
    own = f"data.governance.lib.{library.name}"
    yield from _all_of("_all", f"{own}_test", library)
    for name in (ORIGINAL, *(mutant.name for mutant in library.mutants)):
        theirs = f"data.mutants.lib.{library.name}.{name}"
        yield f"\ndefault alive_{name} := false\n"
        if library.of_functions_alone:
            on = " ".join(f"with {own}.{each} as {theirs}.{each}" for each in library.functions)
            yield f"alive_{name} if _all {on}"
        else:
            yield from _all_of(f"alive_{name}", f"data.mutants_tests.lib.{library.name}.{name}", library)


def _all_of(head: str, package: str, library: Library) -> Iterator[str]:
    yield f"\n{head} if {{\n\ttrue"
    yield from (f"\t{package}.{test}" for test in library.tests)
    yield "}"


def _write_tests(folder: Path, library: Library, name: str) -> Path:
    theirs = f"data.mutants.lib.{library.name}.{name}"
    own = f"data.governance.lib.{library.name}"
    package = f"package mutants_tests.lib.{library.name}.{name}"
    text = re.sub(r"^package .*$", package, library.test_source, count=1, flags=re.MULTILINE)
    text = re.sub(rf"^(import {re.escape(own)})$", rf"\1 as {library.name}", text, flags=re.MULTILINE)
    text = re.sub(rf"{re.escape(own)}\b", theirs, text)
    file = folder / "mutants_tests" / "lib" / library.name / f"{name}.rego"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


async def _answers(client: OpaClient, library: Library, progress: "switchboard.Progress") -> Mapping[str, bool]:
    progress(f"lib.{library.name}: {len(library.mutants)} mutants")
    names = [ORIGINAL, *(mutant.name for mutant in library.mutants)]
    found: dict[str, bool] = {}

    async def ask(name: str) -> None:
        found[name] = await passes(client, f"mutation/lib/{library.name}/alive_{name}", _DEADLINE)

    await switchboard.each(names, ask)
    return found


async def passes(client: OpaClient, entrypoint: str, seconds: float) -> bool:
    """Tell whether all tests behind an entrypoint pass. Raises `OpaError` when OPA itself fails."""
    try:
        found: Any = await client.query(entrypoint, b"{}", asyncio.get_running_loop().time() + seconds)
    except OpaError as error:
        if error.reason not in evaluation.OF_THE_CASE:
            raise
        return False
    return found is True
