"""Holds a recorded decision against what its own policy makes of the same input today: they are equal to the byte.

Compared is everything that follows from policy and input: outcome, reason, tier, findings with their messages, counts,
problems, rules, subject and facts. Not compared is what is about the moment: id, times, the caller's request id, the
foreign body, the versions of the engine.

Of a message one thing is not in the case: the value of a field that no rule declares and that only the message shows,
such as the names in `{ownership.owners}`. It never reached the policy. There, any text is equal.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from proctor.decide import render
from proctor.decide.conclude import Conclusion
from proctor.evidence.gather import references
from proctor.opa.index import Index, Selection, pattern
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.decision import FactReference, Finding
from proctor.vocabulary.words import Status

_SORTED: Final = orjson.OPT_SORT_KEYS
_REQUEST: Final = frozenset({"actor", "environment", "purpose"})
_FACTS: Final = TypeAdapter(list[FactReference])
_CONCLUSION: Final = TypeAdapter(Conclusion)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a decision does not reproduce."""

    id: str
    path: str
    """JSON pointer into the record: the first place that differs."""
    recorded: str
    found: str
    """Both as JSON, shortened; empty where one has nothing there."""
    engine: str
    """The versions that made the record."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def compare(
    record: Mapping[str, Any], document: Mapping[str, Any], concluded: Conclusion, index: Index, digest: str
) -> Difference | None:
    """Return where `record` differs from what was concluded from its input `document` under its policy, or None."""
    selection = index.selection(document["stage"], document["subject"]["kind"], document["operation"])
    findings = _said(concluded.findings, record, document, index, selection)
    again = _CONCLUSION.dump_python(concluded, mode="json", exclude_none=True)
    again |= {
        "message": render.sentence(concluded.outcome, findings, concluded.problems, index.revision),
        "findings": [finding.model_dump(mode="json", exclude_none=True) for finding in findings],
        "policy": {"revision": index.revision, "digest": digest},
        "facts": _FACTS.dump_python(_FACTS.validate_python(references(document["facts"])), mode="json"),
        "subject": {name: document["subject"][name] for name in ("kind", "id", "name", "digest", "parts")},
        "actor": document["actor"]["id"],
    }
    again |= {name: document.get(name) for name in ("stage", "operation", "point", "environment", "purpose")}
    if concluded.problems:
        # Where the policy itself reports a problem, nothing of the rules is recorded.
        again |= {"rules": {}, "rule_digests": {}}
    recorded = {name: record.get(name, _nothing_like(value)) for name, value in again.items()}
    for one in (recorded, again):
        one["facts"] = sorted(one["facts"], key=lambda fact: str(fact["group"]))  # they were recorded in any order
    # Equal bytes of one encoder are equal documents; only where they differ, the exact form says whether they do.
    if orjson.dumps(recorded, option=_SORTED) == orjson.dumps(again, option=_SORTED):
        return None
    if canonical(recorded) == canonical(again):
        return None
    path, was, now = _first(recorded, again, "")
    engine = ", ".join(f"{name} {version}" for name, version in sorted(record.get("engine", {}).items()))
    return Difference(str(record["id"]), path, was, now, engine)


def _nothing_like(value: Any) -> Any:
    return type(value)() if isinstance(value, list | dict) else None


def _said(
    findings: list[Finding],
    record: Mapping[str, Any],
    document: Mapping[str, Any],
    index: Index,
    selection: Selection | None,
) -> list[Finding]:
    """Return the findings with the recorded messages, where these can have been made from what is not in the case."""
    recorded = record.get("findings", [])
    if len(recorded) != len(findings) or selection is None:
        return findings
    request = {
        "environment": document["environment"], "purpose": document.get("purpose"), "actor": document["actor"]["id"],
        "subject": {"name": document["subject"]["name"]},
    }  # fmt: skip
    found: list[Finding] = []
    for finding, was in zip(findings, recorded, strict=True):
        message = was.get("message")
        known = finding
        if finding.status is Status.FAIL and isinstance(message, str) and message != finding.message:
            rule = index.rules[finding.rule]
            item = render.at(document["facts"], finding.at)
            unknown = _unknown(rule["scope"], selection)
            if re.fullmatch(pattern(rule["message"], item, request, unknown), message):
                known = finding.model_copy(update={"message": message})
        found.append(known)
    return found


def _unknown(scope: str, selection: Selection) -> Any:
    fields = selection.fields.get(scope, {})
    own = selection.item_fields.get(scope, frozenset()) | {"id", "digest"} | _REQUEST

    def unknown(path: list[str]) -> bool:
        if len(path) == 1:
            return path[0] not in own
        return path[0] != "subject" and path[1] not in fields.get(path[0], frozenset())

    return unknown


def _first(was: Any, now: Any, path: str) -> tuple[str, str, str]:
    """Return where two documents differ first, in the order of their keys, and what stands there."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted(was.keys() | now.keys()):
            if key not in was or key not in now or canonical(was[key]) != canonical(now[key]):
                here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
                return _first(was.get(key, _NOTHING), now.get(key, _NOTHING), here)
    if isinstance(was, list) and isinstance(now, list):
        for number in range(max(len(was), len(now))):
            one: Any = was[number] if number < len(was) else _NOTHING
            other: Any = now[number] if number < len(now) else _NOTHING
            if _NOTHING in (one, other) or canonical(one) != canonical(other):
                return _first(one, other, f"{path}/{number}")
    return path or "/", _shown(was), _shown(now)


_NOTHING: Final = object()
_SHOWN: Final = 300


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return ""
    text = canonical(value).decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
