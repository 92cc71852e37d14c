"""What a key may be for: never more than its principal, and nothing that does not exist."""

import re
from typing import Final

from proctor.errors import RefusedError
from proctor.identity.keys import KINDS, ApiKey
from proctor.identity.principals import Principal
from proctor.vocabulary.principal import PrincipalKind
from proctor.vocabulary.words import Point

_ASSERTED: Final = re.compile(r"(?:[a-z_]{1,40}/\*/)?[a-z_]{1,40}|datasets/\*/[a-z_]{1,40}@\S{1,512}")
"""A fact group as a key names it: `models/*/reference`, `workload`, or `datasets/*/legal@s3://lake` (one namespace)."""


def check(key: ApiKey, principal: Principal) -> None:
    """Refuse a key that asks for more than its principal may have, or for something that does not exist.

    Raises `RefusedError` (422) that names what is wrong.
    """
    tried = "reading what the key is for"
    foreign = sorted(str(role) for role in set(key.roles) - set(principal.roles))
    if foreign or not key.roles:
        found = f"{principal.id} has not the role {foreign[0]}" if foreign else "the key has no role"
        raise RefusedError("invalid_request", 422, tried, found, "Give roles that the principal has")
    points = {"*", *(str(point) for point in Point)}
    if wrong := sorted(set(key.points) - points):
        raise RefusedError(
            "invalid_request", 422, tried, f"{wrong[0]!r:.80} is no point", f"Points are {', '.join(sorted(points))}"
        )
    if key.kind not in KINDS:
        raise RefusedError("invalid_request", 422, tried, f"{key.kind!r:.40} is no kind", f"One of {KINDS}")
    if key.asserts and (key.kind == "plain" or principal.kind is not PrincipalKind.SERVICE):
        raise RefusedError(
            "invalid_request", 422, tried, "only a service's key of kind gate or catalog asserts facts",
            "Add a service principal and give its key the kind gate",
        )  # fmt: skip
    if wrong := [group for group in key.asserts if not _ASSERTED.fullmatch(group)]:
        raise RefusedError(
            "invalid_request", 422, tried, f"{wrong[0]!r:.80} is no fact group", "Name groups as docs/facts.md does"
        )
