"""Patches (RFC 6902) on samples: how a case says in what it differs, and how that is shown to a person."""

import copy
import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Patch: TypeAlias = list[dict[str, Any]]
Place: TypeAlias = list[str | int]
"""A path below `facts`, such as `["models", 0]`."""

_CONTEXT: Final = 3
_LONGEST: Final = 40
"""Lines of a difference that are shown; a list that was taken out whole needs no more to be understood."""


def apply(document: Mapping[str, Any], patch: Patch) -> dict[str, Any]:
    """Return the document with the operations `add`, `replace` and `remove` applied.

    The document stays as it is. What no operation touches is shared with it: thousands of cases are made from one
    sample, and copying all of it for each took longer than judging them.
    """
    changed = dict(document)
    for operation in patch:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder: Any = changed
        for part in way:
            key: Any = int(part) if isinstance(holder, list) else part
            own = copy.copy(holder[key])
            holder[key] = own
            holder = own
        key = int(last) if isinstance(holder, list) else last
        if operation["op"] == "remove":
            del holder[key]
        elif operation["op"] == "add" and isinstance(holder, list):
            holder.insert(key, operation["value"])
        else:
            holder[key] = operation["value"]
    return changed


def difference(document: Mapping[str, Any], patch: Patch, name: str) -> list[str]:
    """Return the lines of a unified diff between the sample `name` and what the patch makes of it."""
    before, after = (
        json.dumps(side, indent=2, sort_keys=True).splitlines() for side in (document, apply(document, patch))
    )
    lines = [*difflib.unified_diff(before, after, f"sample {name}", "this case", n=_CONTEXT, lineterm="")]
    return lines if len(lines) <= _LONGEST else [*lines[:_LONGEST], f"({len(lines) - _LONGEST} more lines)"]


def value_at(document: Any, path: Sequence[str | int]) -> Any:
    """Return what stands at `path`; raises `LookupError` or `TypeError` where nothing does."""
    for part in path:
        document = document[part]
    return document


def replace(path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """Return the operation that puts `value` at a path below `facts`."""
    return {"op": "replace", "path": "/facts" + _pointer(path), "value": value}


def remove(path: Sequence[str | int]) -> dict[str, Any]:
    """Return the operation that takes out what stands at a path below `facts`."""
    return {"op": "remove", "path": "/facts" + _pointer(path)}


def of_request(path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """Return the operation that puts `value` at a path of the request itself."""
    return {"op": "replace", "path": _pointer(path), "value": value}


def _pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
