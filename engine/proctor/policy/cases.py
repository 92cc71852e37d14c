"""Decisive cases: what each rule must say about inputs that differ from an allowed sample in one declared thing.

Line coverage through a shared decision proves nothing about a rule. So the cases come from its annotation: deleted,
mistyped, aged, weakened and misattributed evidence is not evaluable; another value of a declared field fails; of two
items exactly the wrong one fails; a list that is not proven complete proves nothing. A case is a patch (RFC 6902) on
a sample, so that `opa test` and the engine's own client can run the very same ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from proctor.policy.patches import Patch, Place, of_request, remove, replace, value_at

Kind = Literal["base", "deletion", "type", "age", "tier", "about", "decisive", "list", "request", "exempt"]
Expectation = Literal["pass", "fail", "not_evaluable", "exempt", "not_exempt", "refused"]

SKEW: Final = timedelta(minutes=5)
"""How far ahead evidence may be dated (`lib.evidence`)."""

_ENOUGH: Final = 2
"""Items in a list: with one, a rule that forgets which item it looks at can't be told from a right one."""
_WRONG: Final[Mapping[str, Sequence[Any]]] = {
    "string": (None, 5, True, [], {}, ""),
    "strings": (None, 5, "text", {}, [5], [None], [""], ["right", True]),
    "number": (None, "5", True, [], {}),
    "boolean": (None, "true", 1, 0, [], {}),
    "timestamp": (
        None,
        5,
        "yesterday",
        "2026-01-01",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:00+01:00",
        "9999-01-01T00:00:00Z",
    ),
}
_NO_GROUPS: Final[Sequence[Any]] = (None, [], "x", 1, True)
_NAMELESS: Final[Sequence[Any]] = ("", 5, None)
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


Field: TypeAlias = tuple[str, str, str]
"""Scope, group and name of a declared field."""


@dataclass(frozen=True, slots=True)
class Roles:
    """What the declared fields of one rule are for. Every other field decides whether its place is compliant."""

    exempts: bool = False
    """Whether the rule has an `exempt` set."""
    excusing: frozenset[Field] = frozenset()
    """Fields that only `exempt` reads: they decide in the exempt sample."""
    present_only: frozenset[Field] = frozenset()
    """Fields of groups that need only be proven."""

    @property
    def undecided(self) -> frozenset[Field]:
        """Return the fields of which another value changes nothing in the allowed sample."""
        return self.excusing | self.present_only


def generate(
    index: Mapping[str, Any],
    samples: Mapping[str, Mapping[str, Any]],
    roles: Mapping[str, "Roles"],
) -> tuple[list[Case], list[str]]:
    """Return the cases of every rule in `roles`, and one line for each rule that nothing can be proven about.

    `samples` holds inputs by name, the first that suits a rule is taken. One whose name ends in `exempt_<rule name>`
    is the exempt sample of that rule; all others must be allowed. `roles` says of each rule what its fields are for.

    A rule needs a sample for each stage and kind of subject to which it applies. The sample must hold every group that
    the rule declares, and two items in every list that it walks, so that of two items exactly the wrong one can fail.
    """
    cases: list[Case] = []
    problems: list[str] = []
    for code in sorted(roles):
        allowed = {name: sample for name, sample in samples.items() if not _is_exempt(name)}
        for stage, kind in _applications(index, code):
            found = [name for name, sample in allowed.items() if _selects(index, code, sample, stage, kind)]
            wanting = {name: [*_Generator(index, code, name, allowed[name], roles[code]).wanting()] for name in found}
            name = next((name for name in found if not wanting[name]), None)
            if name is None:
                why = "; ".join(f"{name}: {', '.join(wanting[name])}" for name in found)
                problems.append(f"{code}: no sample for {stage}/{kind} that it applies to ({why or 'none at all'})")
                continue
            cases += _Generator(index, code, name, allowed[name], roles[code]).cases()
        if roles[code].exempts:
            exempt = next((n for n in samples if n.rpartition("/")[2] == f"exempt_{code.split('.')[1]}"), None)
            if exempt is None:
                problems.append(f"{code}: has an exempt set, and no sample exempt_{code.split('.')[1]}")
                continue
            generator = _Generator(index, code, exempt, samples[exempt], roles[code])
            wrong = [*generator.wanting(soft=False)]
            problems += [f"{code}: sample {exempt}: {', '.join(wrong)}"] if wrong else []
            cases += [] if wrong else generator.exempt_cases()
    return _distinct(cases), problems


def _distinct(cases: list[Case]) -> list[Case]:
    """Leave out what says the same again: a rule may need one group twice, of which only one has to decide."""
    found: list[Case] = []
    by_name: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        alike = by_name.setdefault((case.name, case.sample), [])
        if case not in alike:
            alike.append(case)
            found.append(case)
    return found


def _is_exempt(name: str) -> bool:
    return name.rpartition("/")[2].startswith("exempt_")


def _applications(index: Mapping[str, Any], code: str) -> Iterator[tuple[str, str]]:
    for stage, kinds in sorted(index["select"].items()):
        for kind, operations in sorted(kinds.items()):
            if any(code in leaf["codes"] for leaf in operations.values()):
                yield stage, kind


def _selects(index: Mapping[str, Any], code: str, document: Mapping[str, Any], stage: str, kind: str) -> bool:
    leaf = index["select"][stage][kind].get(document["operation"], {})
    return (document["stage"], document["subject"]["kind"]) == (stage, kind) and code in leaf.get("codes", ())


class _Generator:
    """The cases of one rule on one sample."""

    def __init__(
        self,
        index: Mapping[str, Any],
        code: str,
        name: str,
        sample: Mapping[str, Any],
        roles: Roles,
    ) -> None:
        self._rule: Mapping[str, Any] = index["rules"][code]
        self._needs: Mapping[str, Any] = index["needs"]
        self._scopes: Mapping[str, list[str]] = index["scopes"]
        self._environments: Sequence[str] = index["environments"]
        self._code, self._name, self._sample = code, name, sample
        self._roles = roles

    @property
    def _now(self) -> datetime:
        return datetime.fromisoformat(self._sample["context"]["now"])

    def wanting(self, *, soft: bool = True) -> Iterator[str]:
        """Yield what the sample lacks to prove anything about the rule; `soft`: with what an exemption lifts."""
        for scope in sorted({self._rule["scope"], *(self._needs[use["need"]]["scope"] for use in self._rule["needs"])}):
            try:
                places = self._walk(scope)
            except (LookupError, TypeError):
                yield f"no list {scope}"
                continue
            if scope and len(places) < _ENOUGH:
                yield f"at least {_ENOUGH} items in {scope}"
            for use in self._rule["needs"]:
                need = self._needs[use["need"]]
                if need["scope"] == scope and (soft or not use["soft"]):
                    yield from self._absent(need, places)
        yield from (f"no {field}" for field in self._rule["request"] if field not in self._sample)

    def _absent(self, need: Mapping[str, Any], places: list[Place]) -> Iterator[str]:
        for field in (*need["fields"], "evidence"):
            for place in places:
                try:
                    value_at(self._sample["facts"], [*place, *filter(None, (need["at"], field))])
                except (LookupError, TypeError):
                    yield f"no {need['scope']}{'/' if need['scope'] else ''}{need['at']}.{field}"
                    break

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
        places = self._walk(self._rule["scope"])
        yield self._case("the exempt sample is exempt", "exempt", [[]], "exempt")
        for use in self._rule["needs"]:
            need = self._needs[use["need"]]
            if use["soft"]:
                continue
            for place in self._walk(need["scope"]):
                for field, kind in need["fields"].items():
                    group = [*place, *filter(None, (need["at"],))]
                    at = self._affected(use, place, places)
                    where = f"{_text(place)}{need['at']}.{field}"
                    patches = [[remove([*group, field])]]
                    yield self._case(f"{where} missing from the exempt sample", "exempt", patches, "not_evaluable", at)
                    if (need["scope"], need["at"], field) in self._roles.excusing:
                        others = _others(kind, value_at(self._sample["facts"], [*group, field]))
                        patches = [[replace([*group, field], other)] for other in others]
                        yield self._case(f"{where} excuses", "exempt", patches, "not_exempt", at, some=True)

    def _case(
        self,
        title: str,
        kind: Kind,
        patches: list[Patch],
        expect: Expectation,
        at: list[Place] | None = None,
        *,
        some: bool = False,
    ) -> Case:
        return Case(
            f"{self._code}: {title}",
            self._code,
            kind,
            self._name,
            patches,
            expect,
            at or [],
            "some" if some else "every",
        )

    def _walk(self, scope: str) -> list[Place]:
        """Return the places of a scope; raises `LookupError` or `TypeError` where the sample has no such list."""
        found: list[Place] = [[]]
        for level in self._scopes.get(scope, []):
            found = [[*path, level, i] for path in found for i, _ in enumerate(self._listed([*path, level]))]
        return found

    def _listed(self, path: Place) -> list[Any]:
        found = value_at(self._sample["facts"], path)
        if not isinstance(found, list):
            raise TypeError(f"{_text(path)} is no list")
        return found

    @staticmethod
    def _affected(use: Mapping[str, Any], place: Place, places: list[Place]) -> list[Place]:
        if use["rel"] == "same":
            return [place]
        if use["rel"] == "up":
            return [own for own in places if own[: use["length"]] == place]
        return places

    def _evidence(self, use: Mapping[str, Any], place: Place) -> Iterator[Case]:
        need = self._needs[use["need"]]
        group = [*place, *filter(None, (need["at"],))]
        at = self._affected(use, place, self._walk(self._rule["scope"]))
        where = f"{_text(place)}{need['at']}"
        values = value_at(self._sample["facts"], group)
        moments = [*group, "evidence", "observed_at"]

        def unproven(title: str, kind: Kind, patches: list[Patch]) -> Case:
            return self._case(f"{where} {title}", kind, patches, "not_evaluable", at)

        yield unproven("missing", "deletion", [[remove(group)]])
        yield unproven("is no object", "type", [[replace(group, value)] for value in _NO_GROUPS])
        yield unproven("without evidence", "deletion", [[remove([*group, "evidence"])]])
        for part in ("about", "observed_at", "tier"):
            yield unproven(f"without evidence.{part}", "deletion", [[remove([*group, "evidence", part])]])
        yield unproven(
            "about something else",
            "about",
            [[replace([*group, "evidence", "about"], v)] for v in ("sha256:" + "0" * 64, "", None, 5)],
        )
        yield unproven("undated", "age", [[replace(moments, value)] for value in _NO_TIMES])
        yield unproven(
            "from the future", "age", [[replace(moments, _instant(self._now + SKEW + timedelta(microseconds=1)))]]
        )
        yield self._case(
            f"{where} from a clock that runs ahead", "age", [[replace(moments, _instant(self._now + SKEW))]], "pass"
        )
        if need["max_age_s"]:
            oldest = self._now - timedelta(seconds=need["max_age_s"])
            yield unproven("as old as its limit", "age", [[replace(moments, _instant(oldest))]])
            yield self._case(
                f"{where} just inside its limit",
                "age",
                [[replace(moments, _instant(oldest + timedelta(microseconds=1)))]],
                "pass",
            )
        weaker = [tier for rank, tier in enumerate(("declared", "observed", "verified")) if rank < need["min_rank"]]
        yield unproven(
            "too weak",
            "tier",
            [[replace([*group, "evidence", "tier"], tier)] for tier in (*weaker, "Verified", None, 2)],
        )
        for field, kind in need["fields"].items():
            yield unproven(f"without {field}", "deletion", [[remove([*group, field])]])
            yield unproven(f"{field} mistyped", "type", [[replace([*group, field], value)] for value in _WRONG[kind]])
            if (need["scope"], need["at"], field) not in self._roles.undecided:
                patches = [[replace([*group, field], other)] for other in _others(kind, values[field])]
                yield self._case(f"{where}.{field} decides", "decisive", patches, "fail", at, some=True)

    def _request(self) -> Iterator[Case]:
        for field, kind in self._rule["request"].items():
            wrong = [[of_request([field], value)] for value in _WRONG[kind]]
            yield self._case(
                f"request without {field}", "request", [[{"op": "remove", "path": f"/{field}"}], *wrong], "refused"
            )
            own = self._sample[field]
            others = (
                [name for name in self._environments if name != own] if field == "environment" else _others(kind, own)
            )
            yield self._case(
                f"{field} decides",
                "decisive",
                [[of_request([field], o)] for o in others],
                "fail",
                self._walk(self._rule["scope"]),
                some=True,
            )

    def _lists(self) -> Iterator[Case]:
        levels = self._scopes.get(self._rule["scope"], [])
        if len(levels) != 1:
            return
        level = levels[0]
        items = self._sample["facts"][level]
        parts = of_request(["subject", "parts", level], [])
        whole: list[Place] = [[level]]
        if self._rule["may_be_empty"]:
            yield self._case("no item is fine", "list", [[replace([level], []), parts]], "pass")
        else:
            yield self._case("no item proves nothing", "list", [[replace([level], []), parts]], "not_evaluable", whole)
        broken: list[Patch] = [
            [replace([level], [])],
            [remove([level])],
            [remove([level, 0])],
            [remove([level, len(items) - 1])],
            [{"op": "add", "path": f"/facts/{level}/0", "value": items[-1]}],
            [replace([level, 0], items[-1])],
            [replace([level, 0, "digest"], "sha256:" + "0" * 64)],
            [of_request(["subject", "parts", level], [*self._sample["subject"]["parts"][level], "sha256:" + "0" * 64])],
            *([replace([level], value)] for value in (None, "x", 5, True, {}, {"0": items[0]}, [items], [None], ["x"])),
        ]
        yield self._case("a list that is not the subject's parts", "list", broken, "not_evaluable", whole)
        nameless = [[replace([level, 0, field], value)] for field in self._rule["item_id"] for value in _NAMELESS]
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


def _text(place: Place) -> str:
    return "".join(f"{part}/" for part in place)


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
