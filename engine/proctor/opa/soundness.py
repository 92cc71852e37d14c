"""What a rule may not contain, checked at build on its source and syntax tree.

Each refusal closes a way to a wrong allow that OPA itself accepts: see docs/decision-semantics.md for the row behind
each. The Regal rules in `.regal/` tell an author the same while typing; this is what an unlinted pack meets.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from proctor.errors import PolicyError
from proctor.opa import declarations
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.reads import Reads, head_name

_CONFIG_CALL: Final = re.compile(r'config\.(list|threshold)\(\s*(?:"([a-z0-9_]+)"\s*\))?')
_CONFIG: Final = ["data", "governance", "config"]
_RULE_HEAD: Final = re.compile(r"^([a-z_][a-z0-9_]*)\b", re.MULTILINE)
_AT_ONCE: Final = 4
"""Files that are parsed at the same time: each is a process of its own."""
_COMPARISONS: Final = frozenset({"lt", "lte", "gt", "gte", "neq"})
_ALLOWED_CALLS: Final = frozenset({"eq", "equal", "assign", "count", "internal.member_2", "internal.member_3"})
"""Built-ins that can't fail on a wrong type: any other one's type error would deny everything for everybody."""


def configuration_names(source: str) -> list[tuple[str, str | None]]:
    """Return each `config.list(...)` and `config.threshold(...)` of a source: kind and literal name, or None."""
    return [(match.group(1), match.group(2)) for match in _CONFIG_CALL.finditer(_without_comments(source))]


def rule_names(source: str) -> set[str]:
    """Return the names at the start of lines: the heads of the module's rules, and keywords that do no harm here."""
    return set(_RULE_HEAD.findall(_without_comments(source)))


def _without_comments(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("#"))


def check(binary: Path, stage: Path, rules: Sequence[RuleAnnotation]) -> None:
    """Raise `PolicyError` with one line for each construct in a rule by which it could fail open."""
    problems: list[str] = []

    def parse(rule: RuleAnnotation) -> "subprocess.CompletedProcess[bytes]":
        command = [str(binary), "parse", "--format", "json", str(stage / rule.file)]
        return subprocess.run(command, capture_output=True, timeout=30, check=False)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parsed = [*pool.map(parse, rules)]
    for rule, done in zip(rules, parsed, strict=True):
        problems += [f"{rule.file}: {problem}" for problem in declarations.problems(rule)]
        if done.returncode != 0:
            problems.append(f"{rule.file}: {done.stderr.decode(errors='replace').strip()}")
            continue
        problems += [f"{rule.file}: {problem}" for problem in _problems(json.loads(done.stdout), rule)]
    if problems:
        raise PolicyError(
            "checking that no rule can fail open",
            problems,
            "CONTRIBUTING.md, 'Adding a rule', says what a rule may use",
        )


def _problems(module: dict[str, Any], rule: RuleAnnotation) -> Iterator[str]:
    names = {head_name(entry) for entry in module.get("rules", [])}
    if "compliant" not in names:
        yield "defines no `compliant contains <place> if ...`"
    for entry in module.get("rules", []):
        name = head_name(entry)
        if entry.get("default"):
            yield f"`default {name}`: a default proves what nobody proved"
        if "else" in entry:
            yield f"`else` in `{name}`: what no branch proved must stay unproven"
        if name in {"compliant", "exempt"} and (
            "key" not in entry["head"] or len(entry["head"].get("ref", [name])) != 1
        ):
            yield f"`{name}` must be a set: write `{name} contains <place> if ...`"
            return
        if name not in {"compliant", "exempt"} and not name.startswith("_"):
            yield f"`{name}`: a rule package defines `compliant`, `exempt` and names that start with `_`"
    imports = list(_imports(module))
    yield from (problem for _, _, problem in imports if problem)
    negates = False
    for node in _walk(module.get("rules", [])):
        if node.get("with"):
            yield "`with` outside a test replaces the evidence"
        if node.get("negated") or node.get("type") == "not":
            negates = True
        if "domain" in node and "key" in node and "body" in node:
            yield "`every` is true of an empty list: use lib.compare.all_in"
    if negates and not any(path == ["future", "keywords", "not"] for path, _, _ in imports):
        yield "negates without `import future.keywords.not`: an undefined argument would make the rule silent"
    yield from _calls(module, {name for path, name, _ in imports if path[:1] == ["data"]})
    yield from Reads(module, rule).problems()


def _imports(module: dict[str, Any]) -> Iterator[tuple[list[str], str, str]]:
    """Yield path, the name that it gets here, and what is wrong with it, for each import."""
    for entry in module.get("imports", []):
        path = [str(part["value"]) for part in entry["path"]["value"]]
        name = entry.get("alias") or path[-1]
        problem = ""
        if path[0] == "data" and (path[1:2] != ["governance"] or path[2:3] not in (["lib"], ["config"])):
            problem = f"imports {'.'.join(path)}: rules import only data.governance.lib and data.governance.config"
        elif path[:3] == _CONFIG and (path != _CONFIG or name != "config"):
            problem = f"imports {'.'.join(path)} as {name}: import data.governance.config, and only that, as config"
        elif path == ["rego", "v2"]:
            problem = "imports rego.v2, which the linter can't read yet"
        elif path[0] == "input":
            problem = f"imports {'.'.join(path)}: write it out, so that the build can follow what is read"
        yield path, name, problem


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _calls(module: dict[str, Any], libraries: set[str]) -> Iterator[str]:
    """Yield refused references: data outside lib and config, raw comparisons, built-ins that can raise a type error."""
    seen: set[str] = set()
    own = {head_name(entry) for entry in module.get("rules", [])}
    for node in _walk(module.get("rules", [])):
        for operator in _operators(node):
            name = ".".join(operator)
            if operator[0] in libraries or operator[0] in own or name in _ALLOWED_CALLS or name in seen:
                continue
            seen.add(name)
            if name in _COMPARISONS:
                yield f"raw comparison `{name}`: across types it allows; use lib.compare"
            else:
                yield f"calls {name}: rule bodies use only ==, in, some, count, lib and config"
        if node.get("type") == "ref" and node["value"] and node["value"][0].get("value") in ("data", "config"):
            path = [str(part["value"]) for part in node["value"]]
            if path[0] == "config":
                path = [*_CONFIG, *path[1:]] if "config" in libraries else ["data", "governance", "lib"]
            if path[:3] == _CONFIG and path[3:] not in (["list"], ["threshold"]):
                yield f"reads {'.'.join(path)}: use config.list and config.threshold, whose names are checked"
            elif path[1:2] != ["governance"] or path[2:3] not in (["lib"], ["config"]):
                yield f"reads {'.'.join(path)}: rules read only input, lib and config"


def _operators(node: dict[str, Any]) -> Iterator[list[str]]:
    """Yield the operator of a call: an expression's first term, or that of a call inside a term."""
    terms = node.get("terms") if "terms" in node else node.get("value") if node.get("type") == "call" else None
    if isinstance(terms, list) and terms and terms[0].get("type") == "ref":
        yield [str(part["value"]) for part in terms[0]["value"]]
