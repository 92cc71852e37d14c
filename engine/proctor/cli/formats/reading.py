"""What every form reads from a decision, so that all six say the same."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from proctor.cli.plain import plain

LIFTED: Final = frozenset({"waived", "approved"})
"""Effects of findings that people have taken on themselves. They are shown everywhere, and never count as a pass."""


def subject(decision: Mapping[str, Any]) -> str:
    """Return the subject's name, or what can be said instead."""
    return plain((decision.get("subject") or {}).get("name") or "(request)")


def item(finding: Mapping[str, Any]) -> str:
    """Return the item of a finding: its stable id, else its place, else the whole request."""
    named = " / ".join(plain(part) for part in finding.get("item", ()))
    return named or "/".join(plain(part) for part in finding.get("at", ())) or "the whole request"


def effect(finding: Mapping[str, Any]) -> str:
    """Return the effect, with the waiver or approval behind it."""
    by = f" by {plain(finding['by'])}" if finding.get("by") else ""
    return f"{plain(finding.get('effect', '?'))}{by}"


_FEW: Final = 3


def unprovided(rules: Sequence[str]) -> str:
    """Return one line for the rules that only warned because nobody supplies their facts; a few of them by name."""
    if len(rules) <= _FEW:
        return f"for want of facts these rules only warn: {', '.join(map(plain, rules))}"
    return f"{len(rules)} rules only warn, for want of facts; -o json names them"


def problem(entry: Mapping[str, Any]) -> str:
    """Return one line for a problem: where in the request, if it is there, and what."""
    message = plain(entry.get("message", ""))
    return f"{plain(entry['path'])}: {message}" if entry.get("path") else message


def context(decision: Mapping[str, Any]) -> str:
    """Return where the question was asked, its risk tier and the policy, in one line."""
    tier, policy = decision.get("tier") or {}, decision.get("policy") or {}
    parts = [
        decision.get("reason"),
        decision.get("environment"),
        f"risk tier {tier['value']}" if tier.get("value") else None,
        f"policy {policy['revision']}" if policy.get("revision") else None,
        "not recorded (dry run)" if decision.get("dry_run") else None,
        "advisory" if decision.get("advisory") else None,
    ]
    return ", ".join(plain(part) for part in parts if part)
