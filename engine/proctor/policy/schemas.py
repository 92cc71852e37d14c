"""Schemas of what a rule may read, so that OPA's type checker knows every field, and no field that is not declared.

`opa check --schema FOLDER` alone checks nothing: a schema counts where an annotation names it. So each rule gets one
of its own, made from its evidence contract, and a generated module of its package that names it for the package.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from proctor.opa.annotations import Need, RuleAnnotation, levels
from proctor.policy.layout import write_json

_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "string": {"type": "string"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "timestamp": {"type": "string"},
}
_MODULE: Final = """\
# METADATA
# scope: subpackages
# schemas:
#   - input: schema["{name}"]
package {package}
"""


def write(rules: Sequence[RuleAnnotation], schemas: Path, modules: Path) -> None:
    """Write one schema for each rule into `schemas`, one for the rest of the policy, and the modules that name them."""
    write_json(schemas / "any.json", of_the_input())
    _write_module(modules / "any.rego", "any", "governance")
    for rule in rules:
        write_json(schemas / f"{rule.code}.json", of_rule(rule))
        _write_module(modules / f"{rule.code}.rego", rule.code, f"governance.rules.{rule.code}")


def _write_module(path: Path, name: str, package: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_MODULE.format(name=name, package=package), encoding="utf-8")


def of_the_input() -> dict[str, Any]:
    """Return the schema of an input as the aggregator and the libraries see it: its keys, whatever the facts are."""
    return _object(
        {
            **dict.fromkeys(("schema", "point", "stage", "operation", "environment", "purpose"), _TYPES["string"]),
            "actor": _object(
                {
                    "id": _TYPES["string"],
                    "kind": _TYPES["string"],
                    "groups": _TYPES["strings"],
                    "authenticated_by": _TYPES["string"],
                }
            ),
            "subject": _object({**dict.fromkeys(("kind", "id", "digest", "name"), _TYPES["string"]), "parts": {}}),
            "facts": {},
            "waivers": {},
            "approvals": {},
            "context": _object({**dict.fromkeys(("now", "effective_at", "request_id"), _TYPES["string"]), "cases": {}}),
        }
    )


def of_rule(rule: RuleAnnotation) -> dict[str, Any]:
    """Return the schema of what a rule may read: the request's own fields, and the evidence that it declares."""
    facts: dict[str, Any] = _object({})
    for need in rule.custom.evidence:
        if need.request is None:
            _declare(facts, rule.custom.for_each if need.of is None else need.of, need)
    _holder(facts, levels(rule.custom.for_each))
    requested = {need.request: _TYPES[need.type] for need in rule.custom.evidence if need.request and need.type}
    return _object(
        {
            **dict.fromkeys(("point", "stage", "operation", "environment"), _TYPES["string"]),
            "actor": _object({"id": _TYPES["string"]}),
            "subject": _object({"digest": _TYPES["string"], "kind": _TYPES["string"]}),
            "facts": facts,
            **requested,
        }
    )


def _declare(facts: dict[str, Any], scope: str, need: Need) -> None:
    holder = _holder(facts, levels(scope))
    group = holder["properties"].setdefault(need.at, _object({})) if need.at else holder
    group["properties"].update({name: _TYPES[kind] for name, kind in need.fields.items()})


def _holder(facts: dict[str, Any], lists: Sequence[str]) -> dict[str, Any]:
    """Return the schema of what holds the groups at the end of these lists, made where it is not there."""
    holder = facts
    for name in lists:
        listed = holder["properties"].setdefault(name, {"type": "array", "items": _object({})})
        holder = listed["items"]
    return holder


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}
