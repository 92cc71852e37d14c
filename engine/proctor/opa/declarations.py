"""What a rule may declare: the groups and fields of the vocabulary, with the types that evidence contracts use.

A misspelt group would make its rule not evaluable for everybody; the build says so instead.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from proctor.opa.annotations import Need, RuleAnnotation, levels
from proctor.vocabulary.facts import Facts

REQUEST_FIELDS: Final[Mapping[str, str]] = {"purpose": "string", "environment": "string"}
"""Fields of the request itself that a rule may ask for."""


@cache
def known() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return scope -> group -> field -> type of everything in the vocabulary; scope `""` is the whole request."""
    schema = Facts.model_json_schema()
    found: dict[str, dict[str, dict[str, str]]] = {"": {}}
    for name, prop in schema["properties"].items():
        body = _resolved(prop, schema)
        if body.get("type") == "array":
            item = _resolved(body["items"], schema)
            groups = {group: _resolved(value, schema) for group, value in item["properties"].items()}
            found[f"{name}/*"] = {g: _fields(v, schema) for g, v in groups.items() if v.get("type") == "object"}
        else:
            found[""][name] = _fields(body, schema)
    return found


def _resolved(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and take the alternative that is not null."""
    for option in prop.get("anyOf", ()):
        if option.get("type") != "null":
            return _resolved(option, schema)
    if "$ref" in prop:
        return _resolved(schema["$defs"][prop["$ref"].rsplit("/", 1)[1]], schema)
    return prop


def _fields(group: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, str]:
    names = {"string": "string", "array": "strings", "integer": "number", "number": "number", "boolean": "boolean"}
    found: dict[str, str] = {}
    for name, prop in group["properties"].items():
        body = _resolved(prop, schema)
        kind = "timestamp" if body.get("format") == "date-time" else names.get(body.get("type", ""))
        if name != "evidence" and kind is not None:
            found[name] = kind
    return found


def problems(rule: RuleAnnotation) -> Iterator[str]:
    """Yield one line for each thing that a rule declares and the vocabulary, or the aggregator, does not know."""
    custom = rule.custom
    if any(f"{list_name}/*" not in known() for list_name in custom.levels[:1]):
        yield f"for_each {custom.for_each!r}: there is no such list; docs/facts.md names them"
        return
    seen: set[tuple[str, ...]] = set()
    for application in custom.applies_to:
        for operation in application.operations:
            case = (application.stage, application.kind, operation)
            if case in seen:
                yield f"applies_to names {'/'.join(case)} twice"
            seen.add(case)
    for need in custom.evidence:
        yield from _need_problems(need, custom.for_each)


def _need_problems(need: Need, own: str) -> Iterator[str]:
    if need.request is not None:
        if REQUEST_FIELDS.get(need.request) != need.type:
            askable = ", ".join(f"{name} of type {kind}" for name, kind in REQUEST_FIELDS.items())
            yield f"request: {need.request} of type {need.type}: a rule may ask for {askable}"
        return
    scope = own if need.of is None else need.of
    if need.about == "item" and not levels(scope):
        yield f"{need.at}: evidence on the whole request is about the subject, the actor or the purpose, never `item`"
    if len(levels(scope)) > 1:
        return  # the vocabulary has no nested list yet; the aggregator and its tests do
    groups = known().get(scope)
    fields = None if groups is None else groups.get(need.at or "")
    if fields is None:
        yield f"{scope}{'/' if scope else ''}{need.at}: there is no such group of facts; docs/facts.md names them"
        return
    for name, kind in need.fields.items():
        if fields.get(name) != kind:
            yield f"{need.at}.{name}: {kind}, but the vocabulary has {fields.get(name, 'no such field')}"
