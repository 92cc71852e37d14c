"""The closed sets of words that every layer, Rego, API and CLI share (docs/architecture.md, "Words").

An unknown word is never mapped to a default: it is refused where it enters.
"""

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """Where in its life the subject is."""

    DATA = "data"
    TRAINING = "training"
    REGISTRATION = "registration"
    DEPLOYMENT = "deployment"
    RUNTIME = "runtime"


class Operation(StrEnum):
    """What is about to happen to the subject."""

    INGEST = "ingest"
    TRAIN = "train"
    REGISTER = "register"
    PROMOTE = "promote"
    DEPLOY = "deploy"
    SCALE = "scale"
    RUN = "run"
    DELETE = "delete"


class Point(StrEnum):
    """Where the question is asked."""

    NOTEBOOK = "notebook"
    MLFLOW_REGISTRY = "mlflow-registry"
    KUBERNETES_ADMISSION = "kubernetes-admission"
    CATALOG = "catalog"
    CI = "ci"
    RUNTIME = "runtime"
    AUDIT = "audit"


class SubjectKind(StrEnum):
    """What kind of thing is judged."""

    DATASET = "dataset"
    RUN = "run"
    MODEL_VERSION = "model_version"
    DEPLOYMENT = "deployment"


class Outcome(StrEnum):
    """The answer. Only `allow` lets anything through, at every point."""

    ALLOW = "allow"
    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"
    ERROR = "error"


class Status(StrEnum):
    """What one rule found at one place."""

    PASS = "pass"  # noqa: S105 (a status word, not a password)
    FAIL = "fail"
    NOT_EVALUABLE = "not_evaluable"
    EXEMPT = "exempt"


class Effect(StrEnum):
    """What a finding does to the outcome."""

    NONE = "none"
    DENY = "deny"
    ASK = "ask"
    APPROVED = "approved"
    WAIVED = "waived"
    WARN = "warn"
    DRYRUN = "dryrun"


BLOCKING: Final = frozenset({Effect.DENY, Effect.ASK})
"""Effects of findings that keep the outcome from being `allow`."""


class Action(StrEnum):
    """What configuration makes of a failing rule."""

    DENY = "deny"
    WARN = "warn"
    DRYRUN = "dryrun"


class EvidenceTier(StrEnum):
    """How strong a fact is; see `rank`."""

    DECLARED = "declared"
    OBSERVED = "observed"
    VERIFIED = "verified"

    @property
    def rank(self) -> int:
        """Return 0 for declared, 1 for observed, 2 for verified: a need for a rank takes it or higher."""
        return ("declared", "observed", "verified").index(self.value)


class RiskTier(StrEnum):
    """The risk tier that `lib.tiers` computes inside the decision."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


DATA_CLASSES: Final = ("public", "internal", "personal", "special")
"""Every class of data, the most sensitive last."""


class Severity(StrEnum):
    """How bad a failing rule is; fixed in its annotation."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
