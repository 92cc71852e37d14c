"""Facts about models: how they are named, what is registered, and what speaks for a version."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.fact_types import Group, Moment, PrincipalId, Word, Words


class ModelReference(Group):
    """How the object at hand names a model."""

    uris: Words
    """Every URI by which the object names this model."""
    schemes: Words
    mutable: bool
    """True when what the URI points to can change without the URI changing: tag, alias, prefix, branch."""
    paths: Words
    """JSON paths in the object, for messages."""
    roles: Words
    """`base`, `adapter`, `explainer`, `transformer` or `canary`."""


class ModelRegistration(Group):
    """What the inventory knows under this reference."""

    registered: bool
    name: Word | None = None
    version: Word | None = None
    matches: int
    """How many registered versions the reference resolves to; exactly one is right."""


class ModelAllowance(Group):
    """Which digests of this model the inventory allows in the environment of the request."""

    digest_known: bool
    """True when the reference resolves to a digest."""
    digest_allowed: bool
    """True when that digest is allowed for the environment."""


class ModelStamp(Group):
    """The signed statement that this digest was allowed; known once its signature was checked, `verified` by that."""

    valid: bool
    """True when the signature holds, by a key that counts, and the statement is about this digest."""
    current: bool
    """True while the policy revision under which it was made still counts."""
    environment: Word
    """The environment for which it was made."""
    outcome: Word
    """What was decided: `allow`, or another outcome."""
    expires: Moment
    """From when on it says nothing any more."""


class ModelMonitors(Group):
    """The monitors that are set up for the version."""

    kinds: Words
    """What is watched: `performance`, `drift`, `fairness`, or a kind of the organisation's own."""
    slowest_hours: Annotated[float, Field(ge=0)]
    """Hours between two looks of the monitor that looks most rarely."""


class ModelAuthorship(Group):
    """Who made the model version."""

    author: PrincipalId


class ModelRisk(Group):
    """The factors of the risk tier: as the inventory has them, or for what is new, as its purpose and datasets do."""

    exposure: Word
    """`internal`, `partner` or `public`: who is exposed to the model's output."""
    autonomy: Word
    """`advisory`, `supervised` or `autonomous`: what stands between output and effect."""
    data_class: Word
    """`public`, `internal`, `personal` or `special`: the most sensitive class of data used."""


class ModelUse(Group):
    """Factors of the risk tier: what the model is used for, and whom that concerns."""

    purpose_class: Word
    """`minimal`, `limited` (AI Act Art. 50) or `high` (AI Act Art. 6): the class of the purpose."""
    affected_groups: Word
    """`none`, `workforce`, `customers`, `public` or `vulnerable`: the most vulnerable group that the output touches."""


class ModelCondition(Group):
    """Factors of the risk tier: how the model is doing now."""

    drift: Word
    """`not-running`, `none`, `minor`, `major` or `unmonitored`: what the last conclusive monitor runs found."""
    open_findings: Word
    """`none`, `minor` or `critical`: the worst finding that is open against the model."""


class ModelArtifact(Group):
    """What is in the version's files; known once all of them have been hashed, and `verified` by that."""

    files: Annotated[int, Field(ge=0)]
    unsafe_files: Words
    """Files that can run code when they are loaded: pickle and its relatives (`proctor.vocabulary.artifacts`)."""


class ModelSignature(Group):
    """The schema of the model's inputs and outputs (the MLmodel file's `signature`)."""

    inputs: bool
    outputs: bool


class ModelEvaluation(Group):
    """How well the version does, measured on a dataset, with as many samples as that dataset's own profile says."""

    metric: Word
    """Name of the metric for which the configuration has a threshold."""
    value: float
    """Higher is better; a metric where lower is better is stated as its negative."""
    samples: Annotated[int, Field(ge=0)]
    """Rows of the evaluation's dataset (`num_rows` of its profile), not what somebody wrote beside the metric."""
    dataset: Word
    """The dataset's name and digest, as `name@digest`."""
    evaluator: PrincipalId
    """Who ran the evaluation."""


class ModelCard(Group):
    """The model card: the documented artifact and the `metadata` of the MLmodel file, against the registry's facts."""

    missing: Words
    """Sections that the card has to have and does not have."""
    mismatched: Words
    """Statements of the card that the registry contradicts: name, version, purpose, a metric's value."""


class ModelPurpose(Group):
    """What the version is for, by the preflight of the run that made it."""

    declared: Word


class ModelValidation(Group):
    """Who looked at the version independently, and said that it is fit."""

    validator: PrincipalId


class ModelFairness(Group):
    """How evenly the version treats the groups of people that its purpose declares."""

    metric: Word
    """Name of the measure, such as `equal-opportunity-difference`; it must be one that the configuration lists."""
    gap: Annotated[float, Field(ge=0)]
    """The largest difference between two groups, in the unit of the measure; 0 is even."""
    groups: Words
    """Attributes by which people were told apart, such as `age`."""
    samples: Annotated[int, Field(ge=0)]
    """Rows of the smallest group that was measured."""


class ModelLineage(Group):
    """The way from data to run to version."""

    run: Word
    unresolved: Words
    """Inputs of the run that no catalog knows."""
    undeclared: Words
    """Inputs of the run that its preflight did not name."""
    inputs: Annotated[int, Field(ge=0)]
    """How many inputs the run logged."""
