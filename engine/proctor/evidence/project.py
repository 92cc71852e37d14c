"""Projects the facts to what the selected rules declare, and computes the case digest of each approvable rule.

An undeclared read finds nothing and so proves nothing; and a large object costs OPA only what the rules look at.
"""

from collections.abc import Mapping
from typing import Any

from proctor.opa.index import Index, Selection
from proctor.vocabulary.canonical import digest
from proctor.vocabulary.facts import Facts


def project(facts: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
    """Return the facts that the selection declares: lists with identified items, groups with declared fields."""
    projected: dict[str, Any] = _groups(facts, selection.fields.get("", {}))
    for name in Facts.LISTS:
        if name not in facts:
            continue
        scope = f"{name}/*"
        groups = selection.fields.get(scope, {})
        kept = selection.item_fields.get(scope, frozenset()) | {"id", "digest"}
        projected[name] = [
            {field: item[field] for field in kept if field in item} | _groups(item, groups) for item in facts[name]
        ]
    return projected


def _groups(holder: Mapping[str, Any], groups: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, fields in groups.items():
        group = holder.get(name)
        if isinstance(group, dict):
            found[name] = {field: group[field] for field in fields if field in group} | {"evidence": group["evidence"]}
    return found


def cases(document: Mapping[str, Any], selection: Selection, index: Index) -> dict[str, str]:
    """Return the case digest of each approvable rule: what people would judge, without times or evidence.

    It covers stage, operation, environment, purpose, subject and the fields that the rule itself declares, so it
    neither changes when a fact is fetched again nor when another rule's facts change.
    """
    found: dict[str, str] = {}
    for code in selection.codes:
        rule = index.rules[code]
        if not rule["approvable"]:
            continue
        fields = {}
        for use in rule["needs"]:
            need = index.document["needs"][use["need"]]
            fields[use["need"]] = _declared(document["facts"], need)
        found[code] = digest(
            {
                "stage": document["stage"],
                "operation": document["operation"],
                "environment": document["environment"],
                "purpose": document.get("purpose"),
                "subject": document["subject"]["digest"],
                "fields": fields,
            }
        )
    return found


def _declared(facts: Mapping[str, Any], need: Mapping[str, Any]) -> Any:
    def fields(holder: Mapping[str, Any]) -> Any:
        group = holder.get(need["at"])
        return {name: group.get(name) for name in need["fields"]} if isinstance(group, dict) else None

    if need["scope"] == "":
        return fields(facts)
    name = need["scope"].split("/")[0]
    return [[item.get("digest") or item.get("id"), fields(item)] for item in facts.get(name, ())]
