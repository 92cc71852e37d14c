"""Tests a policy: the authors' own tests and the decisive cases, told so that an author can mend what failed."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.errors import PolicyError
from proctor.evidence.project import project
from proctor.opa import syntax
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.index import Index
from proctor.opa.reads import Reads, head_name
from proctor.policy import cases, evaluation, patches, unittests
from proctor.policy.layout import Layout
from proctor.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What a person reads, and whether all is well."""

    ok: bool
    text: str


def run(settings: Settings, layout: Layout, binary: Path, *, verbose: bool) -> Report:
    """Run everything that tests the policy of the layout; `verbose` names each test and case that passed as well.

    Raises `PolicyError` and `OpaError` when nothing can be run.
    """
    began = time.monotonic()
    own = unittests.run(layout, binary)
    samples = projected(layout)
    looked_at = roles(layout, binary)
    made, unproven = cases.generate(layout.laid_out.document, samples, looked_at)
    judged = asyncio.run(_evaluate(settings, layout, binary, made, samples))
    surprised = [result for result in judged if result.surprise is not None]
    lines = [*_passed(own, judged)] if verbose else []
    lines += [f"FAILED  {test.file}: {test.name}: {test.why}" for test in own.failed]
    lines += [f"MISSING {line}" for line in (*own.missing, *unproven)]
    for result in surprised:
        lines += [*_told(result, samples)]
    ok = bool(own.tests) and bool(judged) and not (own.failed or own.missing or unproven or surprised)
    lines += [*_summary(len(looked_at), own, judged, surprised)]
    lines.append(f"{'OK' if ok else 'FAILED'} in {time.monotonic() - began:.1f} s")
    return Report(ok, "\n".join(lines))


async def _evaluate(
    settings: Settings,
    layout: Layout,
    binary: Path,
    made: Sequence[cases.Case],
    samples: Mapping[str, Mapping[str, Any]],
) -> list[evaluation.Judged]:
    async with evaluation.production(settings, binary, layout.folder) as evaluator:
        return await evaluation.run(made, samples, evaluator)


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


def _passed(own: unittests.UnitTests, judged: Sequence[evaluation.Judged]) -> Iterator[str]:
    yield from (f"passed  {test.package}.{test.name}" for test in own.tests if not test.why)
    yield from (f"passed  {result.case.name}  ({_inputs(result.case)})" for result in judged if result.surprise is None)


def _inputs(case: cases.Case) -> str:
    return f"{case.sample}, {case.kind}, {len(case.patches)} input{'s' if len(case.patches) != 1 else ''}"


def _told(result: evaluation.Judged, samples: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    case, surprise = result.case, result.surprise
    if surprise is None:
        return
    yield f"FAILED  {case.name}  ({_inputs(case)})"
    yield f"        {surprise.why}"
    yield from (f"        {line}" for line in patches.difference(samples[case.sample], surprise.patch, case.sample))


def _summary(
    rules: int,
    own: unittests.UnitTests,
    judged: Sequence[evaluation.Judged],
    surprised: Sequence[evaluation.Judged],
) -> Iterator[str]:
    yield f"{rules} rules, {len(own.tests)} tests, {len(own.failed)} failed, {len(own.missing)} missing"
    inputs = sum(len(result.case.patches) for result in judged)
    yield f"{len(judged)} decisive cases with {inputs} inputs, {len(surprised)} failed"
