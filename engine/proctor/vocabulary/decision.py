"""What comes back: the verdict as OPA gives it, and the decision as Proctor records it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from proctor.vocabulary.facts import Digest, Model, Moment, Word
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import (
    Effect,
    EvidenceTier,
    Operation,
    Outcome,
    Point,
    RiskTier,
    Severity,
    Stage,
    Status,
    SubjectKind,
)

Place = list[str | int]
"""A path below `facts`, such as `["models", 0]`; empty for the whole request."""


class Gap(Model):
    """One piece of evidence that was not proven, and which of the fixed checks failed."""

    at: Place
    gap: str
    """`absent`, `mistyped`, `undated`, `future`, `stale`, `weak`, `other_subject`, `list_*`, `unidentified`, ..."""
    field: str | None = None


class VerdictFinding(Model):
    """One rule at one place, as the aggregator reports it."""

    rule: str
    at: Place
    item: list[str]
    status: Literal[Status.FAIL, Status.NOT_EVALUABLE]
    effect: Effect
    why: list[Gap]
    by: str | None
    """Id of the waiver or approval behind the effects `waived` and `approved`."""


class RuleCount(Model):
    """`places = compliant + exempt + findings`, always."""

    places: Annotated[int, Field(ge=0)]
    compliant: Annotated[int, Field(ge=0)]
    exempt: Annotated[int, Field(ge=0)]


class VerdictProblem(Model):
    """What made the aggregator refuse to answer."""

    code: str
    detail: str


class FactorScore(Model):
    """What one factor contributes to the risk tier."""

    value: str
    points: Annotated[int, Field(ge=0)]


class RiskAssessment(Model):
    """The risk tier, what each factor contributes, and the factors that are not known and so took the worst band."""

    value: RiskTier
    unknown: list[str]
    unscored: list[str] = []
    """Factors that count for nothing under the profile `starter`, because nobody supplies them."""
    at: Place = []
    """The item that decided: the riskiest. Empty where the factors are those of the whole request."""
    factors: dict[str, FactorScore] = {}
    """The factors of that item that are known."""
    points: Annotated[int, Field(ge=0)] = 0
    """Their sum."""


class PolicyIdentity(Model):
    """Which policy judged."""

    revision: str
    digest: Digest | None = None


class Verdict(Model):
    """The strict shape of `data.governance.main.decision`; anything else is `engine_bad_shape`."""

    outcome: Outcome
    tier: RiskAssessment
    findings: list[VerdictFinding]
    rules: dict[str, RuleCount]
    problems: list[VerdictProblem]
    policy: PolicyIdentity


class Finding(Model):
    """One rule's status at one place, with what a person needs in order to mend it."""

    rule: str
    title: str
    severity: Severity
    at: Place
    item: list[str]
    status: Status
    effect: Effect
    message: str
    remediation: str
    why: list[Gap] = []
    by: str | None = None
    controls: list[str] = []
    clauses: list[str] = []


class Problem(Model):
    """Something wrong with the request or the evaluation: a code, where, and one line that explains it."""

    code: str
    path: str = ""
    """JSON pointer into the request; empty where the problem is not in the request."""
    message: str


class DecidedSubject(Model):
    """The subject as it was judged."""

    kind: SubjectKind
    id: str
    name: str
    digest: Digest
    parts: dict[str, list[str]]


class FactReference(Model):
    """Which fact a decision rested on; the value stays in the case store."""

    group: str
    about: str
    source: str
    digest: Digest
    tier: EvidenceTier
    observed_at: Moment


class Decision(Model):
    """The answer with all that stands behind it. `id` is the same at every place where it shows up."""

    id: Annotated[str, Field(pattern=r"^dec_[0-9a-z]{26}$")]
    outcome: Outcome
    reason: Reason
    message: str
    """One line for a person."""
    stage: Stage | None = None
    operation: Operation | None = None
    point: Point | None = None
    environment: str | None = None
    purpose: str | None = None
    subject: DecidedSubject | None = None
    actor: str | None = None
    tier: RiskAssessment | None = None
    findings: list[Finding] = []
    unprovided: list[str] = []
    """Rules that only warned, under the profile `starter`, because nobody supplies the facts that they rest on. Their
    places count in `rules`, and have no findings of their own: all of them would say that nothing is known."""
    problems: list[Problem] = []
    rules: dict[str, RuleCount] = {}
    rule_digests: dict[str, Digest] = {}
    facts: list[FactReference] = []
    policy: PolicyIdentity | None = None
    engine: dict[str, str] = {}
    """Versions: `proctor` and `opa`."""
    input_digest: Digest | None = None
    body_digest: Digest | None = None
    """Digest of the whole foreign event, where an adapter forwarded only a part of it."""
    request_id: str | None = None
    received_at: Moment
    decided_at: Moment
    warnings: list[Word] = []
    advisory: bool = False
    recorded: bool = False
    """True once the ledger has it on disk. An allow is never sent with false, except for a dry run."""
    dry_run: bool = False

    @property
    def allowed(self) -> bool:
        """Tell whether the thing may go ahead: only the outcome `allow` does."""
        return self.outcome is Outcome.ALLOW

    def record(self) -> dict[str, Any]:
        """Return the JSON document that goes into the ledger and over the wire: no nulls, `Z` times."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"recorded"})
