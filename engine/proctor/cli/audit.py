"""`proctor audit`: what was allowed, judged again as a dry run; today, or as rules will be on a date."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proctor.cli import exits, outputs, session
from proctor.cli.listing import rows_of
from proctor.cli.options import ListOutputOption
from proctor.cli.terminal import progress
from proctor.errors import EngineError

if TYPE_CHECKING:
    from proctor.cli.session import Session

_RULES: Final = {"Rule": "rule", "Subjects": "count", "From": "since", "Example": "example", "Why": "message"}
_SUBJECTS: Final = {
    "Subject": "subject", "Stage": "stage", "Environment": "environment", "State": "state", "From": "since",
    "Why": "reason", "Allowed by": "allowed_by",
}  # fmt: skip
_PART: Final = 100


def audit(
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="As rules will be on this date (2027-12-02), UTC.")
    ] = None,
    output: ListOutputOption = None,
) -> None:
    """Judge everything that stands again under the policy in force, and show what would fall, by rule and subject.

    A dry run: nothing is recorded, and no violation is opened. With --at the rules are those of that date, and the
    evidence is as old as it is today.

    Exit code 0: everything stands. 1: something falls. 3: something could not be judged. 4: approvals are needed.
    """
    destinations = outputs.parse(output or [], outputs.OF_LISTS)

    async def read(api: "Session") -> tuple[dict[str, Any], list[dict[str, Any]], int]:
        after: str | None = ""
        rows: list[dict[str, Any]] = []
        judged = 0
        reply: dict[str, Any] = {}
        while after is not None:
            reply = await api.get("/v1/audit", at=at, after=after, limit=_PART)
            rows += rows_of(reply, "rows")
            judged += int(reply["judged"])
            following = reply.get("next")
            if following is not None and not (isinstance(following, str) and following > after):
                raise EngineError("auditing", "the server's answers go in a circle", "Is that a Proctor server?")
            after = following
            if after is not None:
                progress(f"{judged} of {reply['total']} judged, {len(rows)} do not stand")
        return reply, rows, judged

    reply, rows, judged = session.run(read)
    shown = [row | {"reason": _reason(row)} for row in rows]
    states = Counter(row["state"] for row in rows)
    rules = _by_rule(rows)
    policy = reply.get("policy", {}).get("revision")
    moment = f"as rules will be on {reply['at']}" if reply.get("at") else "as it is today"
    counted = ", ".join(f"{states[state]} {name}" for state, name in _WORDS.items() if states[state])
    lines = [
        f"{judged} judged under policy {policy}, {moment}: {judged - len(rows)} stand"
        + (f", {counted}" if counted else "")
    ]
    document = {
        "policy": reply.get("policy"), "at": reply.get("at"), "judged": judged, "states": dict(states),
        "rules": rules, "subjects": rows,
    }  # fmt: skip
    sections = [outputs.Section("By rule", rules, _RULES), outputs.Section("By subject", shown, _SUBJECTS)]
    outputs.write_report(document, lines, sections, destinations)
    raise typer.Exit(_code(states))


_WORDS: Final = {"falls": "fall", "asks": "would need an approval", "unknown": "could not be judged"}


def _reason(row: dict[str, Any]) -> str:
    messages = [finding["message"] for finding in row["findings"]]
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return f"{messages[0]}{more}" if messages else str(row["why"])


def _by_rule(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        for rule in {finding["rule"] for finding in row["findings"]}:
            message = next(finding["message"] for finding in row["findings"] if finding["rule"] == rule)
            group = groups.setdefault(
                (rule, row["since"]),
                {"rule": rule, "count": 0, "since": row["since"], "example": row["subject"], "message": message},
            )
            group["count"] += 1
    return sorted(groups.values(), key=lambda group: (-group["count"], group["rule"], group["since"]))


def _code(states: Counter[str]) -> int:
    if states["unknown"]:
        return exits.ENGINE_ERROR
    if states["falls"]:
        return exits.DENY
    return exits.APPROVAL_REQUIRED if states["asks"] else exits.ALLOW
