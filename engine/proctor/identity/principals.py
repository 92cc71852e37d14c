"""Principals: engine-minted persons and services, and the form in which their changes go into the ledger.

Names and logins are about people, so the ledger holds keyed fingerprints of them and the database the text.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proctor.errors import RefusedError
from proctor.vocabulary.principal import Actor, PrincipalKind, Role
from proctor.vocabulary.words import DATA_CLASSES

MAX_NAME: Final = 512
"""Characters of a principal's name or of a login. Kubernetes user names are the longest we link (RFC 1123 paths)."""
MAX_ENVIRONMENTS: Final = 100
LOCAL_OPERATOR: Final = "service:localoperator"
"""Whoever can open the private Unix socket. Not minted and not in the register."""

_NAME_OR_ANY: Final = re.compile(r"\*|[a-z][a-z0-9_.-]{0,127}")
"""`*`, or an identifier of the vocabulary (`fact_types.Identifier`): an environment or a purpose."""
MAX_PURPOSES: Final = 100
_SYSTEM: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Principal:
    """One person or service, whom every login, commit author and key leads to."""

    id: str
    kind: PrincipalKind
    name: str
    environments: tuple[str, ...]
    """Environments that the principal may deploy to; `*` for all that the policy knows."""
    roles: tuple[Role, ...]
    active: bool
    created_at: str
    purposes: tuple[str, ...] = ()
    """Purposes for which the principal may train; `*` for all that are configured."""
    data_classes: tuple[str, ...] = ()
    """Classes of data that the principal may train on; `*` for all."""

    def actor(self, authenticated_by: str) -> Actor:
        """Return the principal as the one on whose behalf something is about to happen."""
        return Actor(id=self.id, kind=self.kind, authenticated_by=authenticated_by)

    def row(self) -> dict[str, Any]:
        """Return the values of the table `principals`."""
        return {
            "id": self.id,
            "kind": str(self.kind),
            "name": self.name,
            "environments": list(self.environments),
            "roles": [str(role) for role in self.roles],
            "purposes": list(self.purposes),
            "data_classes": list(self.data_classes),
            "active": self.active,
            "created_at": self.created_at,
        }


def from_row(row: Mapping[str, Any]) -> Principal:
    """Return the principal of one row of the table `principals`."""
    return Principal(
        id=row["id"],
        kind=PrincipalKind(row["kind"]),
        name=row["name"],
        environments=tuple(row["environments"]),
        roles=tuple(Role(role) for role in row["roles"]),
        active=bool(row["active"]),
        created_at=row["created_at"],
        purposes=tuple(row["purposes"]),
        data_classes=tuple(row["data_classes"]),
    )


def mint(kind: PrincipalKind) -> str:
    """Return a new id: the kind and 64 random bits in hexadecimal. Nothing about the person can be read from it."""
    if kind is PrincipalKind.UNRESOLVED:
        raise ValueError("nobody is minted as unresolved")
    return f"{kind}:{secrets.token_hex(8)}"


def checked_name(name: str, what: str) -> str:
    """Return `name`, or refuse one that is empty, too long, padded or not printable."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise RefusedError(
            "invalid_request", 422, f"reading the {what}", "it is empty, too long, padded or not printable",
            f"Give 1 to {MAX_NAME} printable characters",
        )  # fmt: skip
    return name


def checked_system(system: str) -> str:
    """Return the name of a login system such as `kubernetes`, or refuse it."""
    if not _SYSTEM.fullmatch(system):
        raise RefusedError(
            "invalid_request", 422, "reading the system of a login", "it is not a lower-case word",
            "Name it as adapters do: kubernetes, mlflow, git",
        )  # fmt: skip
    return system


def checked_purposes(purposes: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of purposes without repetition, or refuse one that can't be one."""
    return _checked_names(purposes, "reading the purposes", MAX_PURPOSES, "lower-case names, or *")


def checked_data_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return classes of data without repetition, or refuse one that does not exist."""
    if wrong := [name for name in classes if name not in ("*", *DATA_CLASSES)]:
        raise RefusedError(
            "invalid_request", 422, "reading the classes of data", f"{wrong[0]!r:.80} is none",
            f"Name some of {', '.join(DATA_CLASSES)}, or *",
        )  # fmt: skip
    return tuple(dict.fromkeys(classes))


def checked_environments(environments: tuple[str, ...]) -> tuple[str, ...]:
    """Return environment names without repetition, or refuse one that can't be an environment."""
    return _checked_names(environments, "reading the environments", MAX_ENVIRONMENTS, "names, or *")


def _checked_names(names: tuple[str, ...], tried: str, limit: int, form: str) -> tuple[str, ...]:
    wrong = [name for name in names if not _NAME_OR_ANY.fullmatch(name)]
    if wrong or len(names) > limit:
        found = f"{wrong[0]!r:.80} is not the name of one" if wrong else f"{len(names)} of them"
        raise RefusedError("invalid_request", 422, tried, found, f"Give at most {limit} {form}")
    return tuple(dict.fromkeys(names))
