"""What the API's lists have in common, and how a name becomes a part of an address."""

from typing import Any
from urllib.parse import quote

from proctor.errors import EngineError


def rows_of(reply: Any, name: str) -> list[dict[str, Any]]:
    """Return the list that a reply carries, bare or under `name`. Raises `EngineError` for another shape."""
    rows = reply.get(name) if isinstance(reply, dict) else reply
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EngineError(f"reading the {name}", f"no list of them: {str(reply)[:120]!r}", "Is that a Proctor server?")
    return rows


def decision_of(reply: Any) -> dict[str, Any]:
    """Return the reply if it is a decision. Raises `EngineError` otherwise: nothing else may count as one."""
    if not isinstance(reply, dict) or not isinstance(reply.get("id"), str) or not isinstance(reply.get("outcome"), str):
        raise EngineError("reading the decision", f"something else: {str(reply)[:120]!r}", "Is that a Proctor server?")
    return reply


def quoted(part: str) -> str:
    """Return `part` as one segment of a path: no slash or dot of it leads elsewhere."""
    return quote(part, safe="").replace(".", "%2E") if part in {".", ".."} else quote(part, safe="")
