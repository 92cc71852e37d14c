"""Rules that exist for these tests. Each is asked about alone: every one has a stage and operation to itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REGISTERED: Final = "{at: registration, about: item, fields: {registered: boolean, matches: number}, max_age: P3650D}"
REFERENCE: Final = "{at: reference, about: item, fields: {mutable: boolean}}"
SOFT: Final = REGISTERED.replace("}, max_age", "}, unless_exempt: true, max_age")
IRRELEVANT: Final = 120
"""Rules that never apply to what the tests ask."""

_TEXT: Final = """\
# METADATA
# title: Rule {name}
# description: A rule that exists for a test of what a decision means.
# custom:
#   severity: critical
#   applies_to: [{{stage: {stage}, kind: deployment, operations: [{operation}]}}]
#   for_each: {for_each}
#   item_id: {item_id}
#   evidence:
{evidence}
#   approvable: {approvable}
#   waivable: {{max_days: 10}}
{more}#   controls: [G-DEP-01]
#   clauses: ["nist-ai-rmf/MANAGE1.3"]
#   message: "{name} is not right"
#   remediation: "Say what a person does to mend it"
#   owner: your-team
package governance.rules.deployment.{name}

import data.governance.config
{body}
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """The source of a rule, and the question that selects it and no other."""

    stage: str
    operation: str
    body: str
    evidence: tuple[str, ...] = (REGISTERED,)
    for_each: str = "models/*"
    approvable: bool = False
    more: str = ""
    """Further lines of the annotation."""

    def text(self, name: str) -> str:
        """Return the source."""
        return _TEXT.format(
            name=name, approvable=str(self.approvable).lower(), body=self.body,
            stage=self.stage, operation=self.operation,
            for_each=self.for_each or '""', item_id="[id]" if self.for_each else "[]",
            evidence="\n".join(f"#     - {entry}" for entry in self.evidence),
            more="".join(f"#   {line}\n" for line in self.more.splitlines()),
        )  # fmt: skip


def _each(*lines: str, below: str = "", place: str = '["models", i]') -> str:
    body = "\n".join(f"\t{line}" for line in ("some i, model in input.facts.models", *lines))
    return f"\ncompliant contains {place} if {{\n{body}\n}}\n{below}"


_IS: Final = "model.registration.registered == true"
_BOTH: Final = (_IS, "model.registration.matches == 1")
_EXEMPT: Final = '\nexempt contains ["models", i] if {\n\tsome i, model in input.facts.models\n\t%s\n}\n'

SOUND: Final[Mapping[str, Rule]] = {
    "lifted": Rule(
        "data", "train", _each(*_BOTH, below=_EXEMPT % "model.reference.mutable == false"), (SOFT, REFERENCE)
    ),
    "later": Rule("data", "register", _each(*_BOTH), more='effective_on: "2030-01-01T00:00:00Z"'),
    "for_a_purpose": Rule(
        "data", "promote",
        '\ncompliant contains [] if {\n\tinput.purpose == "scoring"\n'
        "\tcount(input.facts.workload.unclassified) == 0\n}\n",
        ("{request: purpose, type: string}", "{at: workload, about: subject, fields: {unclassified: strings}}"), "",
    ),
    "fresh": Rule("data", "scale", _each(*_BOTH), (REGISTERED.replace("P3650D", "P1D"),)),
    "asked": Rule("data", "deploy", _each(*_BOTH), approvable=True),
    **{f"irrelevant_{number}": Rule("registration", "ingest", _each(*_BOTH)) for number in range(IRRELEVANT)},
}  # fmt: skip
"""Rules that the build accepts."""

CONFIGURATION: Final[dict[str, Any]] = {
    "actions": [{"rule": "deployment.fresh", "environment": "dev", "action": "warn"}],
}

CARELESS: Final[Mapping[str, Rule]] = {
    # --- Something in the rule is undefined ---
    "collection_misspelt": Rule("data", "train", _each(*_BOTH).replace("input.facts.models", "input.facts.modles")),
    "field_misspelt": Rule("data", "register", _each("model.registration.registred == true")),
    "local_undefined": Rule("data", "promote", _each("title := model.title", *_BOTH)),
    "filter_on_missing_field": Rule("data", "deploy", _each('model.kind == "personal"', *_BOTH)),
    "negative_of_missing_field": Rule("data", "scale", _each("model.revoked == false", *_BOTH)),
    "threshold_misspelt": Rule("data", "run", _each('model.registration.matches == config.threshold("waivers_actve")')),
    # --- What it contains is no place ---
    "text_as_place": Rule("training", "train", _each(*_BOTH, place='"models"')),
    "index_as_place": Rule("training", "register", _each(*_BOTH, place="i")),
    "index_as_text": Rule("training", "promote", _each(*_BOTH, place='["models", sprintf("%d", [i])]')),
    "whole_request_as_place": Rule("training", "deploy", _each(*_BOTH, place="[]")),
    "deeper_place": Rule("training", "scale", _each(*_BOTH, place='["models", i, "registration"]')),
    "place_with_a_message": Rule("training", "run", _each(*_BOTH, place='{"at": ["models", i], "msg": "fine"}')),
    # --- It has no sets ---
    "boolean": Rule("registration", "train", "\ncompliant if input.facts.models[0].registration.registered\n"),
    "list": Rule("registration", "register", '\ncompliant := [["models", i] | some i, _ in input.facts.models]\n'),
    "object": Rule("registration", "promote", '\ncompliant["models"] := true if input.facts.models\n'),
    # --- It reads what it does not declare, or can fail ---
    "undeclared_group": Rule("registration", "deploy", _each("model.allowance.digest_allowed == true")),
    "type_error": Rule("registration", "run", _each("startswith(model.registration, input.stage)")),
}
"""Rules that the build refuses, all of which a model that is registered seems to meet."""


def write(pack: Path, rules: Mapping[str, Rule]) -> Path:
    """Write the rules as a pack and return it."""
    for name, rule in rules.items():
        folder = pack / "governance" / "rules" / "deployment" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.rego").write_text(rule.text(name))
    roots = [f"governance/rules/deployment/{name}" for name in sorted(rules)]
    (pack / ".manifest").write_text(json.dumps({"roots": roots}))
    return pack
