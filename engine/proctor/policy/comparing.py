"""The semantic difference of two policies: what a rule asks, how hard, where, and what it is held against.

Compared is what the bundle holds, so a difference of spelling in a source that means the same shows as a changed
source and as nothing else. Each change is one line: what kind, of what, before, after.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from proctor.opa.archive import Archive
from proctor.opa.configuration import ANY

_ELSEWHERE: Final = frozenset({"scope", "item_id", "names", "needs", "request", "file", "digest"})
"""Fields of a rule that are told in words of their own; all others are compared as they are."""
_SHOWN: Final = 160


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    kind: str
    """`rule`, `source`, `severity`, `evidence`, `action`, `threshold`, `list`, `tiers`, ..."""
    of: str
    """The rule's code, the threshold's name, ..."""
    before: str
    after: str
    """Both in words; empty where there was or is nothing."""


def compare(before: Archive, after: Archive) -> list[Change]:
    """Return what differs, in an order that does not depend on anything but the two."""
    if before.digest == after.digest:
        return []
    found = [
        *_rules(before, after),
        *_actions(before.document, after.document),
        *_configuration(before, after),
        *_sources(before, after),
    ]
    return found or [Change("bundle", "", before.digest, after.digest)]


def _rules(before: Archive, after: Archive) -> Iterator[Change]:
    was, now = before.document["rules"], after.document["rules"]
    for code in sorted(was.keys() | now.keys()):
        if code not in now:
            yield Change("rule", code, f"{was[code]['severity']}: {was[code]['title']}", "")
        elif code not in was:
            yield Change("rule", code, "", f"{now[code]['severity']}: {now[code]['title']}")
        else:
            yield from _rule(code, before, after)


def _rule(code: str, before: Archive, after: Archive) -> Iterator[Change]:
    was, now = before.document["rules"][code], after.document["rules"][code]
    if before.rego.get(was["file"]) != after.rego.get(now["file"]):
        yield Change("source", code, was["digest"][7:19], now["digest"][7:19])
    for name in sorted((was.keys() | now.keys()) - _ELSEWHERE):
        if was.get(name) != now.get(name):
            yield Change(name, code, _shown(was.get(name)), _shown(now.get(name)))
    asked, asks = _evidence(code, before.document), _evidence(code, after.document)
    for place in sorted(asked.keys() | asks.keys()):
        if asked.get(place) != asks.get(place):
            yield Change("evidence", f"{code} {place}", asked.get(place, ""), asks.get(place, ""))
    places, place = _looks(was), _looks(now)
    if places != place:
        yield Change("places", code, places, place)
    applied, applies = _applies(code, before.document), _applies(code, after.document)
    if applied != applies:
        yield Change("applies to", code, ", ".join(sorted(applied - applies)), ", ".join(sorted(applies - applied)))


def _looks(rule: Mapping[str, Any]) -> str:
    return f"{rule['scope'] or 'the whole request'} by {', '.join(rule['item_id']) or 'nothing'}"


def _evidence(code: str, document: Mapping[str, Any]) -> dict[str, str]:
    """Return what a rule needs to know, in words, by where it stands."""
    found: dict[str, str] = {}
    rule = document["rules"][code]
    for use in rule["needs"]:
        need = document["needs"][use["need"]]
        fields = ", ".join(f"{name}: {kind}" for name, kind in need["fields"].items()) or "present"
        age = f", at most {need['max_age_s']} s old" if need["max_age_s"] else ""
        soft = ", unless exempt" if use["soft"] else ""
        tier = ("declared", "observed", "verified")[need["min_rank"]] if need["min_rank"] in range(3) else "?"
        where = "/".join(filter(None, (need["scope"], need["at"])))
        text = f"{fields} ({tier} about {need['about']}{age}{soft})"
        found[where] = "; ".join(filter(None, (found.get(where), text)))
    return found | {f"request.{name}": kind for name, kind in rule["request"].items()}


def _applies(code: str, document: Mapping[str, Any]) -> set[str]:
    return {
        f"{operation} of a {kind} at {stage}"
        for stage, kinds in document["select"].items()
        for kind, operations in kinds.items()
        for operation, leaf in operations.items()
        if code in leaf["codes"]
    }


# --- Actions: what a failing rule does, per tier, environment and point --------------------------------------------

_Case = tuple[str, str, str]


def _actions(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Yield where actions differ, for rules in both; many cases that change alike are written as one selector."""
    common = sorted(was["rules"].keys() & now["rules"].keys())
    before, after = _expanded(was), _expanded(now)
    space = _Space(before.keys() & after.keys())
    lines: dict[tuple[str, str, str], list[str]] = {}
    for code in common:
        changed: dict[tuple[str, str], set[_Case]] = {}
        for case in space.cases:
            pair = (before[case].get(code, ""), after[case].get(code, ""))
            if pair[0] != pair[1]:
                changed.setdefault(pair, set()).add(case)
        for (one, other), cases in sorted(changed.items()):
            for selector in space.selectors(cases):
                lines.setdefault((selector, one, other), []).append(code)
    for (selector, one, other), codes in sorted(lines.items()):
        named = "every rule" if codes == common and len(codes) > 1 else ", ".join(codes)
        yield Change("action", f"{named} at {selector}", one, other)


def _expanded(document: Mapping[str, Any]) -> dict[_Case, Mapping[str, str]]:
    actions = document["actions"]
    return {
        (tier, environment, point): actions["tables"][table]
        for tier, environments in actions["by"].items()
        for environment, points in environments.items()
        for point, table in points.items()
    }


class _Space:
    """All cases in which both policies have an action, and how a set of them is written shortest."""

    def __init__(self, cases: Any) -> None:
        self.cases: list[_Case] = sorted(cases)
        self._all = [sorted({case[part] for case in self.cases}) for part in range(3)]

    def selectors(self, cases: set[_Case]) -> list[str]:
        """Return `tier/environment/point` lines that cover exactly these cases; `*` stands for all, `|` for some."""
        parts = [sorted({case[part] for case in cases}) for part in range(3)]
        if len(cases) == len(parts[0]) * len(parts[1]) * len(parts[2]) == len(set(product(*parts)) & cases):
            return ["/".join(map(self._part, range(3), parts))]
        # No block: one block for each environment, or for each tier in it, or case by case.
        for part in (1, 0, 2):
            if len(parts[part]) > 1:
                return [
                    line
                    for value in parts[part]
                    for line in self.selectors({case for case in cases if case[part] == value})
                ]
        return ["/".join(case) for case in sorted(cases)]

    def _part(self, number: int, values: list[str]) -> str:
        return ANY if values == self._all[number] and len(values) > 1 else "|".join(values)


# --- Configuration ---------------------------------------------------------------------------------------------------

_GENERATED: Final = frozenset({"rules", "needs", "names", "scopes", "select", "actions", "revision"})
"""Of the index: what follows from annotations, and is compared above."""


def _configuration(before: Archive, after: Archive) -> Iterator[Change]:
    was, now = before.data["governance"]["config"]["values"], after.data["governance"]["config"]["values"]
    kinds = {"thresholds": "threshold", "lists": "list"}
    for name in sorted(was.keys() | now.keys()):
        yield from _leaves(kinds.get(name, name), was.get(name), now.get(name), deep=1 if name in kinds else 6)
    old, new = before.document, after.document
    for name in sorted((old.keys() | new.keys()) - _GENERATED):
        yield from _leaves(name, old.get(name), new.get(name), deep=6)
    known = {"config", "index"}
    for name in sorted((before.data["governance"].keys() | after.data["governance"].keys()) - known):
        data = (before.data["governance"].get(name), after.data["governance"].get(name))
        yield from _leaves(name, *data, deep=6)


def _leaves(kind: str, was: Any, now: Any, *, deep: int, path: str = "") -> Iterator[Change]:
    """Yield where two documents differ: inside of objects down to `deep`, and of lists what was added or removed."""
    if was == now:
        return
    if deep and isinstance(was, Mapping | None) and isinstance(now, Mapping | None):
        left, right = was or {}, now or {}
        for key in sorted(left.keys() | right.keys()):
            yield from _leaves(kind, left.get(key), right.get(key), deep=deep - 1, path=f"{path}.{key}".lstrip("."))
    elif isinstance(was, list) and isinstance(now, list) and all(isinstance(one, str) for one in (*was, *now)):
        gone, new = sorted(set(was) - set(now)), sorted(set(now) - set(was))
        yield Change(kind, path, ", ".join(gone), ", ".join(new) if gone or new else "another order")
    else:
        yield Change(kind, path, _shown(was), _shown(now))


# --- Sources ---------------------------------------------------------------------------------------------------------


def _sources(before: Archive, after: Archive) -> Iterator[Change]:
    """Yield the files that differ and belong to no rule: libraries, the aggregator, who may call the API."""
    owned = {rule["file"] for one in (before, after) for rule in one.document["rules"].values()}
    say: Callable[[bytes | None], str] = lambda text: "" if text is None else f"{len(text.splitlines())} lines"  # noqa: E731
    for path in sorted(before.rego.keys() | after.rego.keys()):
        was, now = before.rego.get(path), after.rego.get(path)
        if was != now and path not in owned and "/dispatch/" not in path:
            yield Change("library", path, say(was), say(now) if say(was) != say(now) else "changed")


def _shown(value: Any) -> str:
    """Return a value in words, shortened."""
    if value is None or value == "":
        return ""
    if isinstance(value, list):
        text = ", ".join(map(str, value)) if all(isinstance(one, str) for one in value) else json.dumps(value)
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, sort_keys=True)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
