"""What a policy says, as a person reads it in a terminal."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proctor.cli import outputs
from proctor.cli.terminal import width

_LABEL: Final = 16
"""Columns before what a line says."""


def of_rule(document: Mapping[str, Any]) -> list[str]:
    """Return the lines of a rule, as `proctor.policy.catalogue.document` gives it."""
    return list(_rule(document))


def of_coverage(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of clauses, as `proctor.policy.coverage.Covered.row` gives them."""
    longest = max((len(row["clause"]) for row in rows), default=0)
    lines: list[str] = []
    for row in rows:
        head = f"{row['clause']:<{longest}}  {row['verdict']:<10}  "
        lines += _wrapped(head, f"{row['title']} ({row['state']})")
        lines += [" " * len(head) + rule for rule in row["rules"]]
    return lines


def of_checklist(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a checklist, as `proctor.policy.checklist.Wanted.row` gives them."""
    lines: list[str] = []
    for row in rows:
        lines.append(f"[ ] {row['group']}")
        lines += _wrapped("      ", ", ".join(row["fields"]))
        age = f", at most {row['max_age']} old" if row["max_age"] else ""
        soft = ", unless exempt" if row["needed"] != "always" else ""
        about = f"about the {' and the '.join(row['about'])}, " if row["about"] else ""
        if about:
            lines += _wrapped("      ", f"{about}{row['tier']} or stronger{age}{soft}")
        lines += _wrapped("      from ", ", ".join(row["delivered_by"]) or "nobody yet")
        lines += _wrapped("      for ", ", ".join(row["rules"]))
    return lines


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    yield f"{rule['code']}: {rule['title']}"
    yield from _wrapped("  ", rule["description"])
    yield from _said("severity", rule["severity"])
    for one in rule["applies_to"]:
        yield from _said("asked at", f"{one['stage']}, of a {one['kind']}: {', '.join(one['operations'])}")
    yield from _said("looks at", (rule["for_each"] or "the whole request") + ", may be empty" * rule["may_be_empty"])
    yield from _said("refusal", rule["message"])
    yield from _said("to mend it", rule["remediation"])
    yield from _said("waivable", f"up to {rule['waivable']['max_days']} days" if rule["waivable"] else "no")
    yield from _said("approvable", "yes" if rule["approvable"] else "no")
    yield from _said("owner", rule["owner"])
    yield from _said("controls", ", ".join(rule["controls"]))
    if rule["effective_on"]:
        yield from _said("takes effect", rule["effective_on"])
    for grant in rule["grants"]:
        yield from _said("granted", f"the pack {grant['pack']} weakens {grant['weakens']}: {grant['reason']}")
    if rule["only_warns"]:
        yield from _said("only warns", rule["only_warns"])
    yield "Facts"
    for fact in rule["facts"]:
        fields = ", ".join(f"{name} ({kind})" for name, kind in fact["fields"].items())
        age = f", at most {fact['max_age']} old" if fact["max_age"] else ""
        soft = ", unless exempt" if fact["unless_exempt"] else ""
        yield from _wrapped("  ", f"{fact['group']}: {fields}", 2)
        yield from _wrapped("    ", f"about the {fact['about']}, {fact['min_tier']} or stronger{age}{soft}")
        yield from _wrapped("    from ", ", ".join(fact["delivered_by"]) or "nobody yet")
    yield from (f"  {name} of the request ({kind})" for name, kind in rule["request"].items())
    if rule["thresholds"] or rule["lists"]:
        yield "Looks up"
    for name, values in (rule["thresholds"] | rule["lists"]).items():
        yield from _wrapped(f"  {name}: ", outputs.cell(values))
    yield "Clauses"
    for clause in rule["clauses"]:
        first = f"from {clause['effective_from']}" if clause["effective_from"] else "no date"
        text = f"{clause['framework']}/{clause['clause']}: {clause['title']} ({clause['status']}, {first})"
        yield from _wrapped("  ", text, 2)
    yield "A failure"
    yield from (f"  {where['action']:<7} {_places(where)}" for where in rule["actions"])


def _places(where: Mapping[str, Any]) -> str:
    named = {"tiers": "tier", "environments": "environment", "points": "point"}
    places = [f"{label} {', '.join(where[name])}" for name, label in named.items() if where[name] != ["any"]]
    return f"at {'; '.join(places)}" if places else "everywhere"


def _said(label: str, text: str) -> list[str]:
    return _wrapped(f"  {label}".ljust(_LABEL), text)


def _wrapped(head: str, text: str, deeper: int = 0) -> list[str]:
    return textwrap.wrap(
        text, max(width(), len(head) + 20), initial_indent=head, subsequent_indent=" " * (len(head) + deeper),
        break_long_words=False, break_on_hyphens=False,
    ) or [head.rstrip()]  # fmt: skip
