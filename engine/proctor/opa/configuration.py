"""Configuration of the policy: actions, thresholds, lists, chains, tiers and limits, compiled for the bundle.

The provided defaults are `rego/governance/config/provided.yaml`; an organisation lays its own over them. Wildcards
exist only here: they are expanded now, the most specific entry wins, and a tie is an error, because in Rego an
environment that nobody knows must find nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proctor.errors import PolicyError
from proctor.opa.annotations import Custom, RuleAnnotation, Waivable
from proctor.settings import PolicySettings
from proctor.vocabulary.facts import Identifier
from proctor.vocabulary.words import Action, Point, RiskTier, Severity

ANY = "*"
PERMITTED, PROHIBITED = "purposes_permitted", "purposes_prohibited"
"""Lists of purposes. The configured purposes are the permitted ones unless the list is given."""
Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A threshold. Strict: YAML reads `yes` as true, which would count as 1."""


class Part(BaseModel):
    """Base: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ActionEntry(Part):
    """What a failing rule does where all five selectors match; `*` matches anything."""

    rule: str = ANY
    severity: Severity | Literal["*"] = "*"
    tier: RiskTier | Literal["*"] = "*"
    environment: str = ANY
    point: Point | Literal["*"] = "*"
    action: Action

    def matches(self, rule: str, severity: str, tier: str, environment: str, point: str) -> bool:
        """Tell whether this entry speaks about the case."""
        pairs = zip(self._selectors, (rule, severity, tier, environment, point), strict=True)
        return all(selector in (ANY, value) for selector, value in pairs)

    @property
    def _selectors(self) -> tuple[str, ...]:
        return (self.rule, self.severity, self.tier, self.environment, self.point)

    @property
    def weight(self) -> int:
        """Return how specific the entry is: the number of selectors that are not `*`."""
        return sum(selector != ANY for selector in self._selectors)


class Step(Part):
    """One step of an approval chain."""

    name: Identifier
    needs: Annotated[int, Field(ge=1, le=10)]


class ChainEntry(Part):
    """The steps of approval that a rule needs where the selectors match."""

    rule: str = ANY
    tier: RiskTier | Literal["*"] = "*"
    environment: str = ANY
    steps: Annotated[list[Step], Field(min_length=1)]


class Band(Part):
    """A band of the scoring table."""

    tier: RiskTier
    up_to: int


class Factor(Part):
    """One factor of the risk tier: the group of facts in which it is a field, and the points of its values."""

    group: Identifier
    points: Annotated[dict[str, Annotated[int, Field(ge=0, le=100)]], Field(min_length=1)]


class Tiers(Part):
    """The scoring table: points for each value of each factor, and bands over the sum."""

    factors: dict[Identifier, Factor]
    bands: list[Band]


class Limits(Part):
    """Bounds of one decision."""

    places: Annotated[int, Field(ge=1, le=100_000)]


class Configuration(Part):
    """The whole configuration after the organisation's has been laid over the provided one."""

    environments: Annotated[list[Identifier], Field(min_length=1)]
    actions: list[ActionEntry]
    chains: list[ChainEntry]
    thresholds: dict[Identifier, dict[RiskTier, Number]]
    lists: dict[Identifier, list[str]]
    tiers: Tiers
    limits: Limits
    waivers: dict[str, Annotated[int, Field(ge=1, le=366)] | Literal[False]] = {}
    """How many days a waiver of a rule may last, where it is not what the rule's annotation says; false: none."""


class Layer(Protocol):
    """What a pack lays over the provided configuration, before the organisation's own root configuration."""

    actions: list[ActionEntry]
    thresholds: dict[str, Any]
    lists: dict[str, list[str]]
    waivers: dict[str, Any]


def load(provided: Path, own: PolicySettings, packs: Sequence[Layer] = ()) -> Configuration:
    """Read the provided file and lay the packs and then `own` over it.

    A pack may bring names of its own, which `own` can set. Raises `PolicyError` with one line for each wrong entry.
    """
    try:
        document: dict[str, Any] = yaml.safe_load(provided.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PolicyError(f"reading {provided}", [str(error)]) from error
    document["waivers"] = {}
    for pack in packs:
        document["actions"] += pack.actions
        for part in ("thresholds", "lists", "waivers"):
            document[part] = {**document[part], **getattr(pack, part)}
    document["waivers"] |= own.waivers
    document["actions"] = [*document["actions"], *own.actions]
    document["environments"] = list(dict.fromkeys([*document["environments"], *own.environments]))
    problems = [
        f"thresholds.{name}: no rule knows this name" for name in own.thresholds if name not in document["thresholds"]
    ]
    problems += [f"lists.{name}: no rule knows this name" for name in own.lists if name not in document["lists"]]
    document["thresholds"] = {
        name: value if isinstance(value, dict) else {str(tier): value for tier in RiskTier}
        for name, value in {**document["thresholds"], **own.thresholds}.items()
    }
    document["lists"] = {**document["lists"], **own.lists}
    problems += _lay_points(document["tiers"]["factors"], own.tiers)
    if own.purposes and PERMITTED not in own.lists:
        document["lists"][PERMITTED] = sorted(own.purposes)
    problems += [
        f"lists.{PERMITTED}: {name} is a prohibited practice (AI Act Art. 5), which nobody can permit"
        for name in document["lists"].get(PERMITTED, ())
        if name in document["lists"].get(PROHIBITED, ())
    ]
    try:
        configuration = Configuration.model_validate(document)
    except ValidationError as error:
        problems += [
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
    if problems:
        raise PolicyError(
            "reading the policy's configuration", problems, "Mend the `policy` section of the configuration"
        )
    incomplete = [name for name, values in configuration.thresholds.items() if set(values) != set(RiskTier)]
    if incomplete:
        raise PolicyError(
            "reading the policy's configuration",
            [f"thresholds.{name}: give a value for every risk tier" for name in incomplete],
        )
    return configuration


def _lay_points(factors: dict[str, dict[str, Any]], own: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lay the organisation's points over the provided ones, and return a line for each factor that does not exist."""
    for name in own.keys() & factors.keys():
        factors[name] = {**factors[name], "points": {**factors[name]["points"], **own[name]}}
    strangers = sorted(own.keys() - factors.keys())
    return [f"tiers.{name}: no such factor; there is {', '.join(factors)}" for name in strangers]


def with_waivers(rules: Sequence[RuleAnnotation], configuration: Configuration) -> list[RuleAnnotation]:
    """Return the rules with the waivers that the configuration permits; raise `PolicyError` for a rule that is none."""
    if strangers := sorted(configuration.waivers.keys() - {rule.code for rule in rules}):
        raise PolicyError("reading the policy's configuration", [f"waivers.{code}: no such rule" for code in strangers])
    return [
        rule
        if rule.code not in configuration.waivers
        else rule.model_copy(update={"custom": _waivable(rule.custom, configuration.waivers[rule.code])})
        for rule in rules
    ]


def _waivable(custom: Custom, days: int | Literal[False]) -> Custom:
    return custom.model_copy(update={"waivable": Waivable(max_days=days) if days else False})


def values(configuration: Configuration) -> dict[str, Any]:
    """Return the document that rules and libraries look up under `data.governance.config.values`."""
    return {
        "lists": dict(configuration.lists),
        "thresholds": {name: {str(t): v for t, v in by.items()} for name, by in configuration.thresholds.items()},
        "tiers": configuration.tiers.model_dump(mode="json"),
    }


def actions(configuration: Configuration, rules: Sequence[RuleAnnotation], warned: Mapping[str, str]) -> dict[str, Any]:
    """Expand the actions to `{tables: {id: {code: action}}, by: {tier: {environment: {point: id}}}}`.

    `warned` holds the rules that the profile `starter` only warns about, with the reason. Equal tables are kept
    once: expanded naively they are most of the index. Raises `PolicyError` for a tie, a rule that no entry
    matches, an unknown name in a selector, and a critical rule that prod would only dry-run.
    """
    problems = _unknown_selectors(configuration, rules)
    tables: dict[str, dict[str, str]] = {}
    ids: dict[tuple[tuple[str, str], ...], str] = {}
    by: dict[str, Any] = {}
    for tier in RiskTier:
        for environment in configuration.environments:
            for point in Point:
                table: dict[str, str] = {}
                for rule in rules:
                    found = _action(configuration.actions, rule, tier, environment, point, problems)
                    table[rule.code] = str(Action.WARN if rule.code in warned and found is Action.DENY else found)
                key = tuple(sorted(table.items()))
                name = ids.setdefault(key, f"t{len(ids)}")
                tables[name] = table
                by.setdefault(str(tier), {}).setdefault(environment, {})[str(point)] = name
    if problems:
        raise PolicyError("expanding the actions", sorted(set(problems)))
    return {"tables": tables, "by": by}


def _unknown_selectors(configuration: Configuration, rules: Sequence[RuleAnnotation]) -> list[str]:
    codes = {rule.code for rule in rules} | {ANY}
    environments = {*configuration.environments, ANY}
    entries: list[ActionEntry | ChainEntry] = [*configuration.actions, *configuration.chains]
    problems = [f"rule {entry.rule!r} does not exist" for entry in entries if entry.rule not in codes]
    problems += [
        f"environment {entry.environment!r} is not configured"
        for entry in entries
        if entry.environment not in environments
    ]
    return problems


def _action(
    entries: Sequence[ActionEntry], rule: RuleAnnotation, tier: str, environment: str, point: str, problems: list[str]
) -> Action:
    severity = rule.custom.severity
    matching = [entry for entry in entries if entry.matches(rule.code, severity, tier, environment, point)]
    where = f"{rule.code} at {tier}/{environment}/{point}"
    if not matching:
        problems.append(f"{where}: no action matches")
        return Action.DENY
    weight = max(entry.weight for entry in matching)
    found = {entry.action for entry in matching if entry.weight == weight}
    if len(found) > 1:
        problems.append(f"{where}: {' and '.join(sorted(found))} are equally specific")
        return Action.DENY
    action = found.pop()
    if action is Action.DRYRUN and severity is Severity.CRITICAL and environment == "prod":
        problems.append(f"{where}: a critical rule may not be a dry run in prod")
    return action


def chains(configuration: Configuration, rules: Sequence[RuleAnnotation]) -> dict[str, Any]:
    """Expand the approval chains to `{tier: {environment: {code: steps}}}` for the approvable rules.

    Raises `PolicyError` for a tie. A rule without a chain can't be approved: an empty chain never completes.
    """
    expanded: dict[str, Any] = {}
    problems: list[str] = []
    for tier in RiskTier:
        for environment in configuration.environments:
            for rule in rules:
                if not rule.custom.approvable:
                    continue
                steps = _steps(configuration.chains, rule.code, tier, environment, problems)
                expanded.setdefault(str(tier), {}).setdefault(environment, {})[rule.code] = steps
    if problems:
        raise PolicyError("expanding the approval chains", problems)
    return expanded


def _steps(
    entries: Sequence[ChainEntry], code: str, tier: str, environment: str, problems: list[str]
) -> list[dict[str, Any]]:
    wanted = (code, tier, environment)
    best: list[ChainEntry] = []
    weight = -1
    for entry in entries:
        selectors = (entry.rule, entry.tier, entry.environment)
        if not all(selector in (ANY, value) for selector, value in zip(selectors, wanted, strict=True)):
            continue
        own = sum(selector != ANY for selector in selectors)
        if own > weight:
            best, weight = [entry], own
        elif own == weight:
            best.append(entry)
    if len({tuple((step.name, step.needs) for step in entry.steps) for entry in best}) > 1:
        problems.append(f"{code} at {tier}/{environment}: two chains are equally specific")
    return [step.model_dump() for step in best[0].steps] if best else []
