"""Mutation testing of rules: how many of the mistakes that an author could make the tests would notice.

A mutant is judged by what `proctor policy test` runs for its rule: the decisive cases, in whole decisions of a real
OPA, and then the rule's own tests. What survives both and would be refused by the build is told apart: nobody can
make that mistake, and no test has to notice it. The score is killed / (killed + survived).
"""

import asyncio
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from proctor.errors import PolicyError
from proctor.opa import soundness
from proctor.opa.client import OpaClient
from proctor.opa.reads import head_name
from proctor.policy import cases, evaluation, libraries, mutants, switchboard, testing
from proctor.policy.cases import Case
from proctor.policy.checks import Check, Checked
from proctor.policy.layout import Layout
from proctor.policy.mutants import Mutant
from proctor.policy.patches import apply
from proctor.policy.switchboard import ORIGINAL, Progress, Subject
from proctor.settings import Settings
from proctor.vocabulary.canonical import canonical

Chosen = Callable[[str], bool]
Fate = Literal["cases", "tests", "refused", "survived"]

_TELLING: Final = ("base", "decisive", "exempt", "request", "list")
"""Kinds of cases that a wrong rule fails first; where evidence is missing, the aggregator does not ask the rule."""
_UNTRUE: Final = "its own tests fail before anything is changed: see 'proctor policy test'"
_FAILING: Final = "its decisive cases fail before anything is changed: see 'proctor policy test'"
_TESTS_DEADLINE: Final = 60.0
"""Seconds for all tests of one rule on one mutant."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant with what became of it."""

    mutant: Mutant
    fate: Fate


@dataclass(frozen=True, slots=True)
class Mutated:
    """What became of all mutants of one file."""

    name: str
    """The rule's code, or the library's name."""
    file: Path
    """As its author knows it."""
    judged: tuple[Judged, ...]
    uncompilable: int
    problem: str = ""
    """Why its mutants could not be judged; empty where they were."""

    def count(self, *fates: Fate) -> int:
        """Return how many mutants met one of these fates."""
        return sum(each.fate in fates for each in self.judged)

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """Return the mutants that nothing noticed, in the order of the file."""
        return tuple(each.mutant for each in self.judged if each.fate == "survived")


def score(results: Iterable[Mutated]) -> float:
    """Return the share of mutants that were killed, in percent; 100 where there was none to kill."""
    everything = list(results)
    killed = sum(result.count("cases", "tests") for result in everything)
    survived = sum(result.count("survived") for result in everything)
    return 100.0 * killed / (killed + survived) if killed + survived else 100.0


def run(
    settings: Settings,
    layout: Layout,
    binary: Path,
    progress: Progress,
    *,
    at_least: float,
    chosen: Chosen = lambda _: True,
) -> Checked:
    """Mutate everything in focus and say what survived; ok if the score is `at_least` this and all could be judged.

    `chosen` says by code (`lib.<name>` of a library) what of it is looked at.
    Raises `PolicyError` for a policy without anything to mutate, and as `rules`.
    """
    began = time.monotonic()
    work = Work(settings, layout, binary, progress, chosen)
    results = [*rules(work), *functions(work)]
    if not results:
        raise PolicyError(
            "making mutants", [f"no rule and no library below {layout.focus}"], "Name the folder of a rule or a stage"
        )
    reached = score(results)
    ok = reached >= at_least and not any(result.problem for result in results)
    killed, survived = (sum(r.count(*fates) for r in results) for fates in (("cases", "tests"), ("survived",)))
    refused, uncompilable = sum(r.count("refused") for r in results), sum(r.uncompilable for r in results)
    summary = (
        f"{_counted(results)}, {killed + survived} mutants: {killed} killed, {survived} survived",
        f"not counted: {refused} that only the build refuses, {uncompilable} that do not compile",
        f"score {reached:.1f} %, at least {at_least:g} % wanted",
        f"{'OK' if ok else 'FAILED'} in {time.monotonic() - began:.1f} s",
    )
    numbers = {
        "score": round(reached, 2), "at_least": at_least, "killed": killed, "survived": survived,
        "refused": refused, "uncompilable": uncompilable,
    }  # fmt: skip
    return Checked(ok, tuple(check for result in results for check in _checks(result)), summary, numbers)


def _counted(results: Sequence[Mutated]) -> str:
    of_libraries = sum(result.name.startswith("lib.") for result in results)
    counts = ((len(results) - of_libraries, "rules"), (of_libraries, "libraries"))
    return " and ".join(f"{count} {what}" for count, what in counts if count)


def _checks(result: Mutated) -> Iterator[Check]:
    if result.problem:
        yield Check(result.name, "all mutants", "mutant", result.problem, file=result.file)
    for each in result.judged:
        mutant = each.mutant
        survived = each.fate == "survived"
        yield Check(
            result.name, f"{mutant.before} -> {mutant.after}", f"mutant/{mutant.operator}",
            f"this {mutant.operator} mutant survives" if survived else "",
            mutants.HINTS[mutant.operator] if survived else "",
            result.file, mutant.line, mutant.column,
        )  # fmt: skip


def known(layout: Layout, binary: Path) -> mutants.Known:
    """Return the names that a mutant of this policy may use."""
    configured = json.loads((layout.policy / "governance" / "config" / "values" / "data.json").read_bytes())
    functions = {
        file.parent.name: frozenset(
            head_name(entry) for entry in mutants.parse(binary, file)["rules"] if "args" in entry["head"]
        )
        for file in sorted((layout.policy / "governance" / "lib").glob("*/*.rego"))
    }
    return mutants.Known({"list": configured["lists"], "threshold": configured["thresholds"]}, functions)


@dataclass(frozen=True, slots=True)
class Work:
    """What is mutated, and what it takes to judge the mutants."""

    settings: Settings
    layout: Layout
    binary: Path
    progress: Progress
    chosen: Chosen


def rules(work: Work) -> list[Mutated]:
    """Mutate every rule in focus and judge the mutants.

    Raises `PolicyError` for samples and tests that can't be used, `OpaError` when OPA fails.
    """
    settings, layout, binary, progress = work.settings, work.layout, work.binary, work.progress
    samples = testing.projected(layout)
    roles = {code: found for code, found in testing.roles(layout, binary).items() if work.chosen(code)}
    made, unproven = cases.generate(layout.laid_out.document, samples, roles)
    names = known(layout, binary)
    looked_at = [rule for rule in layout.laid_out.rules if rule.code in roles]
    all_of = [switchboard.subject(layout, binary, rule, names) for rule in looked_at]
    if not all_of:
        return []
    progress(f"{len(all_of)} rules, {sum(len(each.mutants) for each in all_of)} mutants: compiling")
    folder = layout.folder / "switched"
    switchboard.write(layout, folder, all_of)
    subjects = switchboard.compilable(layout, binary, folder, all_of)
    switchboard.write_entrypoints(folder, subjects)
    built = layout.built(binary, folder)
    question = testing.asked(layout, samples)
    trials = [(each, [(case, question(case)) for case in made if case.rule == each.code]) for each in subjects]
    fates = asyncio.run(_judge(evaluation.serving(settings, binary, built, layout.folder), trials, progress))
    results = []
    for before, each in zip(all_of, subjects, strict=True):
        uncompilable = len(before.mutants) - len(each.mutants)
        found = fates[each.code]
        wrong = found if isinstance(found, str) else next((line for line in unproven if line.startswith(each.code)), "")
        judged = () if isinstance(found, str) else tuple(_unrefused(layout, binary, each, found))
        results.append(Mutated(each.code, layout.origin(each.file), judged, uncompilable, wrong))
    return results


@dataclass(frozen=True, slots=True)
class _Question:
    """A case with its sample, and the inputs that its patches make of it."""

    case: Case
    sample: Mapping[str, Any]
    inputs: tuple[bytes, ...]


def functions(work: Work) -> list[Mutated]:
    """Mutate every library in focus and judge the mutants by its own tests; errors as `rules`."""
    layout, progress = work.layout, work.progress
    before = libraries.of(layout, work.binary, work.chosen)
    if not before:
        return []
    progress(f"{len(before)} libraries, {sum(len(each.mutants) for each in before)} mutants: compiling")
    after, passing = libraries.judge(work.settings, layout, work.binary, before, progress)
    return [_of_library(layout, old, new, passing[new.name]) for old, new in zip(before, after, strict=True)]


def _of_library(
    layout: Layout, before: libraries.Library, after: libraries.Library, passing: Mapping[str, bool]
) -> Mutated:
    name, file, uncompilable = f"lib.{after.name}", layout.origin(after.file), len(before.mutants) - len(after.mutants)
    if not passing[ORIGINAL]:
        return Mutated(name, file, (), uncompilable, _UNTRUE)
    judged = (Judged(mutant, "survived" if passing[mutant.name] else "tests") for mutant in after.mutants)
    return Mutated(name, file, tuple(judged), uncompilable)


async def _judge(
    serving: AbstractAsyncContextManager[OpaClient],
    trials: Sequence[tuple[Subject, Sequence[tuple[Case, Mapping[str, Any]]]]],
    progress: Progress,
) -> dict[str, list[Judged] | str]:
    """Return what became of each rule's mutants, or why nothing can be said of them."""
    found: dict[str, list[Judged] | str] = {}
    async with serving as client:
        for number, (each, made) in enumerate(trials, 1):
            progress(f"{number}/{len(trials)} {each.code}: {len(each.mutants)} mutants")
            found[each.code] = await _Trial(client, each, made).run()
    return found


class _Trial:
    """All mutants of one rule before its cases and its tests."""

    def __init__(self, client: OpaClient, subject: Subject, made: Sequence[tuple[Case, Mapping[str, Any]]]) -> None:
        self._client, self._subject = client, subject
        self._path = subject.code.replace(".", "/")
        self._questions = [
            _Question(case, sample, tuple(canonical(apply(sample, patch)) for patch in case.patches))
            for case, sample in sorted(made, key=lambda each: each[0].kind not in _TELLING)
        ]
        self._sets: dict[bytes, Mapping[str, Any]] = {}
        """What the rule and each of its mutants say of an input: compliant and exempt, by the mutant's name."""

    async def run(self) -> list[Judged] | str:
        """Return what became of each mutant, in their order."""
        if not await self._passes(ORIGINAL):
            return _UNTRUE
        telling = [question for question in self._questions if question.case.kind in _TELLING]
        if [question for question in telling if await self._surprises(ORIGINAL, question.case, question.sample)]:
            return _FAILING
        inputs = list(dict.fromkeys(document for question in self._questions for document in question.inputs))
        await switchboard.each(inputs, self._ask)
        fates: dict[str, Fate | None] = {}

        async def judge(mutant: Mutant) -> None:
            fates[mutant.name] = await self._fate(mutant)

        await switchboard.each(self._subject.mutants, judge)
        unsure = next((name for name, fate in fates.items() if fate is None), None)
        if unsure is not None:
            return _FAILING
        return [Judged(mutant, fates[mutant.name] or "survived") for mutant in self._subject.mutants]

    async def _ask(self, document: bytes) -> None:
        self._sets[document] = await self._query(f"mutants/{self._path}", document, evaluation.DEADLINE)

    async def _query(self, entrypoint: str, document: bytes, seconds: float) -> Any:
        return await self._client.query(entrypoint, document, asyncio.get_running_loop().time() + seconds)

    async def _fate(self, mutant: Mutant) -> Fate | None:
        """Return what became of a mutant; None where the unchanged rule fails the case that it fails."""
        for question in self._questions:
            differing = [number for number, document in enumerate(question.inputs) if self._differs(mutant, document)]
            if not differing:
                continue
            case = question.case
            if case.quantifier == "every":
                case = dataclasses.replace(case, patches=[case.patches[number] for number in differing])
            if await self._surprises(mutant.name, case, question.sample):
                return None if await self._surprises(ORIGINAL, case, question.sample) else "cases"
        return "survived" if await self._passes(mutant.name) else "tests"

    def _differs(self, mutant: Mutant, document: bytes) -> bool:
        """Tell whether the aggregator gets anything else from the mutant than from the rule."""
        said = self._sets[document]
        own, theirs = (said.get(name, {}) for name in (ORIGINAL, mutant.name))
        return any(own.get(name, []) != theirs.get(name, []) for name in ("compliant", "exempt"))

    async def _surprises(self, name: str, case: Case, sample: Mapping[str, Any]) -> bool:
        evaluator = evaluation.Served(self._client, f"mutation/{self._path}/verdict_{name}")
        return await evaluation.judged(case, sample, evaluator) is not None

    async def _passes(self, name: str) -> bool:
        return await libraries.passes(self._client, f"mutation/{self._path}/alive_{name}", _TESTS_DEADLINE)


def _unrefused(layout: Layout, binary: Path, subject: Subject, judged: Sequence[Judged]) -> Iterator[Judged]:
    """Yield all, and of the survivors those that the build refuses as such."""
    for each in judged:
        refused = each.fate == "survived" and _refused(layout, binary, subject, each.mutant)
        yield Judged(each.mutant, "refused") if refused else each


def _refused(layout: Layout, binary: Path, subject: Subject, mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory(dir=layout.folder) as name:
        file = Path(name) / subject.rule.file
        file.parent.mkdir(parents=True)
        file.write_text(mutant.text, encoding="utf-8")
        try:
            soundness.check(binary, Path(name), [subject.rule])
        except PolicyError:
            return True
    return False
