"""How decisions that come out differently are shown: by rule, with one example each."""

from typing import TYPE_CHECKING, Any

from proctor.cli import outputs

if TYPE_CHECKING:
    from proctor.policy.replaying import Tally

_COLUMNS = {"Change": "change", "Rule": "rule", "Decisions": "count", "Example": "example", "Why": "message"}


def counts(tally: "Tally") -> dict[str, Any]:
    """Return the numbers of a replay as JSON."""
    return {"decisions": tally.decisions, "states": tally.counts}


def document(tally: "Tally") -> dict[str, Any]:
    """Return a replay under another policy as JSON."""
    return {
        **counts(tally), "flipped": tally.flipped, "flipped_for_unrecorded_facts": tally.unrecorded,
        "changed_findings": tally.changed, "flips": rows(tally),
    }  # fmt: skip


def rows(tally: "Tally") -> list[dict[str, Any]]:
    """Return the groups, most decisions first."""
    return sorted(tally.groups.values(), key=lambda group: (-group["count"], group["change"], group["rule"]))


def section(tally: "Tally") -> outputs.Section:
    """Return the groups as a table."""
    shown = [
        {**group, "message": f"{group['message']} (not recorded then)" if group["unrecorded"] else group["message"]}
        for group in rows(tally)
    ]
    return outputs.Section("Decisions that flip", shown, _COLUMNS)


def lines(tally: "Tally") -> list[str]:
    """Return the sums in words."""
    again = tally.counts.get("replayable", 0)
    found = [f"{tally.flipped} of {again} come out differently" if tally.flipped else f"none of {again} flips"]
    if tally.unrecorded:
        found.append(
            f"of these {tally.unrecorded} only because the record lacks facts that its policy did not ask for: "
            "whether they were there, nobody can tell from it"
        )
    if tally.changed:
        found.append(f"{tally.changed} have the same outcome with findings of other rules")
    return found
