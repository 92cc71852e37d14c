"""What facts are made of: the types of their fields, the base of all groups, and the evidence that each one carries.

A *group* is what one provider says about one thing at one time. Groups sit on the items of a list (`models[]`,
`datasets[]`, `images[]`) or on the whole request. A value that could not be established is absent, never null.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from proctor.vocabulary.words import EvidenceTier

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
"""Non-empty text: an empty string is an absent value that pretends to be present."""
Words = Annotated[list[Word], Field(max_length=2000)]
PrincipalId = Annotated[str, StringConstraints(pattern=r"^(person|service):[a-z0-9]{4,64}$")]
PersonId = Annotated[str, StringConstraints(pattern=r"^person:[a-z0-9]{4,64}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,127}$")]


Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))]
"""A time with a zone in the years 2000 to 2099; written as RFC 3339 in UTC with `Z`."""


class Model(BaseModel):
    """Base of all vocabulary models: unknown fields are refused, instances don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null", strict=False)


class Evidence(Model):
    """Where a fact group comes from. Written by the engine; a caller can't send one."""

    source: Word
    """Name of the provider, or `caller:<principal>` for what a caller stated."""
    about: Word
    """Digest of what the group is about, or its own reference where it has no digest."""
    observed_at: Moment
    """When the system of record established it; never when it was fetched."""
    fetched_at: Moment
    tier: EvidenceTier
    digest: Digest
    """Digest of the group without its evidence, for the ledger's fact references."""


class StatedEvidence(Model):
    """What a caller may say of a group's origin; the tier follows from the caller's credential."""

    observed_at: Moment | None = None


class Group(Model):
    """Base of all fact groups."""

    evidence: StatedEvidence | None = None
