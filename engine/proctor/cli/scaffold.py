"""What `proctor policy new` writes: a rule, its test, and in a pack the root that it claims and a sample.

The template is a whole rule that builds, passes its tests and the cases of its annotation, lints clean, and lets no
mutant survive; an author replaces it piece by piece. Each stage has one of its own, about facts that the stage has.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from proctor.errors import UsageError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{2,63}")


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a template says about the things of one stage."""

    applies_to: str
    scope: str
    """The annotation's `for_each` and what goes with it."""
    proves: str
    evidence: str
    control: str
    message: str
    imports: str
    body: str
    whole: str
    """Facts that comply, in Rego."""
    wrong: str
    """The same with one thing wrong."""
    unknown: str
    right_places: str
    places_of_wrong: str


_PINNED: Final = "{{at: reference, about: item, fields: {{pinned: boolean}}, {more}}}"


def _items(collection: str, item: str, condition: str) -> str:
    return (
        f'compliant contains ["{collection}", i] if {{\n'
        f"\tsome i, {item} in input.facts.{collection}\n"
        f"\t{condition}\n}}\n"
    )


def _facts(collection: str, *items: str) -> str:
    return f'{{"{collection}": [{", ".join(items)}]}}'


_STAGES: Final[Mapping[str, _Stage]] = {
    "data": _Stage(
        "{stage: data, kind: dataset, operations: [ingest]}", "datasets/*\n#   item_id: [id]",
        "that every dataset is named with a version", _PINNED.format(more="min_tier: declared"),
        "G-DAT-02", "dataset {id} is not right", "", _items("datasets", "dataset", "dataset.reference.pinned == true"),
        _facts("datasets", '{"reference": {"pinned": true}}', '{"reference": {"pinned": true}}'),
        _facts("datasets", '{"reference": {"pinned": true}}', '{"reference": {"pinned": false}}'),
        _facts("datasets", '{"id": "a"}'), '{["datasets", 0], ["datasets", 1]}', '{["datasets", 0]}',
    ),
    "training": _Stage(
        "{stage: training, kind: run, operations: [train]}", '""\n#   item_id: []',
        "that the source of the run is committed",
        "{at: plan, about: subject, fields: {clean: boolean}, min_tier: declared}",
        "G-TRN-02", "the run is not right", "", "compliant contains [] if input.facts.plan.clean == true\n",
        '{"plan": {"clean": true}}', '{"plan": {"clean": false}}', '{"plan": {}}', "{[]}", "set()",
    ),
    "registration": _Stage(
        "{stage: registration, kind: model_version, operations: [register, promote]}", "models/*\n#   item_id: [id]",
        "that every model says what it takes", "{at: signature, about: item, fields: {inputs: boolean}}",
        "G-REG-02", "model {id} is not right", "", _items("models", "model", "model.signature.inputs == true"),
        _facts("models", '{"signature": {"inputs": true}}', '{"signature": {"inputs": true}}'),
        _facts("models", '{"signature": {"inputs": true}}', '{"signature": {"inputs": false}}'),
        _facts("models", '{"id": "a"}'), '{["models", 0], ["models", 1]}', '{["models", 0]}',
    ),
    "deployment": _Stage(
        "{stage: deployment, kind: deployment, operations: [deploy, scale]}",
        "images/*\n#   may_be_empty: true\n#   item_id: [id]",
        "that every image is pinned to a digest", _PINNED.format(more="max_age: P1D"),
        "G-DEP-06", "image {id} is not right", "", _items("images", "image", "image.reference.pinned == true"),
        _facts("images", '{"reference": {"pinned": true}}', '{"reference": {"pinned": true}}'),
        _facts("images", '{"reference": {"pinned": true}}', '{"reference": {"pinned": false}}'),
        _facts("images", '{"id": "registry.example.com/app"}'), '{["images", 0], ["images", 1]}', '{["images", 0]}',
    ),
    "runtime": _Stage(
        "{stage: runtime, kind: deployment, operations: [run]}",
        "models/*\n#   may_be_empty: true\n#   item_id: [id]", "that the risk factors of every model are known",
        "{at: risk, about: item, fields: {exposure: string, autonomy: string, data_class: string}}",
        "G-RUN-05", "model {id} is not right", "import data.governance.lib.tiers\n\n",
        _items("models", "model", 'tiers.known("risk", model.risk)'),
        _facts("models", '{"risk": _low}', '{"risk": _low}'),
        _facts("models", '{"risk": _low}', '{"risk": object.union(_low, {"exposure": "nobody-knows"})}'),
        _facts("models", '{"id": "a"}'), '{["models", 0], ["models", 1]}', '{["models", 0]}',
    ),
}  # fmt: skip
STAGES: Final = tuple(_STAGES)
"""Stages whose subjects have facts that a rule can read."""

_RULE: Final = Template("""\
# METADATA
# title: $title
# description: >-
#   Say in a sentence or two what must be true, and why. This template proves $proves.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 1.3
# custom:
#   severity: medium
#   applies_to: [$applies_to]
#   for_each: $scope
#   evidence:
#     - $evidence
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [$control]
#   clauses: ["nist-ai-rmf/MANAGE1.3"]
#   message: "$message"
#   remediation: "Say what a person does to mend it"
#   owner: your-team
package governance.rules.$stage.$name

$imports$body""")

_TEST: Final = Template("""\
package governance.rules.$stage.${name}_test

import data.governance.rules.$stage.$name as rule
$values
test_what_is_right_is_compliant if {
	facts := $whole
	rule.compliant == $right_places with input as {"facts": facts}
}

test_what_is_wrong_is_not_compliant if {
	facts := $wrong
	rule.compliant == $places_of_wrong with input as {"facts": facts}
}

test_what_is_unknown_is_not_compliant if {
	facts := $unknown
	rule.compliant == set() with input as {"facts": facts}
}
""")
_LOW: Final = '\n_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}\n'


def write(root: Path, stage: str, name: str, *, pack: bool, samples: Path | None = None) -> list[Path]:
    """Write the rule below `root` and return the files. Raises `UsageError`; overwrites nothing.

    `pack`: `root` is a pack, whose manifest gets the rule's root, and which gets a sample of its own from the folder
    `samples`, to which an author adds the facts that only this rule reads.
    """
    tried = f"making the rule {stage}.{name}"
    if stage not in STAGES:
        raise UsageError(tried, f"no facts for the stage {stage!r}", f"Use one of {', '.join(STAGES)}")
    if _NAME.fullmatch(name) is None:
        raise UsageError(tried, f"{name!r} is no name of a rule", "Use lower case letters, digits and _, from 3 to 64")
    folder = root / "governance" / "rules" / stage / name
    if folder.exists():
        raise UsageError(tried, f"{folder} exists", "Choose another name, or edit what is there")
    told = _STAGES[stage]
    values = {field: getattr(told, field) for field in told.__dataclass_fields__}
    values |= {"stage": stage, "name": name, "title": name.replace("_", " ").capitalize()}
    values["values"] = _LOW if "_low" in told.whole else ""
    files = {folder / f"{name}.rego": _RULE, folder / f"{name}_test.rego": _TEST}
    try:
        folder.mkdir(parents=True)
        for path, template in files.items():
            path.write_text(template.substitute(values), encoding="utf-8")
        changed = [_claim(root, f"governance/rules/{stage}/{name}")] if pack else []
        if pack and samples is not None:
            changed.append(_sample(root, samples / f"{stage}.json", name))
    except OSError as error:
        raise UsageError(tried, str(error), "Name a folder that you may write to") from error
    return [*files, *changed]


def _sample(pack: Path, source: Path, name: str) -> Path:
    """Give the pack an input of the stage, unless it has one of that name."""
    target = pack / "samples" / "inputs" / f"{name}.json"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return target


def _claim(pack: Path, root: str) -> Path:
    """Add `root` to the pack's manifest, which is made if it is not there."""
    manifest = pack / ".manifest"
    document = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {"roots": []}
    document["roots"] = sorted({*document["roots"], root})
    manifest.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return manifest
