"""Who can deliver which group of facts: Proctor's own registers, callers, and the adapters that are installed.

The same lists tell the profile `starter` which rules it can enforce, so what a page says of a rule is what a server
makes of it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Final

from proctor.errors import SettingsError
from proctor.identity.provider import PrincipalFacts
from proctor.inventory.catalog import CatalogFacts
from proctor.inventory.preflights import PreflightFacts
from proctor.inventory.provider import InventoryProvider
from proctor.inventory.purposes import PurposeFacts
from proctor.oversight.provider import WaiverFacts
from proctor.plugins import ENTRY_POINT_GROUP

OWN: Final = (InventoryProvider, PrincipalFacts, WaiverFacts, CatalogFacts, PurposeFacts, PreflightFacts)
OWNED: Final = frozenset(group for provider in OWN for group in provider.provides)
"""Fact groups that Proctor itself provides; nobody else's word is taken for them."""
STATED: Final = frozenset({"plan", "claim", "datasets/*/reference"})
"""Fact groups that every caller of `/v1/decisions` can state about what they are about to do."""
_HOW: Final = {
    InventoryProvider.name: "the inventory of models (`proctor model register`, `allow`)",
    PrincipalFacts.name: "the register of people and services (`proctor principal`)",
    WaiverFacts.name: "the register of waivers (`proctor waiver`)",
    CatalogFacts.name: "what data catalogs report (docs/catalogs.md)",
    PurposeFacts.name: "the configuration of purposes (`policy.purposes`)",
    PreflightFacts.name: "the record of the preflight",
}


@dataclass(frozen=True, slots=True)
class Supplier:
    """Somebody who can deliver facts."""

    name: str
    how: str
    """For a person: where it comes from."""
    groups: frozenset[str] | None
    """Groups as providers name them: `models/*/registration`, `deployer`. None: it does not say, so any may come."""


@cache
def suppliers() -> tuple[Supplier, ...]:
    """Return `everybody`, asked once: what is installed does not change while a process runs."""
    return everybody()


def everybody() -> tuple[Supplier, ...]:
    """Return everybody, Proctor's own first.

    Raises `SettingsError` for an installed adapter that can't be imported.
    """
    own = [Supplier(one.name, _HOW[one.name], frozenset(one.provides)) for one in OWN]
    callers = Supplier("caller", "whoever asks, about what they are about to do", STATED)
    return (*own, callers, *_adapters())


def of(group: str) -> Sequence[Supplier]:
    """Return who can deliver `group`."""
    return [supplier for supplier in suppliers() if supplier.groups is None or group in supplier.groups]


def delivered() -> frozenset[str] | None:
    """Return every group that somebody can deliver; None where that can be any."""
    found: set[str] = set()
    for supplier in suppliers():
        if supplier.groups is None:
            return None
        found |= supplier.groups
    return frozenset(found)


def _adapters() -> list[Supplier]:
    found: list[Supplier] = []
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        tried = f"asking the adapter {entry.name} which facts it states"
        try:
            module = sys.modules[entry.load().__module__]
        except (ImportError, AttributeError) as error:
            raise SettingsError(tried, str(error), f"Install its extra: pip install 'proctor[{entry.name}]'") from error
        states = getattr(module, "states", None)
        groups = None if states is None else frozenset(states())
        if groups is None or groups:
            found.append(Supplier(entry.name, f"the adapter {entry.name}, with its question", groups))
    return found
