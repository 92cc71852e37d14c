"""Rules for the benchmarks, generated as a pack: some that apply to a deployment, any number that do not."""

import json
from pathlib import Path
from typing import Final, NamedTuple


class _Form(NamedTuple):
    places: str
    item_id: str
    evidence: str
    body: str


_FORMS: Final = {
    "model": _Form(
        "models/*",
        "[id]",
        "{at: registration, about: item, fields: {registered: boolean, matches: number}, max_age: P3650D}",
        """compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.registration.registered == true
	model.registration.matches == 1
}""",
    ),
    "image": _Form(
        "images/*",
        "[id]",
        "{at: reference, about: item, fields: {pinned: boolean, registries: strings}, max_age: P1D}",
        """compliant contains ["images", i] if {
	some i, image in input.facts.images
	image.reference.pinned == true
	count(image.reference.registries) == 1
}""",
    ),
    "workload": _Form(
        '""',
        "[]",
        "{at: workload, about: subject, fields: {unclassified: strings, kind: string}, max_age: P1D}",
        """compliant contains [] if {
	input.facts.workload.kind in {"Deployment", "StatefulSet"}
	count(input.facts.workload.unclassified) == 0
}""",
    ),
}
_RULE: Final = """# METADATA
# title: Bench {name}
# description: Generated for the benchmarks.
# custom:
#   severity: high
#   applies_to: [{{stage: deployment, kind: deployment, operations: {operations}}}]
#   for_each: {form.places}
#   may_be_empty: {may_be_empty}
#   item_id: {form.item_id}
#   evidence:
#     - {form.evidence}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-01]
#   clauses: [owasp-ml/ML06]
#   message: "it is not as it should be"
#   remediation: "Nothing: this rule exists for the benchmarks"
#   owner: bench
package governance.rules.deployment.{name}

{form.body}
"""


def write(folder: Path, applying: int, idle: int = 0) -> Path:
    """Write a pack with `applying` rules on deployments and `idle` ones on the deletion of one; return its folder."""
    roots = []
    for number in range(applying + idle):
        form = list(_FORMS)[number % len(_FORMS)]
        name = f"{form}_{number:04d}"
        path = folder / "governance" / "rules" / "deployment" / name / f"{name}.rego"
        path.parent.mkdir(parents=True)
        text = _RULE.format(
            name=name,
            form=_FORMS[form],
            operations="[deploy, scale]" if number < applying else "[delete]",
            may_be_empty="false" if form == "workload" else "true",
        )
        path.write_text(text, encoding="utf-8")
        roots.append(f"governance/rules/deployment/{name}")
    (folder / ".manifest").write_text(json.dumps({"roots": roots}), encoding="utf-8")
    return folder
