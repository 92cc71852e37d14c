"""Explains a recorded decision in plain lines: what was asked, what it rests on, what failed and what to do."""

from collections.abc import Mapping
from typing import Any


def explain(record: Mapping[str, Any]) -> str:
    """Return the explanation of a decision's record as text of a few dozen lines, without control characters."""
    lines = [f"{record['id']}: {record['outcome'].upper()} ({record['reason']})", f"  {record['message']}", ""]
    lines += _asked(record)
    lines += _problems(record)
    lines += _findings(record)
    lines += _unprovided(record)
    lines += _rules(record)
    lines += _evidence(record)
    policy = record.get("policy", {})
    lines.append(f"Policy {policy.get('revision', '?')} ({policy.get('digest', '?')}), engine {_engine(record)}")
    if digest := record.get("input_digest"):
        lines.append(f"Input {digest}")
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines) + "\n"


def _asked(record: Mapping[str, Any]) -> list[str]:
    if "operation" not in record:
        return ["The request could not be read.", ""]
    subject = record.get("subject", {})
    tier = record.get("tier", {})
    unknown = f" (unknown: {', '.join(tier['unknown'])})" if tier.get("unknown") else ""
    lines = [
        f"Asked     {record['operation']} at {record['stage']}, {record['environment']}, through {record['point']}",
        f"Subject   {subject.get('name', '?')} {subject.get('digest', '')}".rstrip(),
        f"Actor     {record.get('actor', '?')}",
    ]
    if tier:
        lines.append(f"Risk tier {tier['value']}{unknown}")
        lines += [f"            {line}" for line in _factors(tier)]
    lines.append(f"Decided   {record['decided_at']}")
    return [*lines, ""]


def _factors(tier: Mapping[str, Any]) -> list[str]:
    """Return a line for each factor of the item that decided, and one for those that nobody supplies."""
    where = "/".join(map(str, tier.get("at", ())))
    lines = [
        f"{score['points']} for {name} {score['value']}" for name, score in sorted(tier.get("factors", {}).items())
    ]
    if lines:
        lines.append(f"{tier.get('points', 0)} points" + (f" at {where}, the riskiest" if where else ""))
    if unscored := tier.get("unscored"):
        lines.append(f"not scored, because nobody supplies them: {', '.join(unscored)}")
    return lines


def _problems(record: Mapping[str, Any]) -> list[str]:
    problems = record.get("problems", [])
    lines = [
        f"  {problem.get('path') or '(request)'}: {problem['message']} [{problem['code']}]" for problem in problems
    ]
    return ["Problems", *lines, ""] if lines else []


def _findings(record: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for finding in record.get("findings", []):
        where = ", ".join(finding["item"]) or "/".join(map(str, finding["at"])) or "the whole request"
        by = f" by {finding['by']}" if finding.get("by") else ""
        lines.append(f"  [{finding['rule']}] {finding['status']}, {finding['effect']}{by}: {finding['message']}")
        lines.append(f"      where: {where}")
        lines.append(f"      to do: {finding['remediation']}")
        if clauses := finding.get("clauses"):
            lines.append(f"      serves: {', '.join([*finding.get('controls', []), *clauses])}")
    return ["Findings", *lines, ""] if lines else []


def _unprovided(record: Mapping[str, Any]) -> list[str]:
    rules = record.get("unprovided", [])
    return ["Only warned, because nobody supplies their facts", *(f"  {code}" for code in rules), ""] if rules else []


def _rules(record: Mapping[str, Any]) -> list[str]:
    rules = record.get("rules", {})
    if not rules:
        return []
    lines = [
        f"  {code}: {count['compliant']} of {count['places']} places compliant"
        + (f", {count['exempt']} exempt" if count["exempt"] else "")
        for code, count in sorted(rules.items())
    ]
    return ["Rules", *lines, ""]


def _evidence(record: Mapping[str, Any]) -> list[str]:
    facts = record.get("facts", [])
    lines = [f"  {fact['group']}: {fact['tier']}, {fact['source']}, observed {fact['observed_at']}" for fact in facts]
    return ["Evidence", *lines, ""] if lines else []


def _engine(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(record.get("engine", {}).items())) or "?"
