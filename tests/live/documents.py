"""Changing one thing in a document: every path of it, and a copy with other values at some of them."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

Place = tuple[str | int, ...]


def at(document: Any, path: Iterable[str | int]) -> Any:
    """Return what stands at a path."""
    for part in path:
        document = document[part]
    return document


def changed(document: Any, *changes: tuple[Place, Any]) -> Any:
    """Return a copy with other values at some paths; `...` takes out what stands there."""
    found = copy.deepcopy(document)
    for path, value in changes:
        holder = at(found, path[:-1])
        if isinstance(holder, dict) and not isinstance(path[-1], str):
            raise TypeError("an object has no index")
        if value is ...:
            del holder[path[-1]]
        elif isinstance(holder, list) and path[-1] == len(holder):
            holder.append(copy.deepcopy(value))
        else:
            holder[path[-1]] = copy.deepcopy(value)
    return found


def paths(value: Any, prefix: Place = ()) -> Iterator[Place]:
    """Yield the path of every node below a document."""
    pairs: Iterable[tuple[str | int, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, child in pairs:
        yield (*prefix, name)
        yield from paths(child, (*prefix, name))
