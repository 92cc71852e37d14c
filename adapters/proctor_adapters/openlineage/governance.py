"""Reserved keys to fact groups: the vocabulary that no catalog has a field for. Pure; docs/catalogs.md is its page.

Values come as text (tags) or as JSON (our own facet). What does not convert into the vocabulary's type is left out, and
so proves nothing. A key that is stated twice with different values has none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

PREFIX: Final = "governance."
_UNREADABLE: Final = object()
"""The value of a key that contradicts itself: no converter knows it."""
_CENTURY: Final = 20
_BASES: Final[Mapping[str, str]] = {
    "consent": "consent", "a6-1-a": "consent",
    "contract": "contract", "a6-1-b": "contract",
    "legalobligation": "legal-obligation", "a6-1-c": "legal-obligation",
    "vitalinterest": "vital-interests", "vitalinterests": "vital-interests", "a6-1-d": "vital-interests",
    "publicinterest": "public-task", "publictask": "public-task", "a6-1-e": "public-task",
    "legitimateinterest": "legitimate-interests", "legitimateinterests": "legitimate-interests",
    "a6-1-f": "legitimate-interests",
}  # fmt: skip
"""Bases of GDPR Art. 6(1) as W3C's Data Privacy Vocabulary names them (https://w3id.org/dpv, and its EU-GDPR extension
`eu-gdpr:A6-1-a`), without prefix, case and separators."""


@dataclass(slots=True)
class Stated:
    """The reserved keys of one facet: of the dataset, and those of its columns that raise its sensitivity."""

    values: dict[str, Any] = field(default_factory=dict)
    columns: list[tuple[str, Any]] = field(default_factory=list)

    def add(self, key: str, value: Any) -> None:
        """Note a value; a second one that differs takes the first with it."""
        if key in self.values and self.values[key] != value:
            value = _UNREADABLE
        self.values[key] = value


def of_tags(tags: Sequence[Mapping[str, Any]]) -> Stated:
    """Return what the entries of a tags facet state. One with a `field` is about a column."""
    found = Stated()
    for tag in tags:
        key = tag.get("key")
        if not isinstance(key, str) or not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX)
        if tag.get("field"):
            found.columns.append((name, tag.get("value")))
        else:
            found.add(name, tag.get("value"))
    return found


def of_facet(facet: Mapping[str, Any]) -> Stated:
    """Return what our own facet states: the reserved keys without their prefix."""
    return Stated({key: value for key, value in facet.items() if not key.startswith("_")})


def mentions(stated: Stated, group: str) -> bool:
    """Tell whether any key of `group` is stated, readable or not."""
    return any(key in stated.values for key in GROUPS[group].keys) or (
        group == SENSITIVITY and any(key in GROUPS[group].keys for key, _ in stated.columns)
    )


def values(stated: Stated, group: str, moment: datetime, *, created: bool) -> Mapping[str, Any] | None:
    """Return the values of `group`, or None where they are not stated, or not readable."""
    if group == RETENTION and created:
        stated = Stated({"collected_at": moment.isoformat(), **stated.values})
    return GROUPS[group].make(stated)


# --- Converting -------------------------------------------------------------------------------------------------------


def boolean(value: Any) -> bool | None:
    """Return a truth value written as JSON or as `true` and `false` in any case; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def word(value: Any) -> str | None:
    """Return a text without the space around it; None for an empty or unprintable one."""
    found = value.strip() if isinstance(value, str) else ""
    return found if found and found.isprintable() else None


def words(value: Any) -> list[str] | None:
    """Return a list of texts, written as JSON or with commas between them."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    found = [word(item) for item in value] if isinstance(value, list) else [None]
    known = sorted({item for item in found if item is not None})
    return known if None not in found else None


def count(value: Any) -> int | None:
    """Return a whole number from 0 on."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value.strip()[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def time(value: Any) -> datetime | None:
    """Return a time with a zone, or the start of a day in UTC, of the years 2000 to 2099."""
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
        if found is None or (found.tzinfo is None and len(value.strip()) > len("2000-01-01")):
            return None
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.year // 100 == _CENTURY else None


def _sensitivity(stated: Stated) -> Mapping[str, Any] | None:
    said = stated.values
    read = {key: boolean(said[key]) for key in ("pii", "special") if key in said}
    read_columns = [(key, boolean(value)) for key, value in stated.columns if key in {"pii", "special"}]
    if None in read.values() or any(value is None for _, value in read_columns):
        return None
    data_class = word(said.get("data_class"))
    classes = [word(value) for key, value in stated.columns if key == "data_class"]
    if ("data_class" in said and data_class is None) or None in classes:
        return None
    special = read.get("special", False) or ("special", True) in read_columns or "special" in (data_class, *classes)
    personal = read.get("pii")
    if (
        special
        or ("pii", True) in read_columns
        or "personal" in classes
        or (personal is None and data_class == "personal")
    ):
        personal = True
    if personal is None:
        return None
    data_class = data_class or ("special" if special else "personal" if personal else "internal")
    permitted = {"special"} if special else {"personal"} if personal else {"public", "internal"}
    if data_class not in permitted or (special and read.get("special") is False):
        return None  # it contradicts itself: nothing is proven
    return {"personal": personal, "special": bool(special), "data_class": data_class}


def _legal(stated: Stated) -> Mapping[str, Any] | None:
    basis = word(stated.values.get("lawful_basis"))
    if basis is None:
        return None
    bare = basis.rpartition(":")[2].rpartition("/")[2].rpartition("#")[2].lower()
    return {"basis": _BASES.get(bare) or _BASES.get(bare.replace("-", "").replace("_", "").replace(" ", "")) or basis}


def _purposes(stated: Stated) -> Mapping[str, Any] | None:
    permitted = words(stated.values.get("purpose"))
    return None if permitted is None else {"permitted": permitted}


def _consent(stated: Stated) -> Mapping[str, Any] | None:
    status, purposes = word(stated.values.get("consent_status")), words(stated.values.get("consent_purposes"))
    withdrawn = count(stated.values.get("consent_withdrawn", 0))
    if status is None or purposes is None or withdrawn is None:
        return None
    return {"status": status, "purposes": purposes, "withdrawn": withdrawn}


def _licence(stated: Stated) -> Mapping[str, Any] | None:
    licence = word(stated.values.get("licence"))
    return None if licence is None else {"licence": licence}


def _retention(stated: Stated) -> Mapping[str, Any] | None:
    said = stated.values
    ends: list[datetime | None] = []
    if "retention_until" in said:
        ends.append(time(said["retention_until"]))
    if "retention_days" in said:
        # Counted from when the data was collected; counted from each event it would never end.
        start, days = time(said.get("collected_at")), count(said["retention_days"])
        ends.append(
            None if start is None or days is None else time((start + timedelta(days=min(days, 99_999))).isoformat())
        )
    known = [end for end in ends if end is not None]
    return {"until": min(known).isoformat()} if known and len(known) == len(ends) else None


@dataclass(frozen=True, slots=True)
class _Group:
    keys: frozenset[str]
    make: Callable[[Stated], Mapping[str, Any] | None]


SENSITIVITY: Final = "sensitivity"
RETENTION: Final = "retention"
GROUPS: Final[Mapping[str, _Group]] = {
    SENSITIVITY: _Group(frozenset({"pii", "special", "data_class"}), _sensitivity),
    "legal": _Group(frozenset({"lawful_basis"}), _legal),
    "purposes": _Group(frozenset({"purpose"}), _purposes),
    "consent": _Group(frozenset({"consent_status", "consent_purposes", "consent_withdrawn"}), _consent),
    "licence": _Group(frozenset({"licence"}), _licence),
    RETENTION: _Group(frozenset({"retention_until", "retention_days", "collected_at"}), _retention),
}
"""Groups that the reserved keys feed."""
