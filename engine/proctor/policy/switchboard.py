"""One bundle that holds a policy and all of its mutants: a switch says which mutant of a rule takes part in a decision.

A process for each mutant would take minutes. Here each rule becomes a switch in front of its mutants, whose packages
stand side by side, and OPA compiles everything once. `with data.switch[<code>] as "m17"` reaches through whatever
calls the rule, the aggregator and the rule's own tests alike, which a `with` on the rule itself would not: its value
would be computed before the test has put its input in place.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from proctor.errors import OpaError, PolicyError
from proctor.opa import bundle
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.reads import head_name
from proctor.policy import mutants, operators
from proctor.policy.layout import Layout, write_json
from proctor.policy.mutants import Mutant

ORIGINAL: Final = "m0"
"""The name of the rule as its author wrote it, among its mutants."""
Progress = Callable[[str], None]
_T = TypeVar("_T")
_AT_ONCE: Final = 8
_TIMEOUT: Final = 120
_MOST_ERRORS: Final = 10_000
AUTHORISED: Final = "package system.authz\n\ndefault allow := true\n"
"""For a private socket that nobody else finds: the provided policy lets no entrypoint through but its own."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule that is mutated."""

    rule: RuleAnnotation
    file: Path
    """In the layout's policy."""
    source: str
    mutants: tuple[Mutant, ...]
    tests: tuple[tuple[str, bool], ...]
    """References to the rule's own tests; whether one is a test of several cases, whose value holds those that pass."""

    @property
    def code(self) -> str:
        """Return the rule's code."""
        return self.rule.code


def subject(layout: Layout, binary: Path, rule: RuleAnnotation, known: mutants.Known) -> Subject:
    """Return a rule with its mutants and the names of its tests. Raises `PolicyError`."""
    file = layout.policy / rule.file
    source = file.read_text(encoding="utf-8")
    made = operators.of_module(source, mutants.parse(binary, file), known, rule)
    beside = layout.tests / Path(rule.file).with_name(f"{file.stem}_test.rego")
    tests = _tests(mutants.parse(binary, beside)) if beside.is_file() else ()
    return Subject(rule, file, source, tuple(made), tuple(tests))


def _tests(module: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    package = ".".join(str(part["value"]) for part in module["package"]["path"])
    seen: set[str] = set()
    for entry in module.get("rules", []):
        name = head_name(entry)
        if name.startswith("test_") and name not in seen:
            seen.add(name)
            several = "key" in entry["head"] or len(entry["head"].get("ref", [])) > 1
            yield f"{package}.{name}", several


def write(layout: Layout, folder: Path, subjects: Sequence[Subject]) -> None:
    """Write the sources of the switched policy into `folder`: policy, tests of the subjects, samples, all mutants."""
    shutil.copytree(layout.policy, folder)
    (folder / "system" / "authz" / "authz.rego").write_text(AUTHORISED, encoding="utf-8")
    write_json(folder / "samples" / "data.json", layout.samples)
    write_json(folder / "switch" / "data.json", {each.code: ORIGINAL for each in subjects})
    beside = {
        layout.tests / Path(each.rule.file).with_name(f"{each.file.stem}_test.rego") for each in subjects if each.tests
    }
    for file in layout.tests.rglob("*.rego"):
        if file in beside or not file.name.endswith("_test.rego"):
            target = folder / file.relative_to(layout.tests)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    for each in subjects:
        (folder / each.rule.file).write_text(_switch(each.code), encoding="utf-8")
        for name, text in ((ORIGINAL, each.source), *((mutant.name, mutant.text) for mutant in each.mutants)):
            file = mutant_file(folder, each.code, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            package = f"package mutants.{each.code}.{name}"
            file.write_text(text.replace(f"package governance.rules.{each.code}", package, 1), encoding="utf-8")


def write_entrypoints(folder: Path, subjects: Iterable[Subject]) -> None:
    """Write, for each mutant, what is asked of it: a decision in which it takes part, and whether all tests pass."""
    for each in subjects:
        lines = [f"package mutation.{each.code}"]
        for name in (ORIGINAL, *(mutant.name for mutant in each.mutants)):
            lines += _entrypoints(each, name)
        file = folder / "mutation" / f"{each.code}.rego"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _entrypoints(each: Subject, name: str) -> Iterator[str]:
    on = f'with data.switch["{each.code}"] as "{name}"'
    yield f"\nverdict_{name} := found if found := data.governance.main.decision {on}"
    yield f"\ndefault alive_{name} := false"
    yield f"\nalive_{name} if {{\n\ttrue"
    for test, several in each.tests:
        if several:
            # Its value is an object of the cases that pass; the original's has all of them.
            yield f"\t{_local(test)}_now := {test} {on}"
            yield f'\t{_local(test)}_now == {test} with data.switch["{each.code}"] as "{ORIGINAL}"'
        else:
            yield f"\t{test} {on}"
    yield "}"


def _local(test: str) -> str:
    return test.rpartition(".")[2]


def mutant_file(folder: Path, code: str, name: str) -> Path:
    """Return where a mutant stands in the switched policy."""
    return folder.joinpath("mutants", *code.split("."), f"{name}.rego")


def _switch(code: str) -> str:
    chosen = f'data.mutants.{code}[data.switch["{code}"]]'
    return (
        f"package governance.rules.{code}\n\n"
        f"compliant contains place if some place in {chosen}.compliant\n\n"
        f"exempt contains place if some place in {chosen}.exempt\n"
    )


def compilable(layout: Layout, binary: Path, folder: Path, subjects: Sequence[Subject]) -> list[Subject]:
    """Return the subjects with those mutants only that compile. Raises `PolicyError` as `remove_broken`."""
    files = {
        mutant_file(folder, each.code, mutant.name): (each.code, mutant.name)
        for each in subjects
        for mutant in each.mutants
    }
    broken = remove_broken(layout, binary, folder, files)
    return [
        replace(each, mutants=tuple(mutant for mutant in each.mutants if (each.code, mutant.name) not in broken))
        for each in subjects
    ]


def remove_broken(
    layout: Layout, binary: Path, folder: Path, files: Mapping[Path, tuple[str, str]]
) -> set[tuple[str, str]]:
    """Remove those of `files` that keep the folder from compiling, and return what they are.

    Raises `PolicyError` for what does not compile without being one of them.
    """
    capabilities = layout.folder / "capabilities.json"
    write_json(capabilities, bundle.allowed_capabilities(binary))
    broken: set[Path] = set()
    # A module that does not parse keeps the others from being compiled, so one round does not find them all.
    while errors := _errors(binary, folder, capabilities):
        found = {Path(location["file"]) for error in errors if (location := error.get("location"))} & files.keys()
        originals = {file for file in found if files[file][1] == ORIGINAL}
        if originals or not found - broken:
            raise PolicyError("compiling the mutants", [str(error.get("message")) for error in errors])
        for file in found - broken:
            file.unlink()
        broken |= found
    return {files[file] for file in broken}


def _errors(binary: Path, folder: Path, capabilities: Path) -> list[Mapping[str, Any]]:
    command = [
        str(binary), "check", "--format", "json", "--max-errors", str(_MOST_ERRORS),
        "--capabilities", str(capabilities), str(folder),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
        if done.returncode == 0:
            return []
        found: list[Mapping[str, Any]] = json.loads(done.stdout or done.stderr)["errors"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        raise OpaError(
            "compiling the mutants", f"{type(error).__name__} {error}", "Look at 'proctor doctor'"
        ) from error
    return found


async def each(things: Sequence[_T], work: Callable[[_T], Awaitable[None]]) -> None:
    """Do `work` on all things, some at once. One failure ends it."""
    waiting = iter(things)

    async def worker() -> None:
        for thing in waiting:
            await work(thing)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(worker())
