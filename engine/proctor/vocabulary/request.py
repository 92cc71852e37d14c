"""What a caller asks: a `DecisionRequest`. It carries nothing that could vouch for itself."""

from typing import Literal

from proctor.vocabulary.facts import Digest, Facts, Identifier, Model, Word
from proctor.vocabulary.words import Operation, Point, Stage, SubjectKind

REQUEST_SCHEMA = "proctor/request/v1"


class RequestedSubject(Model):
    """What is to be judged. The engine computes the digest from the items."""

    kind: SubjectKind
    name: Word
    """Readable and stable, such as `ml-prod/Deployment/scorer`."""
    digest: Digest | None = None
    """If given, must equal what the engine computes; it is never taken at its word."""


class DecisionRequest(Model):
    """One question. No waivers, approvals, tiers or clock: the engine fills them in."""

    schema_: Literal["proctor/request/v1"]
    stage: Stage
    operation: Operation
    point: Point
    environment: Identifier
    purpose: Word | None = None
    subject: RequestedSubject
    facts: Facts
    request_id: Word | None = None
    """The caller's correlation id, such as an AdmissionReview's uid. Never an identity."""

    model_config = {**Model.model_config, "alias_generator": lambda name: "schema" if name == "schema_" else name}
