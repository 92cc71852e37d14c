"""Rules for tests of the build: a right one, with whatever a test changes in its annotation or its body."""

from pathlib import Path
from typing import Any, Final

import yaml

from proctor.errors import PolicyError
from proctor.opa import soundness
from proctor.opa.annotations import Custom, RuleAnnotation

CUSTOM: Final[dict[str, Any]] = {
    "severity": "medium",
    "applies_to": [{"stage": "deployment", "kind": "deployment", "operations": ["deploy"]}],
    "for_each": "models/*",
    "may_be_empty": True,
    "item_id": ["id"],
    "evidence": [{"at": "registration", "fields": {"registered": "boolean"}, "max_age": "P7D"}],
    "controls": ["G-DEP-01"],
    "clauses": ["owasp-ml/ML06"],
    "message": "model {id} is not registered",
    "remediation": "Register it with the inventory",
    "owner": "model-risk",
}
BODY: Final = """
compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.registration.registered == true
}
"""


def source(
    name: str = "some_rule", body: str = BODY, *, package: str = "", title: str = "Some rule", **custom: Any
) -> str:
    """Return the text of the rule `deployment.<name>`; a value `...` leaves a key of the annotation out."""
    values = {key: value for key, value in (CUSTOM | custom).items() if value is not ...}
    block = yaml.safe_dump(
        {"title": title, "description": "A rule that exists for a test of the build.", "custom": values},
        default_flow_style=None,
        sort_keys=False,
        width=1000,
    )
    lines = "".join(f"# {line}\n" for line in block.splitlines())
    return f"# METADATA\n{lines}package {package or f'governance.rules.deployment.{name}'}\n{body}"


def annotation(name: str = "some_rule", **custom: Any) -> RuleAnnotation:
    """Return what the build reads from `source(name, ...)`."""
    return RuleAnnotation(
        code=f"deployment.{name}",
        file=f"governance/rules/deployment/{name}/{name}.rego",
        title="Some rule",
        description="A rule that exists for a test of the build.",
        custom=Custom.model_validate(CUSTOM | custom),
    )


def write(folder: Path, text: str, name: str = "some_rule") -> Path:
    """Write a rule where the build looks for it, below `folder`."""
    file = folder / "governance" / "rules" / "deployment" / name / f"{name}.rego"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return file


def refusals(opa_binary: Path, folder: Path, body: str, **custom: Any) -> list[str]:
    """Return why the build takes a rule for unsound, without the file that each line begins with."""
    rule = annotation(**custom)
    write(folder, source(body=body, **custom))
    try:
        soundness.check(opa_binary, folder, [rule])
    except PolicyError as error:
        return [problem.removeprefix(f"{rule.file}: ") for problem in error.problems]
    return []
