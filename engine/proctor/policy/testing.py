"""Tests a policy: the authors' own tests and the decisive cases, told so that an author can mend what failed."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.errors import PolicyError
from proctor.evidence.project import project
from proctor.opa import syntax
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.index import Index
from proctor.opa.reads import Reads, head_name
from proctor.policy import cases, evaluation, patches, questions, unittests
from proctor.policy.checks import Check, Checked
from proctor.policy.layout import Layout
from proctor.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What a person reads, and whether all is well."""

    ok: bool
    text: str


def run(settings: Settings, layout: Layout, binary: Path, *, verbose: bool) -> Checked:
    """Run everything that tests the policy of the layout; `verbose` names each test and case that passed as well.

    Raises `PolicyError` and `OpaError` when nothing can be run.
    """
    began = time.monotonic()
    samples = projected(layout)
    looked_at = roles(layout, binary)
    made, unproven = cases.generate(layout.laid_out.document, samples, looked_at)
    own, judged = asyncio.run(_both(settings, layout, binary, made, samples))
    surprised = sum(result.surprise is not None for result in judged)
    missing = (*own.missing, *unproven)
    checks = (
        *(_of_test(test) for test in own.tests),
        *(Check("missing", line, "missing", line) for line in missing),
        *(_of_case(result, samples, layout) for result in judged),
    )
    ok = bool(own.tests) and bool(judged) and not (own.failed or missing or surprised)
    inputs = sum(len(result.case.patches) for result in judged)
    summary = (
        f"{len(looked_at)} rules, {len(own.tests)} tests, {len(own.failed)} failed, {len(own.missing)} missing",
        f"{len(judged)} decisive cases with {inputs} inputs, {surprised} failed",
        f"{'OK' if ok else 'FAILED'} in {time.monotonic() - began:.1f} s",
    )
    numbers = {
        "rules": len(looked_at), "tests": len(own.tests), "cases": len(judged), "inputs": inputs,
        "failed": len(own.failed) + surprised, "missing": len(missing),
    }  # fmt: skip
    return Checked(ok, checks, summary, numbers, verbose)


async def _both(
    settings: Settings,
    layout: Layout,
    binary: Path,
    made: Sequence[cases.Case],
    samples: Mapping[str, Mapping[str, Any]],
) -> tuple[unittests.UnitTests, list[evaluation.Judged]]:
    """Run tests and cases side by side: they are processes of their own, and wait for different things."""
    own = asyncio.create_task(asyncio.to_thread(unittests.run, layout, binary))
    question = asked(layout, samples)
    try:
        built = await asyncio.to_thread(layout.built, binary)
        async with evaluation.serving(settings, binary, built, layout.folder) as client:
            judged = await evaluation.run(made, question, evaluation.Remembering(evaluation.Served(client)))
    except BaseException:
        # What the tests say comes first: a module that does not compile is named there as its author knows it.
        await own
        raise
    return await own, judged


def asked(layout: Layout, samples: Mapping[str, Mapping[str, Any]]) -> Callable[[cases.Case], Mapping[str, Any]]:
    """Return what tells the input that the patches of a case change: its sample, as a question about its rule alone."""
    index = Index(layout.laid_out.document)
    known: dict[tuple[str, str], Mapping[str, Any]] = {}

    def question(case: cases.Case) -> Mapping[str, Any]:
        key = (case.sample, case.rule)
        if key not in known:
            known[key] = questions.about(index, samples[case.sample], case.rule)
        return known[key]

    return question


def projected(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return the samples as OPA would get them: with the fields that the selected rules declare, and no others."""
    index = Index(layout.laid_out.document)
    found: dict[str, dict[str, Any]] = {}
    for name, sample in layout.samples.items():
        selection = index.selection(sample["stage"], sample["subject"]["kind"], sample["operation"])
        if selection is None:
            raise PolicyError("reading the samples", [f"{name}: no rule applies to its stage, kind and operation"])
        try:
            found[name] = {**sample, "facts": project(sample["facts"], selection)}
        except (LookupError, TypeError, AttributeError) as error:
            raise PolicyError("reading the samples", [f"{name}: facts: {type(error).__name__} {error}"]) from error
    return found


def roles(layout: Layout, binary: Path) -> dict[str, cases.Roles]:
    """Return what the declared fields of each rule in focus are for, as its annotation and its source say."""
    rules = [rule for rule in layout.laid_out.rules if layout.in_focus(layout.policy / rule.file)]
    modules = syntax.trees(binary, layout.policy, [rule.file for rule in rules])
    return {rule.code: _roles(rule, modules[rule.file]) for rule in rules}


def _roles(rule: RuleAnnotation, module: Mapping[str, Any]) -> cases.Roles:
    custom = rule.custom
    silent = {
        (custom.for_each if need.of is None else need.of, need.at or "", name)
        for need in custom.evidence
        if need.present_only
        for name in need.fields
    }
    exempts = any(head_name(entry) == "exempt" for entry in module.get("rules", []))
    return cases.Roles(exempts, Reads(module, rule).excusing(), frozenset(silent))


def _of_test(test: unittests.UnitTest) -> Check:
    name = test.name if test.why else f"{test.package}.{test.name}"
    return Check(test.package.removeprefix("data."), name, "test", test.why, file=test.file, line=test.line)


def _of_case(result: evaluation.Judged, samples: Mapping[str, Mapping[str, Any]], layout: Layout) -> Check:
    case, surprise = result.case, result.surprise
    inputs = f"{case.sample}, {case.kind}, {len(case.patches)} input{'s' if len(case.patches) != 1 else ''}"
    name = f"{case.name}  ({inputs})"
    if surprise is None:
        return Check(case.rule, name, f"case/{case.kind}")
    lines = tuple(patches.difference(samples[case.sample], surprise.patch, case.sample))
    rule = next(rule for rule in layout.laid_out.rules if rule.code == case.rule)
    file = layout.origin(layout.policy / rule.file)
    return Check(case.rule, name, f"case/{case.kind}", surprise.why, lines=lines, file=file)
