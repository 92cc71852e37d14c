"""Packs for tests of the workbench: rules with their tests and samples, written where a test wants them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from proctor.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[3]
SAMPLE: Final[dict[str, Any]] = json.loads((ROOT / "rego" / "samples" / "inputs" / "deployment.json").read_bytes())

EVIDENCE: Final = (
    "{at: registration, about: item, fields: {registered: boolean, matches: number}, max_age: P3650D}",
    "{at: risk, about: item, fields: {exposure: string}}",
)
"""What the rules of these packs declare unless a test says otherwise."""

_ANNOTATION: Final = """\
# METADATA
# title: Rule {name}
# description: A rule that exists for a test of the workbench.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 1.3
# custom:
#   severity: medium
#   applies_to: [{{stage: deployment, kind: deployment, operations: [deploy]}}]
#   for_each: {for_each}
#   may_be_empty: true
#   item_id: {item_id}
#   evidence:
{evidence}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-06]
#   clauses: ["nist-ai-rmf/MANAGE1.3"]
#   message: "{name} is not right"
#   remediation: "Say what a person does to mend it"
#   owner: your-team
package governance.rules.deployment.{name}
"""
RIGHT: Final = """
compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.registration.registered == true
	model.registration.matches == 1
	model.risk.exposure in {"internal", "partner"}
}
"""
"""A rule that does all that it declares."""
TEST: Final = """\
package governance.rules.deployment.{name}_test

import data.governance.rules.deployment.{name} as rule

test_nothing_is_compliant_without_facts if rule.compliant == set() with input as {{}}
"""


def source(name: str, body: str = RIGHT, *, evidence: tuple[str, ...] = EVIDENCE, for_each: str = "models/*") -> str:
    """Return the text of the rule `deployment.<name>`."""
    return (
        _ANNOTATION.format(
            name=name,
            for_each=for_each or '""',
            item_id="[id]" if for_each else "[]",
            evidence="\n".join(f"#     - {entry}" for entry in evidence),
        )
        + body
    )


def write(
    pack: Path,
    rules: Mapping[str, str],
    *,
    tests: Mapping[str, str] | None = None,
    samples: Mapping[str, Any] | None = None,
) -> Path:
    """Write a pack with rules by name, each with the test of `tests` or a small one, and return it."""
    for name, text in rules.items():
        folder = pack / "governance" / "rules" / "deployment" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.rego").write_text(text)
        test = TEST.format(name=name) if tests is None else tests.get(name)
        if test is not None:
            (folder / f"{name}_test.rego").write_text(test)
    roots = [f"governance/rules/deployment/{name}" for name in sorted(rules)]
    (pack / ".manifest").write_text(json.dumps({"roots": roots}))
    for name, document in (samples or {}).items():
        path = pack / "samples" / "inputs" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    return pack


def settings(state: Path, pack: Path, source: Path | None = None, **policy: Any) -> Settings:
    """Return settings with this pack, beside the provided policy or the one in `source`."""
    return Settings.model_validate({"state_dir": state, "policy_dir": source, "policy": {"packs": [pack], **policy}})
