"""Waivers: signed, two-person, expiring exceptions for one rule, subject, environment and item."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.facts import Digest, Identifier, Model, Moment, PersonId, Word

RuleCode = Annotated[str, Field(pattern=r"^[a-z]+\.[a-z][a-z0-9_]*$")]


class WaiverRequest(Model):
    """What the requesting person asks for."""

    rule: RuleCode
    subject_digest: Digest
    environment: Identifier
    item: Annotated[list[Word], Field(max_length=2)]
    """One id for each level of the rule's `for_each`; empty for a rule on the whole request."""
    valid_from: Moment
    valid_until: Moment
    """Half-open: a waiver covers [valid_from, valid_until)."""
    reason: Annotated[str, Field(min_length=10, max_length=4000)]


class Waiver(WaiverRequest):
    """A waiver as stored. It covers nothing until a second person has signed it."""

    id: Word
    requested_by: PersonId
    requested_at: Moment
    signed_by: PersonId | None = None
    signed_at: Moment | None = None
    revoked_by: PersonId | None = None
    revoked_at: Moment | None = None
