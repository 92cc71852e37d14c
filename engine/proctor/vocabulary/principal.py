"""Who asks: principals and the callers that credentials make of them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proctor.vocabulary.words import Point

UNRESOLVED: Final = "unresolved"


class PrincipalKind(StrEnum):
    """`unresolved` is a login that nobody linked to a principal: no rule takes it for anybody."""

    PERSON = "person"
    SERVICE = "service"
    UNRESOLVED = "unresolved"


class Role(StrEnum):
    """What a principal may do with Proctor's own API; decided in rego/authz."""

    REQUESTER = "requester"
    APPROVER = "approver"
    POLICY_AUTHOR = "policy-author"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    GATE = "gate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Actor:
    """The principal on whose behalf something is about to happen, as the input shows it."""

    id: str
    """`person:<id>`, `service:<id>` or `unresolved:<system>`."""
    kind: PrincipalKind
    authenticated_by: str
    """`api-key`, `kubernetes`, `local-socket`, ..."""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated credential: who, and what it may ask and assert.

    `points` and `environments` hold `"*"` for any. `asserts` names fact groups such as `models/*/reference`
    that count as `observed` when this caller states them; everything else that it states is `declared`. A group of
    datasets can be limited to one namespace: `datasets/*/ownership@s3://lake` (`proctor.vocabulary.datasets.asserted`).
    """

    actor: Actor
    roles: frozenset[Role]
    points: frozenset[Point] | frozenset[str]
    environments: frozenset[str]
    asserts: frozenset[str] = field(default_factory=frozenset)
    credential: str = ""
    """Prefix of the key or name of the listener, for logs; never the secret."""

    def may_ask(self, point: Point, environment: str) -> bool:
        """Tell whether this credential covers the point and the environment."""
        points, environments = self.points, self.environments
        return (point in points or "*" in points) and (environment in environments or "*" in environments)
