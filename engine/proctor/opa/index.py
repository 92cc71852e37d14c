"""The index: one catalogue made from annotations and configuration, read by aggregator, engine, CLI and docs alike.

The build interns equal evidence needs and action tables, so that each is evaluated once in a decision, and selects
rules by stage, subject kind and operation, so that cost grows with the rules that apply, not with those that exist.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from proctor.opa.annotations import Need, RuleAnnotation, levels
from proctor.opa.configuration import Configuration, Factor
from proctor.opa.configuration import actions as expand_actions
from proctor.opa.configuration import chains as expand_chains
from proctor.vocabulary.canonical import digest

_TIER_GROUPS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "deployment": ("models/*", ("risk", "use", "condition")),
    "model_version": ("models/*", ("risk", "use")),
    "run": ("", ("risk", "use")),
}
"""Where the factors of the risk tier stand, for each subject kind: scope and groups."""
_ALWAYS_SCORED: Final = "risk"
"""The group without which there is no tier."""


def build(
    rules: Sequence[RuleAnnotation],
    configuration: Configuration,
    *,
    source_digests: Mapping[str, str],
    library_digest: str,
    profile: str,
    warned: Mapping[str, str],
    provided: frozenset[str] | None = None,
) -> dict[str, Any]:
    """Return the index as JSON, without its revision.

    `source_digests` maps rule codes to the digest of their source, `library_digest` covers lib, config and main,
    `warned` names the rules that the profile only warns about, and `provided` the groups that have a provider (None:
    all): the profile `starter` does not score the factors of others, and every decision names them. Raises
    `PolicyError` from the configuration.
    """
    needs: dict[str, dict[str, Any]] = {}
    scopes: dict[str, list[str]] = {}
    entries: dict[str, dict[str, Any]] = {}
    names: dict[str, dict[str, Any]] = {}
    select: dict[str, dict[str, dict[str, dict[str, list[str]]]]] = {}
    for rule in rules:
        used = [_intern(need, rule, needs) for need in rule.custom.evidence if need.request is None]
        entries[rule.code] = _entry(rule, used, source_digests[rule.code], library_digest)
        names[entries[rule.code]["names"]] = {"scope": rule.custom.for_each, "fields": rule.custom.item_id}
        own_scopes = {rule.custom.for_each, *(needs[use["need"]]["scope"] for use in used)}
        scopes |= {scope: levels(scope) for scope in own_scopes}
        for application in rule.custom.applies_to:
            for operation in application.operations:
                leaf = (
                    select.setdefault(str(application.stage), {})
                    .setdefault(str(application.kind), {})
                    .setdefault(str(operation), {"codes": [], "needs": [], "scopes": [], "names": []})
                )
                leaf["codes"].append(rule.code)
                leaf["needs"] = sorted({*leaf["needs"], *(use["need"] for use in used)})
                leaf["scopes"] = sorted({*leaf["scopes"], *own_scopes})
                leaf["names"] = sorted({*leaf["names"], entries[rule.code]["names"]})
    return {
        "rules": entries,
        "needs": needs,
        "names": names,
        "scopes": scopes,
        "select": select,
        "tiers": _tiers(configuration, provided if profile == "starter" else None),
        "actions": expand_actions(configuration, rules, warned),
        "chains": expand_chains(configuration, rules),
        "limits": configuration.limits.model_dump(),
        "environments": configuration.environments,
        "profile": profile,
        "warned": dict(warned),
    }


def _intern(need: Need, rule: RuleAnnotation, needs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    own = rule.custom.levels
    scope = rule.custom.for_each if need.of is None else need.of
    body: dict[str, Any] = {
        "scope": scope,
        "at": need.at,
        "about": need.about,
        "fields": dict(sorted(need.fields.items())),
        "min_rank": need.min_tier.rank,
        "max_age_s": need.max_age_s,
    }
    name = "n" + digest(body)[7:19]
    needs[name] = body
    theirs = levels(scope)
    if theirs == own:
        rel = "same"
    elif theirs == own[: len(theirs)]:
        rel = "up"
    else:
        rel = "all"
    return {"need": name, "rel": rel, "length": 2 * len(theirs), "soft": need.unless_exempt}


def _entry(rule: RuleAnnotation, used: list[dict[str, Any]], source_digest: str, library_digest: str) -> dict[str, Any]:
    custom = rule.custom
    annotation = custom.model_dump(mode="json")
    return {
        "title": rule.title,
        "description": rule.description,
        "severity": str(custom.severity),
        "scope": custom.for_each,
        "item_id": custom.item_id,
        "names": "|".join((custom.for_each, *custom.item_id)),
        "may_be_empty": custom.may_be_empty,
        "needs": used,
        "request": {need.request: need.type for need in custom.evidence if need.request is not None},
        "approvable": custom.approvable,
        "waivable": annotation["waivable"],
        "effective_on": custom.effective_on or "",
        "controls": custom.controls,
        "clauses": custom.clauses,
        "message": custom.message,
        "remediation": custom.remediation,
        "owner": custom.owner,
        "file": rule.file,
        "digest": digest({"source": source_digest, "library": library_digest, "annotation": annotation}),
    }


def _tiers(configuration: Configuration, provided: frozenset[str] | None) -> dict[str, Any]:
    factors = configuration.tiers.factors
    found: dict[str, Any] = {}
    for kind, (scope, groups) in _TIER_GROUPS.items():
        scored = [
            group
            for group in groups
            if provided is None or group == _ALWAYS_SCORED or "/".join(filter(None, (scope, group))) in provided
        ]
        found[kind] = {
            "levels": levels(scope),
            "needs": [_tier_need(scope, group, factors) for group in scored],
            "unscored": sorted(name for name, factor in factors.items() if factor.group in set(groups) - set(scored)),
        }
    return found


def _tier_need(scope: str, group: str, factors: Mapping[str, Factor]) -> dict[str, Any]:
    return {
        "scope": scope,
        "at": group,
        "about": "item" if scope else "subject",
        "fields": {name: "string" for name in sorted(factors) if factors[name].group == group},
        "min_rank": 1,
        "max_age_s": 0,
    }


@dataclass(frozen=True, slots=True)
class Selection:
    """What one kind of question touches: the rules, and the declared fields of each group by scope."""

    codes: tuple[str, ...]
    fields: Mapping[str, Mapping[str, frozenset[str]]]
    """Scope -> group -> declared fields. A group with no declared field is not sent."""
    item_fields: Mapping[str, frozenset[str]]
    """Scope -> fields of the item itself that identify it."""
    request_fields: frozenset[str]


class Index:
    """The engine's own pinned copy of the index: what a verdict is checked against."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.revision: str = document["revision"]
        self.rules: Mapping[str, Mapping[str, Any]] = document["rules"]
        self.environments: tuple[str, ...] = tuple(document["environments"])
        self._selections: dict[tuple[str, str, str], Selection | None] = {}

    def selection(self, stage: str, kind: str, operation: str) -> Selection | None:
        """Return what a question selects, or None where no rule applies (which is an error, never an allow)."""
        key = (stage, kind, operation)
        if key not in self._selections:
            self._selections[key] = self._select(*key)
        return self._selections[key]

    def _select(self, stage: str, kind: str, operation: str) -> Selection | None:
        leaf = self.document["select"].get(stage, {}).get(kind, {}).get(operation)
        if leaf is None:
            return None
        fields: dict[str, dict[str, set[str]]] = {}
        items: dict[str, set[str]] = {}
        needs = [self.document["needs"][name] for name in leaf["needs"]]
        if kind in self.document["tiers"]:
            needs += self.document["tiers"][kind]["needs"]
        for need in needs:
            fields.setdefault(need["scope"], {}).setdefault(need["at"], set()).update(need["fields"])
        for code in leaf["codes"]:
            rule = self.rules[code]
            if rule["item_id"]:
                items.setdefault(rule["scope"], set()).add(rule["item_id"][-1])
        requests = {name for code in leaf["codes"] for name in self.rules[code]["request"]}
        return Selection(
            codes=tuple(leaf["codes"]),
            fields={s: {at: frozenset(names) for at, names in groups.items()} for s, groups in fields.items()},
            item_fields={scope: frozenset(names) for scope, names in items.items()},
            request_fields=frozenset(requests),
        )

    def action(self, tier: str, environment: str, point: str, code: str) -> str | None:
        """Return the configured action, or None where the configuration has none."""
        actions = self.document["actions"]
        table = actions["by"].get(tier, {}).get(environment, {}).get(point)
        found: str | None = actions["tables"].get(table, {}).get(code)
        return found

    @cached_property
    def warned(self) -> Mapping[str, str]:
        """Return the rules that the profile `starter` only warns about, with the reason."""
        warned: Mapping[str, str] = self.document["warned"]
        return warned


_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+(?:\.[a-z_]+){0,3})\}")
_MAX_VALUE: Final = 200


def placeholders(template: str) -> list[list[str]]:
    """Return the path of each placeholder of a message: `{workload.name}` gives `["workload", "name"]`."""
    return [path.split(".") for path in _PLACEHOLDER.findall(template)]


def render(template: str, item: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Fill `{field}` and `{group.field}` of a message from the item, then from the request; `?` for what is absent.

    Values are shortened to 200 characters and stripped of control characters, because they come from outside.
    """
    return _PLACEHOLDER.sub(lambda match: _value(match.group(1).split("."), item, request), template)


def pattern(
    template: str, item: Mapping[str, Any], request: Mapping[str, Any], unknown: Callable[[list[str]], bool]
) -> str:
    """Return a regular expression for what `render` makes of a message where some of the item is no longer known.

    `unknown` tells for the path of a placeholder whether its value is not known here, and so may be any.
    """
    parts: list[str] = []
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        path = match.group(1).split(".")
        parts.append(re.escape(template[end : match.start()]))
        parts.append(f".{{0,{_MAX_VALUE}}}" if unknown(path) else re.escape(_value(path, item, request)))
        end = match.end()
    return "".join([*parts, re.escape(template[end:])])


def _value(path: list[str], item: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    for source in (item, request):
        found: Any = source
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None:
            return _plain(found)
    return "?"


def _plain(value: Any) -> str:
    text = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 3] + "..."
