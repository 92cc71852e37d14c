"""The operators of mutation testing: which changes of a module an author could have made by mistake.

Each change is an edit of the author's own text at a location of the syntax tree, so that it can be shown as it stands
in the file. Two rules of thumb keep the score honest: no change that every test notices at once, such as a misspelt
package, and none that means the same, such as a list under another name with the same items.
"""

import base64
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proctor.errors import PolicyError
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.reads import head_name
from proctor.policy.mutants import Known, Mutant, Operator

_FAMILIES: Final = (
    ("at_least", "at_most", "over", "under", "above", "below", "equal"),
    ("all_in", "any_in", "none_in", "all_under"),
    ("distinct", "separate"),
)
"""Library functions that an author may take for one another."""
_STRICT: Final = {"at_least": "at_most", "at_most": "at_least"}
"""`not at_most(a, b)` is `at_least(a, b)` without the limit itself."""
_FOR_ALL: Final = frozenset({"all_in", "all_under"})
_COMPARISONS: Final[Mapping[str, tuple[str, ...]]] = {
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
}
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT: Final = "import future.keywords.not"
_SETS: Final = frozenset({"compliant", "exempt"})
_SHOWN: Final = 100
_OTHER: Final = '"mutant"'


def of_module(source: str, module: Mapping[str, Any], known: Known, rule: RuleAnnotation | None = None) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text, each once.

    `rule`: the annotation of a rule, whose other declared fields are then taken for the one that is read.
    Raises `PolicyError` when the tree does not fit the text.
    """
    maker = _Maker(source, module, known, rule)
    found: dict[str, Mutant] = {}
    changes = sorted(maker.changes(), key=lambda change: change.at)
    for change in changes:
        text = maker.applied(change)
        if text != source and text not in found:
            line, column = maker.position(change.at)
            before, after = _line(change.before), _line(change.after)
            found[text] = Mutant(f"m{len(found) + 1}", change.operator, line, column, before, after, text)
    return list(found.values())


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Change:
    operator: Operator
    at: int
    before: str
    after: str
    edits: tuple[_Edit, ...]
    negates: bool = False


class _Maker:
    """The mutants of one module."""

    def __init__(self, source: str, module: Mapping[str, Any], known: Known, rule: RuleAnnotation | None) -> None:
        self._source, self._module, self._known, self._rule = source, module, known, rule
        lengths = [len(line) + 1 for line in source.split("\n")]
        self._starts = [0, *itertools.accumulate(lengths)]
        self._libraries = {
            str(entry.get("alias") or path[-1]): path[-1]
            for entry in module.get("imports", [])
            if (path := [part["value"] for part in entry["path"]["value"]])[:3] == ["data", "governance", "lib"]
        }

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column, both 1-based."""
        before = self._source[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def applied(self, change: _Change) -> str:
        """Return the source with a change; one that negates gets the import without which the build refuses it."""
        text = self._source
        for edit in sorted(change.edits, key=lambda edit: -edit.start):
            text = text[: edit.start] + edit.text + text[edit.end :]
        if change.negates and _NOT not in self._source:
            after_package = re.compile(r"^package .*$", re.MULTILINE)
            text = after_package.sub(lambda match: f"{match.group()}\n\n{_NOT}", text, count=1)
        return text

    # --- Where things stand ------------------------------------------------------------------------------------------

    def _span(self, node: Mapping[str, Any]) -> tuple[int, int]:
        location = node["location"]
        start = self._starts[location["row"] - 1] + location["col"] - 1
        text = base64.b64decode(location.get("text", "")).decode()
        if node.get("type") == "number" and (written := _NUMBER.match(self._source, start)) is not None:
            return start, written.end()  # of a negative one, OPA gives the sign alone
        if not text or not self._source.startswith(text, start):
            where = f"{location.get('file')}:{location['row']}:{location['col']}"
            raise PolicyError("making mutants", [f"{where}: OPA's location does not fit the text"])
        return start, start + len(text)

    def _text(self, node: Mapping[str, Any]) -> str:
        start, end = self._span(node)
        return self._source[start:end]

    def _replaced(
        self, operator: Operator, node: Mapping[str, Any], text: str, after: str | None = None, *, negates: bool = False
    ) -> _Change:
        start, end = self._span(node)
        shown = text if after is None else after
        return _Change(operator, start, self._source[start:end], shown, (_Edit(start, end, text),), negates)

    # --- Rules -------------------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[_Change]:
        """Yield every change; two may come to the same text."""
        for entry in self._module.get("rules", []):
            branch: Mapping[str, Any] | None = entry
            while branch is not None:
                yield from self._branch(branch)
                branch = branch.get("else")

    def _branch(self, entry: Mapping[str, Any]) -> Iterator[_Change]:
        head = entry["head"]
        name = head_name(entry) if "name" in head or "ref" in head else ""
        body = [expression for expression in entry.get("body", []) if not expression.get("generated")]
        if body:
            start, end = self._span(body[0])
            # A body of one expression need not stand in braces, so nothing can be put before it.
            edit = _Edit(start, end, "false") if len(body) == 1 else _Edit(start, start, "false; ")
            at = self._span(head)[0] if "location" in head else start
            what = f"the clause `{_line(self._text(head))}`" if "location" in head else "this branch"
            yield _Change("clause", at, what, "(none)", (edit,))
            yield from self._body(body)
        if name in _SETS:
            yield from self._places(head)
            yield from self._universal(body)
        else:
            yield from self._constants(head.get("value"))
            yield from self._constants(head.get("key"))

    def _places(self, head: Mapping[str, Any]) -> Iterator[_Change]:
        """Yield the set with another item's index in place of the one that was looked at."""
        for part in head.get("key", {}).get("value", []) if head.get("key", {}).get("type") == "array" else []:
            if part.get("type") == "var":
                yield self._replaced("join", part, "0")

    def _universal(self, body: Sequence[Mapping[str, Any]]) -> Iterator[_Change]:
        """Yield the set of all items: walked, and nothing asked."""
        asked = [expression for expression in body if _is_condition(expression)]
        if len(asked) > 1:
            spans = [self._span(expression) for expression in asked]
            edits = tuple(_Edit(start, end, "true") for start, end in spans)
            before = "; ".join(self._text(expression) for expression in asked)
            yield _Change("universal", spans[0][0], before, "(no condition)", edits)

    # --- Bodies ------------------------------------------------------------------------------------------------------

    def _body(self, body: Sequence[Mapping[str, Any]]) -> Iterator[_Change]:
        for expression in body:
            if expression.get("generated"):
                continue
            terms = expression.get("terms")
            if not _is_assignment(terms):
                yield self._replaced("drop", expression, "true", "(dropped)")
            if _is_walk(terms):
                yield from self._joins(expression)
            elif _is_condition(expression):
                yield from self._condition(expression)
            yield from self._inside(terms)

    def _condition(self, expression: Mapping[str, Any]) -> Iterator[_Change]:
        text = self._text(expression)
        if _is_negation(expression):
            yield self._replaced("negate", expression, re.sub(r"^not\s+", "", text))
            return
        yield self._replaced("negate", expression, f"not {text}", negates=True)
        terms = expression["terms"]
        if isinstance(terms, list):
            yield from self._compared(expression, terms)

    def _compared(self, expression: Mapping[str, Any], terms: Sequence[Mapping[str, Any]]) -> Iterator[_Change]:
        operator, *arguments = terms
        path = [str(part["value"]) for part in operator["value"]]
        if len(path) == 1 and path[0] in {"equal", "neq", "lt", "lte", "gt", "gte"}:
            for other in _COMPARISONS.get(self._text(operator), ()):
                yield self._replaced("comparison", operator, other)
        elif len(path) == 2 and path[0] in self._libraries and len(arguments) == 2:  # noqa: PLR2004 (library.function)
            yield from self._called(expression, operator, path, [self._text(argument) for argument in arguments])

    def _called(
        self, expression: Mapping[str, Any], operator: Mapping[str, Any], path: list[str], arguments: list[str]
    ) -> Iterator[_Change]:
        library, function = path
        there = self._known.functions.get(self._libraries[library], frozenset())
        for family in _FAMILIES:
            if function in family:
                others = [other for other in family if other in there and other != function]
                yield from (self._replaced("comparison", operator, f"{library}.{other}") for other in others)
        first, second = arguments
        if _STRICT.get(function) in there:
            strict = f"not {library}.{_STRICT[function]}({first}, {second})"
            yield self._replaced("comparison", expression, strict, negates=True)
        if function in _FOR_ALL:
            one = f"{{true | some one in {first}; {library}.{function}([one], {second})}} == {{true}}"
            yield self._replaced("comparison", expression, one, f"one of {first} is enough")

    def _joins(self, expression: Mapping[str, Any]) -> Iterator[_Change]:
        """Yield `some i, item in list` with an item that need not be the one at `i`."""
        for symbol in expression["terms"]["symbols"]:
            if symbol.get("type") == "call" and len(symbol["value"]) == 4:  # noqa: PLR2004 (in, index, item, list)
                index, item, collection = (self._text(part) for part in symbol["value"][1:])
                if "_" not in {index, item}:
                    apart = f"some {index}, _ in {collection}; some {item} in {collection}"
                    yield self._replaced("join", expression, apart)

    # --- Terms -------------------------------------------------------------------------------------------------------

    def _inside(self, node: Any) -> Iterator[_Change]:
        """Yield the changes of what stands in an expression: bodies, constants, fields."""
        if isinstance(node, list):
            if (name := self._configured(node)) is not None:
                yield from self._renamed(*name)
                return
            for part in node:
                yield from self._inside(part)
        elif isinstance(node, dict):
            if "body" in node and isinstance(node["body"], list):
                negation = len(node) == 1 or node.get("type") == "not"
                # The one expression of a negation stands where the negation does, and was changed with it.
                inner = node["body"]
                if negation:
                    for expression in inner:
                        yield from self._inside(expression.get("terms"))
                else:
                    yield from self._body(inner)
                for key in ("term", "key", "value", "domain"):
                    yield from self._inside(node.get(key))
                return
            yield from self._constants(node, deep=False)
            if node.get("type") == "ref":
                yield from self._fields(node["value"])
            for key in ("value", "symbols", "terms"):
                if isinstance(node.get(key), list | dict):
                    yield from self._inside(node[key])

    def _constants(self, node: Any, *, deep: bool = True) -> Iterator[_Change]:
        if not isinstance(node, dict) or "location" not in node:
            return
        start = self._starts[node["location"]["row"] - 1] + node["location"]["col"] - 1
        if node.get("type") == "boolean":
            yield self._replaced("constant", node, "false" if node["value"] else "true")
        elif node.get("type") == "number":
            for other in (node["value"] + 1, node["value"] - 1):
                yield self._replaced("constant", node, json.dumps(other))
        elif node.get("type") == "string" and self._source[start] in '"`':
            yield self._replaced("constant", node, _OTHER)
        elif deep:
            yield from self._inside(node.get("value"))

    def _configured(self, call: Sequence[Any]) -> tuple[str, Mapping[str, Any]] | None:
        """Return kind and name of `config.list("name")` and `config.threshold("name")`."""
        if len(call) != 2 or not all(isinstance(part, dict) for part in call) or call[0].get("type") != "ref":  # noqa: PLR2004
            return None
        path = [str(part["value"]) for part in call[0]["value"]]
        known = path[0] == "config" and len(path) == 2 and path[1] in self._known.configuration  # noqa: PLR2004
        return (path[1], call[1]) if known and call[1].get("type") == "string" else None

    def _renamed(self, kind: str, name: Mapping[str, Any]) -> Iterator[_Change]:
        """Yield the next configured name that stands for something else."""
        values = self._known.configuration[kind]
        names = sorted(values)
        own = str(name["value"])
        later = [other for other in names if other > own] + [other for other in names if other < own]
        other = next((other for other in later if values[other] != values.get(own)), None)
        if other is not None:
            yield self._replaced("constant", name, json.dumps(other))

    def _fields(self, parts: Sequence[Mapping[str, Any]]) -> Iterator[_Change]:
        """Yield the reference with the next declared field of the same type and list in place of this one."""
        if self._rule is None or len(parts) < 3:  # noqa: PLR2004 (an item, a group, a field)
            return
        group, field = (str(part.get("value")) for part in parts[-2:])
        for need in self._rule.custom.evidence:
            if need.request is not None or need.at != group or field not in need.fields:
                continue
            alike = sorted(
                {
                    (str(other.at), name)
                    for other in self._rule.custom.evidence
                    if other.request is None and other.at and other.of == need.of and not other.present_only
                    for name, kind in other.fields.items()
                    if kind == need.fields[field]
                }
            )
            if len(alike) > 1:
                at, name = (
                    alike[(alike.index((group, field)) + 1) % len(alike)] if (group, field) in alike else alike[0]
                )
                start, end = self._span(parts[-2])[0], self._span(parts[-1])[1]
                edit = _Edit(start, end, f"{at}.{name}")
                yield _Change("field", start, self._source[start:end], edit.text, (edit,))
            return


def _is_walk(terms: Any) -> bool:
    return isinstance(terms, dict) and "symbols" in terms


def _is_assignment(terms: Any) -> bool:
    if not isinstance(terms, list) or not terms or terms[0].get("type") != "ref":
        return False
    path = [part["value"] for part in terms[0]["value"]]
    return path == ["assign"] or (path == ["eq"] and any(term.get("type") == "var" for term in terms[1:]))


def _is_negation(expression: Mapping[str, Any]) -> bool:
    terms = expression.get("terms")
    if expression.get("negated"):
        return True
    return isinstance(terms, dict) and isinstance(terms.get("body"), list) and "domain" not in terms


def _is_condition(expression: Mapping[str, Any]) -> bool:
    """Tell whether an expression asks something, rather than binding names."""
    terms = expression.get("terms")
    if expression.get("generated") or _is_walk(terms) or _is_assignment(terms):
        return False
    return not (isinstance(terms, dict) and "domain" in terms)
