"""Everything that a policy says, read from files: what commands show of it and pages are made from.

The policy is laid out as the build does it, so nothing is shown that a server would refuse; no server is asked.
"""

import difflib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.errors import PolicyError
from proctor.opa import annotations, bundle, clauses, soundness
from proctor.opa.annotations import Need, RuleAnnotation
from proctor.opa.index import Index
from proctor.policy import suppliers
from proctor.settings import Settings
from proctor.vocabulary.words import Point, RiskTier

ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class Where:
    """An action, and where configuration takes it: the product of tiers, environments and points."""

    tiers: tuple[str, ...]
    environments: tuple[str, ...]
    points: tuple[str, ...]
    action: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A policy on files."""

    rules: Mapping[str, RuleAnnotation]
    """By code, sorted."""
    index: Index
    base: clauses.ClauseBase
    resources: Mapping[str, Sequence[Mapping[str, str]]]
    """What the annotations say of where an obligation is written, by code."""
    thresholds: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Code -> name -> tier -> number: what the rule looks up, as configured."""
    lists: Mapping[str, Mapping[str, Sequence[str]]]
    samples: Mapping[str, Sequence[str]]
    """Code -> files below the provided policy or a pack: inputs that the rule passes, and requests that it refuses."""

    def actions(self, code: str) -> list[Where]:
        """Return the configured actions of a rule, collapsed: `any` stands for all tiers, environments or points."""
        environments = self.index.environments
        cells = [
            Where((tier,), (environment,), (point,), str(self.index.action(tier, environment, point, code)))
            for tier in RiskTier
            for environment in environments
            for point in Point
        ]
        cells = _merged(cells, "points")
        cells = _merged(_merged(cells, "tiers"), "environments")
        return [
            Where(
                (ANY,) if len(cell.tiers) == len(RiskTier) else cell.tiers,
                (ANY,) if len(cell.environments) == len(environments) else cell.environments,
                (ANY,) if len(cell.points) == len(Point) else cell.points,
                cell.action,
            )
            for cell in cells
        ]

    @property
    def warned(self) -> Mapping[str, str]:
        """Return the rules that the profile `starter` only warns about, with the reason."""
        return self.index.warned


def read(settings: Settings, binary: Path) -> Catalogue:
    """Read the provided policy and the packs of `settings`, with the OPA at `binary`.

    Raises `PolicyError` for what the build refuses.
    """
    source = bundle.policy_dir(settings.policy_dir)
    with tempfile.TemporaryDirectory(prefix="prc-") as name:
        stage = Path(name).resolve() / "policy"
        laid_out = bundle.lay_out(settings.policy, binary, source, stage, suppliers.delivered())
        values = json.loads((stage / "governance" / "config" / "values" / "data.json").read_bytes())
        names = {
            rule.code: set(soundness.configuration_names((stage / rule.file).read_text(encoding="utf-8")))
            for rule in laid_out.rules
        }
        resources = _resources(annotations.inspect(binary, stage))
    index = Index(laid_out.document)
    return Catalogue(
        rules={rule.code: rule for rule in laid_out.rules},
        index=index,
        base=clauses.load(source, settings.policy.packs),
        resources=resources,
        thresholds={code: _looked_up(found, "threshold", values["thresholds"]) for code, found in names.items()},
        lists={code: _looked_up(found, "list", values["lists"]) for code, found in names.items()},
        samples=_samples(index, (source, *settings.policy.packs)),
    )


def nearest(catalogue: Catalogue, code: str) -> list[str]:
    """Return the codes that are spelt most like `code`, which no rule has."""
    return difflib.get_close_matches(code, catalogue.rules, 3, 0.5)


def group_of(rule: RuleAnnotation, need: Need) -> str:
    """Return the group of a need as providers name it: `models/*/registration`, `deployer`."""
    scope = rule.custom.for_each if need.of is None else need.of
    return "/".join(filter(None, (scope, need.at)))


def document(catalogue: Catalogue, code: str) -> dict[str, Any]:
    """Return all that is known of a rule, as JSON."""
    rule = catalogue.rules[code]
    custom = rule.custom
    return {
        "code": code,
        "title": rule.title,
        "description": rule.description,
        "severity": str(custom.severity),
        "owner": custom.owner,
        "applies_to": [one.model_dump(mode="json") for one in custom.applies_to],
        "for_each": custom.for_each,
        "may_be_empty": custom.may_be_empty,
        "facts": list(_facts(rule)),
        "request": {need.request: need.type for need in custom.evidence if need.request is not None},
        "thresholds": {
            name: {str(tier): numbers[tier] for tier in RiskTier}
            for name, numbers in catalogue.thresholds[code].items()
        },
        "lists": {name: list(entries) for name, entries in catalogue.lists[code].items()},
        "actions": [
            {
                "tiers": list(where.tiers),
                "environments": list(where.environments),
                "points": list(where.points),
                "action": where.action,
            }
            for where in catalogue.actions(code)
        ],
        "grants": _grants(catalogue, code),
        "only_warns": catalogue.warned.get(code, ""),
        "effective_on": custom.effective_on or "",
        "waivable": custom.model_dump(mode="json")["waivable"],
        "approvable": custom.approvable,
        "controls": custom.controls,
        "clauses": [catalogue.base.clauses[name].model_dump(mode="json", by_alias=True) for name in custom.clauses],
        "message": custom.message,
        "remediation": custom.remediation,
        "related_resources": [dict(resource) for resource in catalogue.resources.get(code, ())],
        "samples": list(catalogue.samples.get(code, ())),
        "file": rule.file,
        "digest": catalogue.index.rules[code]["digest"],
    }


def _grants(catalogue: Catalogue, code: str) -> list[dict[str, str]]:
    """Return what the root configuration lets packs weaken about a rule: its action, waiver, thresholds and lists."""
    names = {f"action {code}", f"waiver {code}"}
    names |= {f"threshold {name}" for name in catalogue.thresholds[code]}
    names |= {f"list {name}" for name in catalogue.lists[code]}
    return [dict(grant) for grant in catalogue.index.document["grants"] if grant["weakens"] in names]


def _facts(rule: RuleAnnotation) -> Iterator[dict[str, Any]]:
    for need in rule.custom.evidence:
        if need.request is not None:
            continue
        group = group_of(rule, need)
        yield {
            "group": group,
            "about": need.about,
            "fields": dict(need.fields),
            "min_tier": str(need.min_tier),
            "max_age": need.max_age or "",
            "unless_exempt": need.unless_exempt,
            "delivered_by": [supplier.name for supplier in suppliers.of(group)],
        }


def _merged(cells: Sequence[Where], dimension: str) -> list[Where]:
    """Join the cells that differ in `dimension` alone."""
    found: dict[tuple[Any, ...], list[str]] = {}
    others = [name for name in ("tiers", "environments", "points", "action") if name != dimension]
    for cell in cells:
        found.setdefault(tuple(getattr(cell, name) for name in others), []).extend(getattr(cell, dimension))
    return [Where(**{**dict(zip(others, key, strict=True)), dimension: tuple(own)}) for key, own in found.items()]


def _looked_up(names: set[tuple[str, str | None]], kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for one, name in sorted(names, key=str) if one == kind and name is not None}


def _resources(inspected: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for entry in inspected.get("annotations") or []:
        path = ".".join(str(part["value"]) for part in entry["path"])
        if entry["annotations"].get("scope") == "package":
            found[path.removeprefix("data.governance.rules.")] = entry["annotations"].get("related_resources") or []
    return found


def _samples(index: Index, roots: Sequence[Path]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for root in roots:
        for file in sorted(root.glob("samples/*/*.json")):
            for code in _concerned(index, _read(file)):
                found.setdefault(code, []).append(file.relative_to(root).as_posix())
    return found


def _read(file: Path) -> Mapping[str, Any]:
    try:
        sample = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise PolicyError("reading the samples", [f"{file}: {error}"], "Mend the file") from error
    return sample if isinstance(sample, dict) else {}


def _concerned(index: Index, sample: Mapping[str, Any]) -> Sequence[str]:
    """Return the rules that a sample is about: those that an input asks, those by which a request is refused."""
    if isinstance(expected := sample.get("expect"), dict):
        return list(dict.fromkeys(finding["rule"] for finding in expected.get("findings", ())))
    subject = sample.get("subject")
    kind = subject.get("kind") if isinstance(subject, dict) else None
    selection = index.selection(str(sample.get("stage")), str(kind), str(sample.get("operation")))
    return () if selection is None else selection.codes
