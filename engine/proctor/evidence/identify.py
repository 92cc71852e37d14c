"""Identifies the subject: gives each item its key, merges what is one item under several names, computes the digest.

The subject's digest and its parts are computed here and nowhere else, from the very items that go to the providers
and to OPA: a list that lost or gained an item afterwards no longer matches its parts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proctor.vocabulary.canonical import digest
from proctor.vocabulary.decision import Problem
from proctor.vocabulary.facts import Facts
from proctor.vocabulary.request import DecisionRequest

DigestOf = Callable[[str], str | None]
"""Returns the digest that the inventory knows for an immutable model URI, or None."""

_DIGESTED_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "deployment": ("models", "images"),
    "model_version": ("models", "datasets"),
    "run": ("datasets",),
    "dataset": ("datasets",),
}
"""Lists from which a subject's digest is computed: a request carries them, even if they are empty."""
_PLANNED: Final = ("purpose", "commit")
"""What of a run's plan is part of its digest, beside its datasets: another purpose or source is another run."""

_NAMES: Final[Mapping[str, str]] = {"models": "uris", "images": "references"}
"""The field of a reference that holds every name of its item. Elsewhere, an item has no name but its id."""
_WEAKER: Final[Mapping[str, Callable[[Iterable[bool]], bool]]] = {"mutable": any, "pinned": all}
"""Which of two booleans is the weaker one."""


@dataclass(frozen=True, slots=True)
class Identified:
    """The subject with its parts, and the facts as plain documents, items merged and sorted by key."""

    facts: dict[str, Any]
    parts: dict[str, list[str]]
    digest: str


def key(item: Mapping[str, Any]) -> str:
    """Return the digest of an item, or its own reference where it has none."""
    return str(item.get("digest") or item["id"])


def required_lists(kind: str) -> tuple[str, ...]:
    """Return the lists that a request about this kind of subject must carry, even if they are empty."""
    return _DIGESTED_LISTS.get(kind, ())


def identify(request: DecisionRequest, digest_of: DigestOf) -> Identified | list[Problem]:
    """Return the identified subject, or the problems of a request whose items contradict each other."""
    facts = request.facts.model_dump(mode="json", exclude_none=True)
    problems: list[Problem] = []
    parts: dict[str, list[str]] = {}
    for name in Facts.LISTS:
        if name in facts:
            facts[name] = _merged(name, facts[name], digest_of if name == "models" else _unknown, problems)
            parts[name] = [key(item) for item in facts[name]]
    lists = required_lists(request.subject.kind)
    content: dict[str, Any] = {"kind": str(request.subject.kind)}
    if lists:
        content |= {name: sorted(parts.get(name, [])) for name in lists}
    else:
        content |= {"name": request.subject.name, **{name: sorted(keys) for name, keys in parts.items()}}
    if request.subject.kind == "run":
        plan = facts.get("plan", {})
        content["plan"] = {name: plan[name] for name in _PLANNED if name in plan}
    computed = digest(content)
    if request.subject.digest not in (None, computed):
        problems.append(
            Problem(
                code="digest_mismatch",
                path="/subject/digest",
                message=f"is not the digest of the listed items, which is {computed}; leave it out",
            )
        )
    return problems or Identified(facts, parts, computed)


def _unknown(_: str) -> None:
    return None


def _merged(
    name: str, items: list[dict[str, Any]], digest_of: DigestOf, problems: list[Problem]
) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(items):
        reference = item.get("reference", {})
        if "digest" not in item and reference.get("mutable") is False and (known := digest_of(item["id"])):
            item["digest"] = known
        own = key(item)
        twin = found.get(own)
        if twin is None:
            found[own] = item
        elif why := _clash(name, twin, item):
            message = f"names the same item as another entry ({own}), {why}"
            problems.append(Problem(code="contradiction", path=f"/facts/{name}/{index}", message=message))
        elif "reference" in twin:
            twin["reference"] = _united(name, twin, item)
            twin["id"] = min(twin["id"], item["id"])
    return [found[own] for own in sorted(found)]


def _rest(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in ("id", "reference")}


def _clash(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return why two entries of one item can't become one without losing what one of them says."""
    if _rest(one) != _rest(other):
        return "with other facts"
    if ("reference" in one) != ("reference" in other):
        return "one of them without its reference"
    if one["id"] != other["id"] and ("reference" not in one or name not in _NAMES):
        return f"under another id ({one['id']!r:.120}), and nothing would keep both"
    references = [entry.get("reference", {}) for entry in (one, other)]
    for field in sorted({*references[0], *references[1]}):
        values = [reference.get(field) for reference in references]
        unites = field in _WEAKER or all(isinstance(value, list) for value in values)
        if not unites and values[0] != values[1]:
            return f"with another {field} of its reference"
    return None


def _united(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Unite two ways of naming one item: lists are joined, the weaker of two booleans holds, no id gets lost."""
    united: dict[str, Any] = dict(one["reference"])
    for field, value in other["reference"].items():
        if isinstance(value, list):
            united[field] = sorted({*united[field], *value})
        elif field in _WEAKER:
            united[field] = _WEAKER[field]((united[field], value))
    if one["id"] != other["id"]:
        united[_NAMES[name]] = sorted({*united[_NAMES[name]], one["id"], other["id"]})
    return united
