"""Decisive cases: what each rule must say about inputs that differ from an allowed sample in one declared thing.

Line coverage through a shared decision proves nothing about a rule. So the cases come from its annotation: deleted,
mistyped, aged, weakened and misattributed evidence is not evaluable; another value of a declared field fails; of two
items exactly the wrong one fails; a list that is not proven complete proves nothing. A case is a patch (RFC 6902) on
a sample, so that `opa test` and the engine's own client can run the very same ones.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from proctor.errors import PolicyError

Kind = Literal["base", "deletion", "type", "age", "tier", "about", "decisive", "list", "request", "exempt"]
Expectation = Literal["pass", "fail", "not_evaluable", "exempt", "refused"]
Patch = list[dict[str, Any]]
Place = list[str | int]

SKEW: Final = timedelta(minutes=5)
"""How far ahead evidence may be dated (`lib.evidence`)."""

_WRONG: Final[Mapping[str, Sequence[Any]]] = {
    "string": (None, 5, True, [], {}, ""),
    "strings": (None, 5, "text", {}, [5], [None], [""], ["right", True]),
    "number": (None, "5", True, [], {}),
    "boolean": (None, "true", 1, 0, [], {}),
    "timestamp": (None, 5, "yesterday", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+01:00", "9999-01-01T00:00:00Z"),
}
_NO_TIMES: Final = (None, 5, "", "2026-13-01T00:00:00Z", "2200-01-01T00:00:00Z", "2026-01-01", "2026-01-01t00:00:00z")


@dataclass(frozen=True, slots=True)
class Case:
    """One case. Each of `patches` is applied alone; `every` or `some` of them must come out as expected."""

    name: str
    rule: str
    kind: Kind
    sample: str
    patches: list[Patch]
    expect: Expectation
    at: list[Place]
    """The places that the rule reports; all other places pass."""
    quantifier: Literal["every", "some"] = "every"

    def document(self) -> dict[str, Any]:
        """Return the case as JSON."""
        return asdict(self)


def generate(index: Mapping[str, Any], samples: Mapping[str, Mapping[str, Any]]) -> list[Case]:
    """Return the cases of every rule of the index.

    `samples` holds inputs by name. One whose name starts with `exempt_` is the exempt sample of the rule
    `exempt_<rule name>`; all others must be allowed. Raises `PolicyError` for a rule without a sample, and for a
    sample that is too poor to prove anything (fewer than two items in a list that the rule walks).
    """
    cases: list[Case] = []
    problems: list[str] = []
    for code in sorted(index["rules"]):
        name = next((n for n, document in samples.items() if _selects(index, code, document) and not n.startswith("exempt_")), None)
        if name is None:
            problems.append(f"{code}: no sample in rego/samples/inputs is a question to which this rule applies")
            continue
        generator = _Generator(index, code, name, samples[name])
        problems += generator.problems()
        if not problems:
            cases += generator.cases()
        exempt = f"exempt_{code.split('.')[1]}"
        if exempt in samples:
            cases += _Generator(index, code, exempt, samples[exempt]).exempt_cases()
    if problems:
        raise PolicyError("generating the decisive cases", problems)
    return cases


def apply(document: Mapping[str, Any], patch: Patch) -> dict[str, Any]:
    """Return a copy of the document with the operations `add`, `replace` and `remove` applied."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    for operation in patch:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder: Any = changed
        for part in way:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        key: Any = int(last) if isinstance(holder, list) else last
        if operation["op"] == "remove":
            del holder[key]
        elif operation["op"] == "add" and isinstance(holder, list):
            holder.insert(key, operation["value"])
        else:
            holder[key] = operation["value"]
    return changed


def judge(case: Case, verdicts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why the verdicts on the patched inputs, in order, are not what the case expects; None if they are."""
    wrong = [found for found in (_difference(case, verdict) for verdict in verdicts) if found]
    if not verdicts:
        return "nothing was evaluated"
    if case.quantifier == "every":
        return wrong[0] if wrong else None
    return None if len(wrong) < len(verdicts) else f"no other value made it {case.expect}: {wrong[0]}"


def _difference(case: Case, verdict: Mapping[str, Any]) -> str | None:
    if case.expect == "refused":
        return None if verdict["outcome"] != "allow" else "allowed"
    if verdict["problems"]:
        return f"problems {verdict['problems']}"
    counted = verdict["rules"][case.rule]
    found = sorted(([f["at"], f["status"]] for f in verdict["findings"] if f["rule"] == case.rule), key=str)
    if case.expect in {"pass", "exempt"}:
        all_of = counted["compliant" if case.expect == "pass" else "exempt"]
        return None if not found and all_of == counted["places"] else f"findings {found}, counts {counted}"
    wanted = sorted(([place, case.expect] for place in case.at), key=str)
    return None if found == wanted else f"findings {found} instead of {wanted}"


def _selects(index: Mapping[str, Any], code: str, document: Mapping[str, Any]) -> bool:
    leaf = index["select"].get(document["stage"], {}).get(document["subject"]["kind"], {}).get(document["operation"], {})
    return code in leaf.get("codes", ())


class _Generator:
    """The cases of one rule on one sample."""

    def __init__(self, index: Mapping[str, Any], code: str, name: str, sample: Mapping[str, Any]) -> None:
        self._rule: Mapping[str, Any] = index["rules"][code]
        self._needs: Mapping[str, Any] = index["needs"]
        self._scopes: Mapping[str, list[str]] = index["scopes"]
        self._environments: Sequence[str] = index["environments"]
        self._code, self._name, self._sample = code, name, sample
        self._now = datetime.fromisoformat(sample["context"]["now"])
        self._places = self._walk(self._rule["scope"])

    def problems(self) -> Iterator[str]:
        """Yield why the sample can't prove anything about the rule."""
        if self._rule["scope"] and len(self._places) < 2:
            yield f"{self._code}: sample {self._name!r} needs at least two items in {self._rule['scope']}"

    def cases(self) -> Iterator[Case]:
        """Yield all cases; the sample is expected to pass."""
        yield self._case("the sample passes", "base", [[]], "pass")
        for use in self._rule["needs"]:
            for place in self._walk(self._needs[use["need"]]["scope"]):
                yield from self._evidence(use, place)
        yield from self._request()
        yield from self._lists()

    def exempt_cases(self) -> Iterator[Case]:
        """Yield the cases of an exempt sample: exempt as it stands, and not without any of its hard evidence."""
        yield self._case("the exempt sample is exempt", "exempt", [[]], "exempt")
        for use in self._rule["needs"]:
            need = self._needs[use["need"]]
            if use["soft"]:
                continue
            for place in self._walk(need["scope"]):
                for field in need["fields"]:
                    patch = [_remove([*place, need["at"], field])]
                    title = f"{_text(place)}{need['at']}.{field} missing from the exempt sample"
                    yield self._case(title, "exempt", [patch], "not_evaluable", self._affected(use, place))

    def _case(
        self, title: str, kind: Kind, patches: list[Patch], expect: Expectation, at: list[Place] | None = None, *, some: bool = False
    ) -> Case:
        return Case(f"{self._code}: {title}", self._code, kind, self._name, patches, expect, at or [], "some" if some else "every")

    def _walk(self, scope: str) -> list[Place]:
        found: list[Place] = [[]]
        for level in self._scopes.get(scope, []):
            found = [[*path, level, i] for path in found for i in range(len(_at(self._sample["facts"], [*path, level])))]
        return found

    def _affected(self, use: Mapping[str, Any], place: Place) -> list[Place]:
        if use["rel"] == "same":
            return [place]
        if use["rel"] == "up":
            return [own for own in self._places if own[: use["length"]] == place]
        return self._places

    def _evidence(self, use: Mapping[str, Any], place: Place) -> Iterator[Case]:
        need = self._needs[use["need"]]
        group = [*place, need["at"]]
        at = self._affected(use, place)
        where = f"{_text(place)}{need['at']}"
        values = _at(self._sample["facts"], group)
        moments = [*group, "evidence", "observed_at"]

        def unproven(title: str, kind: Kind, patches: list[Patch]) -> Case:
            return self._case(f"{where} {title}", kind, patches, "not_evaluable", at)

        yield unproven("missing", "deletion", [[_remove(group)]])
        yield unproven("is no object", "type", [[_replace(group, value)] for value in (None, [], "x", 1, True)])
        yield unproven("without evidence", "deletion", [[_remove([*group, "evidence"])]])
        for part in ("about", "observed_at", "tier"):
            yield unproven(f"without evidence.{part}", "deletion", [[_remove([*group, "evidence", part])]])
        yield unproven("about something else", "about", [[_replace([*group, "evidence", "about"], v)] for v in ("sha256:" + "0" * 64, "", None, 5)])
        yield unproven("undated", "age", [[_replace(moments, value)] for value in _NO_TIMES])
        yield unproven("from the future", "age", [[_replace(moments, _instant(self._now + SKEW + timedelta(microseconds=1)))]])
        yield self._case(f"{where} from a clock that runs ahead", "age", [[_replace(moments, _instant(self._now + SKEW))]], "pass")
        if need["max_age_s"]:
            oldest = self._now - timedelta(seconds=need["max_age_s"])
            yield unproven("as old as its limit", "age", [[_replace(moments, _instant(oldest))]])
            yield self._case(f"{where} just inside its limit", "age", [[_replace(moments, _instant(oldest + timedelta(microseconds=1)))]], "pass")
        weaker = [tier for rank, tier in enumerate(("declared", "observed", "verified")) if rank < need["min_rank"]]
        yield unproven("too weak", "tier", [[_replace([*group, "evidence", "tier"], tier)] for tier in (*weaker, "Verified", None, 2)])
        for field, kind in need["fields"].items():
            yield unproven(f"without {field}", "deletion", [[_remove([*group, field])]])
            yield unproven(f"{field} mistyped", "type", [[_replace([*group, field], value)] for value in _WRONG[kind]])
            if not use.get("present_only"):
                patches = [[_replace([*group, field], other)] for other in _others(kind, values[field])]
                yield self._case(f"{where}.{field} decides", "decisive", patches, "fail", at, some=True)

    def _request(self) -> Iterator[Case]:
        for field, kind in self._rule["request"].items():
            wrong = [[_replace_root([field], value)] for value in _WRONG[kind]]
            yield self._case(f"request without {field}", "request", [[{"op": "remove", "path": f"/{field}"}], *wrong], "refused")
            own = self._sample[field]
            others = [name for name in self._environments if name != own] if field == "environment" else _others(kind, own)
            yield self._case(f"{field} decides", "decisive", [[_replace_root([field], o)] for o in others], "fail", self._places, some=True)

    def _lists(self) -> Iterator[Case]:
        levels = self._scopes.get(self._rule["scope"], [])
        if len(levels) != 1:
            return
        level = levels[0]
        items = self._sample["facts"][level]
        parts = _replace_root(["subject", "parts", level], [])
        whole: list[Place] = [[level]]
        if self._rule["may_be_empty"]:
            yield self._case("no item is fine", "list", [[_replace([level], []), parts]], "pass")
        else:
            yield self._case("no item proves nothing", "list", [[_replace([level], []), parts]], "not_evaluable", whole)
        broken: list[Patch] = [
            [_replace([level], [])],
            [_remove([level])],
            [_remove([level, 0])],
            [_remove([level, len(items) - 1])],
            [{"op": "add", "path": f"/facts/{level}/0", "value": items[-1]}],
            [_replace([level, 0], items[-1])],
            [_replace([level, 0, "digest"], "sha256:" + "0" * 64)],
            [_replace_root(["subject", "parts", level], [*self._sample["subject"]["parts"][level], "sha256:" + "0" * 64])],
            *([_replace([level], value)] for value in (None, "x", 5, True, {}, {"0": items[0]}, [items], [None], ["x"])),
        ]
        yield self._case("a list that is not the subject's parts", "list", broken, "not_evaluable", whole)
        nameless = [[_replace([level, 0, field], value)] for field in self._rule["item_id"] for value in ("", 5, None)]
        if nameless and "digest" in items[0]:
            yield self._case("an item without identity", "list", nameless, "not_evaluable", [[level, 0]])


def _others(kind: str, value: Any) -> list[Any]:
    """Return other values of the same type: an extreme or a neighbour decides, whatever the rule compares with."""
    if kind == "boolean":
        return [not value]
    if kind == "number":
        return [value + 1, value - 1, 0, -1, 10**9]
    if kind == "strings":
        return [[], ["some-other-value"], [*value, "some-other-value"]]
    if kind == "timestamp":
        return ["2000-01-01T00:00:00Z", "2099-12-31T23:59:59Z"]
    return ["some-other-value", f"{value}x"]


def _at(document: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        document = document[part]
    return document


def _text(place: Place) -> str:
    return "".join(f"{part}/" for part in place)


def _pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _replace(path: Sequence[str | int], value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": "/facts" + _pointer(path), "value": value}


def _replace_root(path: Sequence[str | int], value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": _pointer(path), "value": value}


def _remove(path: Sequence[str | int]) -> dict[str, Any]:
    return {"op": "remove", "path": "/facts" + _pointer(path)}


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
