"""What rules say to people: titles that tell them apart, messages that can be filled, sources that can be read."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proctor.opa import declarations
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.index import placeholders

_ITEM: Final = frozenset({"id", "digest", "name"})
"""Fields of every item itself."""
_REQUEST: Final = frozenset({("actor",), ("environment",), ("purpose",), ("subject", "name")})
"""What a message can name of the request (`Decisions`, in `proctor.decide.pipeline`)."""


def problems(rules: Sequence[RuleAnnotation], inspected: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each rule whose words would leave the person who is refused without what they need."""
    for what, texts in (
        ("title", [rule.title for rule in rules]),
        ("message", [rule.custom.message for rule in rules]),
    ):
        for text, times in Counter(texts).items():
            if times > 1:
                yield f"{times} rules have the {what} {text!r}: nobody could tell them apart (wording)"
    resources = _resources(inspected)
    for rule in rules:
        if not resources.get(rule.code):
            yield f"{rule.file}: no related_resources: say where the obligation is written (wording)"
        yield from (f"{rule.file}: {line} (wording)" for line in _unfillable(rule))
        if rule.custom.message.endswith(".") or rule.custom.remediation.endswith("."):
            yield f"{rule.file}: message and remediation end without a full stop (wording)"


def _resources(inspected: Mapping[str, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for entry in inspected.get("annotations") or []:
        path = ".".join(str(part["value"]) for part in entry["path"])
        if entry["annotations"].get("scope") == "package":
            found[path.removeprefix("data.governance.rules.")] = entry["annotations"].get("related_resources") or []
    return found


def _unfillable(rule: RuleAnnotation) -> Iterator[str]:
    """Yield each placeholder of the message that would always show `?`.

    A message is filled from the rule's own place, then from the request.
    """
    known = declarations.known()
    levels = rule.custom.levels
    if len(levels) > 1:
        return  # the vocabulary has no nested list yet
    groups = known.get(rule.custom.for_each, {})
    for path in placeholders(rule.custom.message):
        group, *rest = path
        of_item = levels and not rest and group in _ITEM
        if of_item or tuple(path) in _REQUEST or (len(rest) == 1 and rest[0] in groups.get(group, {})):
            continue
        yield f"message: nothing fills {{{'.'.join(path)}}}"
