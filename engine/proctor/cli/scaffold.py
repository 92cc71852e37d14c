"""What `proctor policy new` writes: a rule, its test, and in a pack the root that it claims.

The template is a whole rule that builds, passes its tests and lints clean; an author replaces it piece by piece.
"""

import json
import re
from pathlib import Path
from string import Template
from typing import Final

from proctor.errors import UsageError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{2,63}")
STAGES: Final = ("deployment",)
"""Stages whose subjects have facts that a rule can read; the others come with their adapters."""

_RULE: Final = Template("""\
# METADATA
# title: $title
# description: >-
#   Say in a sentence or two what must be true, and why. This template proves that every image is pinned to a digest.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 1.3
# custom:
#   severity: medium
#   applies_to: [{stage: $stage, kind: deployment, operations: [deploy, scale]}]
#   for_each: images/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: reference, about: item, fields: {pinned: boolean}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-06]
#   clauses: ["nist-ai-rmf/MANAGE1.3"]
#   message: "image {id} is not right"
#   remediation: "Say what a person does to mend it"
#   owner: your-team
package governance.rules.$stage.$name

compliant contains ["images", i] if {
	some i, image in input.facts.images
	image.reference.pinned == true
}
""")

_TEST: Final = Template("""\
package governance.rules.$stage.${name}_test

import data.governance.rules.$stage.$name as rule

test_pinned_image_is_compliant if {
	rule.compliant == {["images", 0]} with input as {"facts": {"images": [{"reference": {"pinned": true}}]}}
}

test_image_by_tag_is_not_compliant if {
	rule.compliant == set() with input as {"facts": {"images": [{"reference": {"pinned": false}}]}}
}

test_unknown_is_not_compliant if {
	rule.compliant == set() with input as {"facts": {"images": [{"id": "registry.example.com/app"}]}}
}
""")


def write(root: Path, stage: str, name: str, *, pack: bool) -> list[Path]:
    """Write the rule below `root` and return the files. Raises `UsageError`; overwrites nothing.

    `pack`: `root` is a pack, whose manifest gets the rule's root.
    """
    tried = f"making the rule {stage}.{name}"
    if stage not in STAGES:
        raise UsageError(tried, f"no facts for the stage {stage!r} yet", f"Use one of {', '.join(STAGES)}")
    if _NAME.fullmatch(name) is None:
        raise UsageError(tried, f"{name!r} is no name of a rule", "Use lower case letters, digits and _, from 3 to 64")
    folder = root / "governance" / "rules" / stage / name
    if folder.exists():
        raise UsageError(tried, f"{folder} exists", "Choose another name, or edit what is there")
    values = {"stage": stage, "name": name, "title": name.replace("_", " ").capitalize()}
    files = {folder / f"{name}.rego": _RULE, folder / f"{name}_test.rego": _TEST}
    try:
        folder.mkdir(parents=True)
        for path, template in files.items():
            path.write_text(template.substitute(values), encoding="utf-8")
        changed = [_claim(root, f"governance/rules/{stage}/{name}")] if pack else []
    except OSError as error:
        raise UsageError(tried, str(error), "Name a folder that you may write to") from error
    return [*files, *changed]


def _claim(pack: Path, root: str) -> Path:
    """Add `root` to the pack's manifest, which is made if it is not there."""
    manifest = pack / ".manifest"
    document = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {"roots": []}
    document["roots"] = sorted({*document["roots"], root})
    manifest.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return manifest
