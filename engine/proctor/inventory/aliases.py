"""Which names are one dataset: spellings that their platform does not tell apart, and aliases that a catalog knows.

A catalog can be wrong about an alias, or point one at itself. So each one keeps who said it, sets have a limit, and a
catalog that no longer says it takes it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from proctor.vocabulary.datasets import parse

MAX_NAMES: Final = 16
"""Names of one dataset. A larger set is a mistake: a bucket taken for a table would make one dataset of everything."""


@dataclass(frozen=True, slots=True)
class Link:
    """One name is another name of a dataset, as `source` said at `observed_at`."""

    alias: str
    urn: str
    source: str
    observed_at: datetime


class Names:
    """The graph of names, in memory. Nodes are match keys, so that spellings need no edges."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], Link] = {}
        self._near: dict[str, set[str]] = {}
        self._spelt: dict[str, set[str]] = {}

    def spell(self, urn: str) -> None:
        """Note a name that is in use."""
        self._spelt.setdefault(_key(urn), set()).add(urn)

    def of(self, urn: str) -> tuple[str, ...]:
        """Return all names of the dataset, `urn` first, at most `MAX_NAMES` match keys of them."""
        key = _key(urn)
        found = {name for near in self._around(key) for name in self._spelt.get(near, ())}
        return (urn, *sorted(found - {urn}))

    def links(self, urn: str, source: str) -> Mapping[str, Link]:
        """Return what `source` has said of the names of exactly `urn`, by alias."""
        return {alias: link for (alias, of), link in self._links.items() if of == urn and link.source == source}

    def known(self, alias: str, urn: str) -> Link | None:
        """Return the link between these two, or None."""
        return self._links.get((alias, urn))

    def all(self) -> list[Link]:
        """Return all links."""
        return list(self._links.values())

    def fits(self, link: Link) -> bool:
        """Tell whether the link joins two sets that are no larger together than one may be."""
        return len(self._around(_key(link.alias)) | self._around(_key(link.urn))) <= MAX_NAMES

    def add(self, link: Link) -> None:
        """Join two names. A name is never its own alias."""
        one, other = _key(link.alias), _key(link.urn)
        if one == other:
            return
        self._links[link.alias, link.urn] = link
        self._near.setdefault(one, set()).add(other)
        self._near.setdefault(other, set()).add(one)
        self.spell(link.alias)
        self.spell(link.urn)

    def remove(self, alias: str, urn: str) -> None:
        """Take the link between two names back, whoever said it."""
        self._links.pop((alias, urn), None)
        one, other = _key(alias), _key(urn)
        if not any({_key(link.alias), _key(link.urn)} == {one, other} for link in self._links.values()):
            self._near.get(one, set()).discard(other)
            self._near.get(other, set()).discard(one)

    def _around(self, key: str) -> set[str]:
        found, open_ones = {key}, [key]
        while open_ones and len(found) <= MAX_NAMES:
            fresh = self._near.get(open_ones.pop(), set()) - found
            found |= fresh
            open_ones.extend(fresh)
        return found


def _key(urn: str) -> str:
    try:
        return parse(urn).match_key
    except ValueError:
        return urn  # a caller's text that is no dataset's name: nothing is known of it, and nothing meets it
