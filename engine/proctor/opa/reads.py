"""What a rule reads, followed through its syntax tree, against what its annotation declares.

Projection alone is not enough: a field that one rule reads and another declares arrives in the input, unproven for
the first. So every read must be declared by the rule itself, everything declared must be read, and each place that a
rule names must be one that it walked and whose own evidence it read. A construct that can't be followed is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, permutations
from typing import Any, Final

from proctor.opa.annotations import Need, RuleAnnotation, levels

Path = tuple[str, ...]
"""A path below `input`; an index is `*` and the variable that holds it, made unique per rule head."""

_PROVEN: Final = frozenset(
    {
        ("stage",), ("operation",), ("environment",), ("point",),
        ("actor", "id"), ("subject", "digest"), ("subject", "kind"),
    }
)  # fmt: skip
"""Request fields that the aggregator itself proves in every decision."""

_COMPREHENSIONS: Final = frozenset({"arraycomprehension", "setcomprehension", "objectcomprehension"})
_MAX_CALLS: Final = 8


@dataclass(frozen=True, slots=True)
class Read:
    """One use of a path: as a value, whole as an argument of a library function, or counted."""

    path: Path
    how: str


@dataclass(slots=True)
class _Scope:
    """The names of one body: variables that stand for a path below `input`, and the tag of its indices."""

    tag: str
    paths: dict[str, Path] = field(default_factory=dict)


class Reads:
    """The reads of a parsed rule module (`opa parse --format json`)."""

    def __init__(self, module: Mapping[str, Any], rule: RuleAnnotation) -> None:
        self._rule = rule
        self._entries: list[tuple[str, Mapping[str, Any]]] = [
            (head_name(entry), entry) for entry in module.get("rules", [])
        ]
        self._lists = {path for scope in _scopes(rule) for path in _lists(scope)}
        self._functions = {name for name, entry in self._entries if "args" in entry["head"]}
        self._aliases: dict[str, Path] = {}
        self._problems: list[str] = []
        names = [name for name, _ in self._entries]
        for _ in self._entries:  # an alias may stand for another one
            for name, entry in self._entries:
                # What has two meanings, by a second definition or an `else`, stands for neither.
                if not {"args", "key"} & entry["head"].keys() and names.count(name) == 1 and "else" not in entry:
                    path = self._resolve(entry["head"].get("value", {}), _Scope(name))
                    if path is not None:
                        self._aliases[name] = path

    def problems(self) -> Iterator[str]:
        """Yield one line for each read that is not declared, each declaration that is not read, each wrong place."""
        used: list[Read] = []
        excusing: list[Read] = []
        for number, (name, entry) in enumerate(self._entries):
            if name in {"compliant", "exempt"}:
                scope = _Scope(f"{number}")
                found = self._body(entry, scope, 0)
                used += found
                if name == "exempt":
                    excusing += found
                yield from self._places(name, entry, scope, found)
            elif name in self._aliases:
                used += self._expressions(entry.get("body", []), _Scope(f"{number}"), 0)
            elif name not in self._functions:
                used += self._body(entry, _Scope(f"{number}"), 0)
        yield from dict.fromkeys(self._problems)
        yield from dict.fromkeys(filter(None, (self._undeclared(read) for read in used)))
        yield from self._unread(used)
        yield from self._lifting(excusing)

    def excusing(self) -> frozenset[tuple[str, str, str]]:
        """Return scope, group and name of each declared field that only `exempt` reads."""
        of_exempt: set[tuple[str, str, str]] = set()
        others: set[tuple[str, str, str]] = set()
        for number, (name, entry) in enumerate(self._entries):
            if name not in self._functions and name not in self._aliases:
                fields = {field for read in self._body(entry, _Scope(f"{number}"), 0) for field in self._fields(read)}
                (of_exempt if name == "exempt" else others).update(fields)
        return frozenset(of_exempt - others)

    def _fields(self, read: Read) -> Iterator[tuple[str, str, str]]:
        for need, rest in self._needs(read.path):
            scope = self._rule.custom.for_each if need.of is None else need.of
            yield from ((scope, need.at or "", name) for name in need.fields if not rest or rest[0] == name)

    # --- Declarations ----------------------------------------------------------------------------------------------

    def _needs(self, path: Path) -> Iterator[tuple[Need, Path]]:
        """Yield each declared need whose group the path enters, with the rest of the path below the group."""
        if path[:1] != ("facts",):
            return
        for need in self._rule.custom.evidence:
            if need.request is not None:
                continue
            prefix = _group_path(self._rule, need)
            if _shape(path[: len(prefix)]) == prefix:
                yield need, path[len(prefix) :]

    def _undeclared(self, read: Read) -> str | None:
        path = read.path
        if path[:1] != ("facts",):
            requested = {need.request for need in self._rule.custom.evidence if need.request is not None}
            if path in _PROVEN or (path[:1] and path[0] in requested):
                return None
            return f"reads input.{'.'.join(path)}, which its evidence does not declare"
        if read.how == "counted" and _shape(path) in self._lists:
            return None
        for need, rest in self._needs(path):
            if (rest and rest[0] in need.fields) or (not rest and read.how == "library" and need.at):
                return None
        return f"reads input.{_text(path)}, which its evidence does not declare"

    def _unread(self, used: Sequence[Read]) -> Iterator[str]:
        for need in self._rule.custom.evidence:
            if need.request is not None:
                if not any(read.path[:1] == (need.request,) for read in used):
                    yield f"declares the request's {need.request} and never reads it"
                continue
            if need.present_only:
                continue
            prefix = _group_path(self._rule, need)
            inside = [read.path[len(prefix) :] for read in used if _shape(read.path[: len(prefix)]) == prefix]
            for name in need.fields:
                if not any(not rest or rest[0] == name for rest in inside):
                    yield f"declares {'.'.join(filter(None, (need.at, name)))} and never reads it"

    def _lifting(self, excusing: Sequence[Read]) -> Iterator[str]:
        """Yield weak evidence by which an exemption would lift stronger evidence."""
        lifted = [need for need in self._rule.custom.evidence if need.unless_exempt]
        strongest = max((need.min_tier.rank for need in lifted), default=0)
        for read in excusing:
            for need, _ in self._needs(read.path):
                if need.unless_exempt:
                    yield f"`exempt` reads {need.at}, which is checked only `unless_exempt`: it would excuse itself"
                elif need.min_tier.rank < strongest:
                    yield f"`exempt` rests on {need.at} ({need.min_tier}), weaker than the evidence that it lifts"

    # --- Places ----------------------------------------------------------------------------------------------------

    def _places(self, name: str, entry: Mapping[str, Any], scope: _Scope, found: Sequence[Read]) -> Iterator[str]:
        wanted = self._rule.custom.levels
        key = entry["head"].get("key", {})
        if key.get("type") != "array" or len(key["value"]) != 2 * len(wanted):
            yield f"`{name}` must name places of `{self._rule.custom.for_each}`: write `{_example(wanted, name)}`"
            return
        item: Path = ("facts",) if wanted else ()
        for level, label, index in zip(wanted, key["value"][::2], key["value"][1::2], strict=True):
            if label.get("value") != level or index.get("type") != "var":
                yield f"`{name}` must name places of `{self._rule.custom.for_each}`: write `{_example(wanted, name)}`"
                return
            item = (*item, level, f"*{scope.tag}:{index['value']}")
        if not any(read.path[: len(item)] == item and (wanted or self._undeclared(read) is None) for read in found):
            what = "the item at its own index" if wanted else "anything that it declares"
            yield f"`{name}` names a place without reading {what}"

    # --- Following ---------------------------------------------------------------------------------------------------

    def _body(self, entry: Mapping[str, Any], scope: _Scope, depth: int) -> list[Read]:
        found = list(self._expressions(entry.get("body", []), scope, depth))
        head = entry["head"]
        terms = [] if head_name(entry) in {"compliant", "exempt"} else [head.get("key"), head.get("value")]
        found += [read for term in terms if term for read in self._term(term, scope, "value", depth)]
        if "else" in entry:
            found += self._body(entry["else"], _Scope(scope.tag, dict(scope.paths)), depth)
        return found

    def _expressions(self, body: Sequence[Mapping[str, Any]], scope: _Scope, depth: int) -> Iterator[Read]:
        for _ in range(len(body) + 1):  # a name may be bound below the line that uses it
            before = dict(scope.paths)
            for expression in body:
                self._bind(expression.get("terms"), scope)
            if scope.paths == before:
                break
        for expression in body:
            yield from self._expression(expression.get("terms"), scope, depth)

    def _bind(self, terms: Any, scope: _Scope) -> None:
        if isinstance(terms, dict) and "symbols" in terms:
            for symbol in terms["symbols"]:
                if symbol.get("type") == "call":
                    *indices, item, collection = symbol["value"][1:]
                    path = self._resolve(collection, scope)
                    if path is not None and item.get("type") == "var":
                        index = indices[0]["value"] if indices else "_"
                        scope.paths[item["value"]] = (*path, f"*{scope.tag}:{index}")
                    elif path is not None:
                        self._problems.append(f"takes input.{_text(path)} apart by a pattern: name the item instead")
        elif isinstance(terms, list) and _operator(terms) in {"assign", "eq"}:
            for left, right in permutations(terms[1:], 2):
                path = self._resolve(right, scope)
                if left.get("type") == "var" and path is not None:
                    scope.paths.setdefault(left["value"], path)

    def _expression(self, terms: Any, scope: _Scope, depth: int) -> Iterator[Read]:
        if isinstance(terms, list):
            if _operator(terms) in {"assign", "eq"} and any(t.get("type") == "var" for t in terms[1:]):
                for term in terms[1:]:
                    if self._resolve(term, scope) is None:
                        yield from self._term(term, scope, "value", depth)
                return
            yield from self._call(terms, scope, depth)
        elif isinstance(terms, dict):
            if "symbols" in terms:
                for symbol in terms["symbols"]:
                    collection = symbol["value"][-1] if symbol.get("type") == "call" else {}
                    if _shape(self._resolve(collection, scope) or ()) not in self._lists:
                        yield from self._term(collection, scope, "value", depth)
            elif "body" in terms:
                yield from self._expressions(terms["body"], _Scope(scope.tag, dict(scope.paths)), depth)
            else:
                yield from self._term(terms, scope, "value", depth)

    def _term(self, term: Mapping[str, Any], scope: _Scope, how: str, depth: int) -> Iterator[Read]:
        kind, value = term.get("type"), term.get("value")
        if kind in {"var", "ref"}:
            path = self._resolve(term, scope)
            if path is not None:
                yield Read(path, how)
            elif isinstance(value, list):
                parts = (part for part in value if part.get("type") not in {"var", "string", "number"})
                yield from chain.from_iterable(self._term(part, scope, "value", depth) for part in parts)
        elif kind == "call" and isinstance(value, list):
            yield from self._call(value, scope, depth)
        elif kind in _COMPREHENSIONS and isinstance(value, dict):
            inner = _Scope(scope.tag, dict(scope.paths))
            yield from self._expressions(value["body"], inner, depth)
            for name in ("term", "key", "value"):
                if name in value:
                    yield from self._term(value[name], inner, "value", depth)
        elif isinstance(value, list):
            items = chain.from_iterable(part if isinstance(part, list) else [part] for part in value)
            yield from chain.from_iterable(self._term(item, scope, "value", depth) for item in items)

    def _call(self, terms: Sequence[Mapping[str, Any]], scope: _Scope, depth: int) -> Iterator[Read]:
        operator, arguments = _operator(terms), terms[1:]
        if operator in self._functions:
            if depth > _MAX_CALLS:
                self._problems.append(f"`{operator}` calls too deeply to be followed")
                return
            for number, (name, entry) in enumerate(self._entries):
                if name == operator:
                    inner = _Scope(f"{scope.tag}.{depth}.{number}")
                    for parameter, argument in zip(entry["head"]["args"], arguments, strict=False):
                        path = self._resolve(argument, scope)
                        if path is not None and parameter.get("type") == "var":
                            inner.paths[parameter["value"]] = path
                        elif path is not None:
                            yield Read(path, "value")
                    yield from self._body(entry, inner, depth + 1)
            for argument in arguments:
                if self._resolve(argument, scope) is None:
                    yield from self._term(argument, scope, "value", depth)
            return
        how = (
            "counted"
            if operator == "count"
            else "library"
            if "." in operator and not operator.startswith("internal.")
            else "value"
        )
        for argument in arguments:
            yield from self._term(argument, scope, how, depth)

    def _resolve(self, term: Mapping[str, Any], scope: _Scope) -> Path | None:
        """Return the path below `input` that a term stands for; None for everything else."""
        parts = [term] if term.get("type") == "var" else term.get("value") if term.get("type") == "ref" else None
        if not isinstance(parts, list) or not parts or parts[0].get("type") != "var":
            return None
        name = parts[0]["value"]
        base = () if name == "input" else scope.paths.get(name, self._aliases.get(name))
        if base is None:
            return None
        path: list[str] = list(base)
        for part in parts[1:]:
            if part.get("type") == "string":
                path.append(str(part["value"]))
            elif _shape(tuple(path)) in self._lists:
                index = part["value"] if part.get("type") == "var" else "_"
                path.append(f"*{scope.tag}:{index}")
            elif len(path) > 1 and not _at_item(tuple(path)):
                path.append("*")  # inside a field's own value
            else:
                self._problems.append(f"reads input.{_text(tuple(path))}[...]: a name below input must be written out")
                path.append("*")
        return tuple(path)


def head_name(entry: Mapping[str, Any]) -> str:
    """Return the name that a rule of a parsed module defines."""
    head = entry.get("head", {})
    return str(head["name"] if "name" in head else head["ref"][0]["value"])


def _operator(terms: Sequence[Mapping[str, Any]]) -> str:
    head = terms[0] if terms else {}
    return ".".join(str(part["value"]) for part in head["value"]) if head.get("type") == "ref" else ""


def _group_path(rule: RuleAnnotation, need: Need) -> Path:
    scope = rule.custom.for_each if need.of is None else need.of
    return (*_scope_path(scope), *filter(None, (need.at,)))


def _scope_path(scope: str) -> Path:
    return ("facts", *(part for level in levels(scope) for part in (level, "*")))


def _scopes(rule: RuleAnnotation) -> set[str]:
    return {rule.custom.for_each, *(need.of for need in rule.custom.evidence if need.of is not None)}


def _lists(scope: str) -> Iterator[Path]:
    """Yield the path of each list that a scope walks: `a/*/b/*` walks `facts.a` and `facts.a.*.b`."""
    whole = _scope_path(scope)
    yield from (whole[:end] for end in range(2, len(whole), 2))


def _shape(path: Path) -> Path:
    return tuple("*" if part.startswith("*") else part for part in path)


def _at_item(path: Path) -> bool:
    return path == ("facts",) or (path[:1] == ("facts",) and len(path) in (3, 5) and path[-1].startswith("*"))


def _text(path: Path) -> str:
    return ".".join(_shape(path))


def _example(wanted: Sequence[str], name: str) -> str:
    names = ", ".join(f'"{level}", {index}' for level, index in zip(wanted, "ij", strict=False))
    return f"{name} contains [{names}] if ..."
