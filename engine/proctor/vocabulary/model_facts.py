"""Facts about models: how they are named, what is registered, and what speaks for a version."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.fact_types import Digest, Group, Moment, PrincipalId, Word, Words


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


class ModelReads(Group):
    """What the run that made the version really read, by the access logs of the platform and not by its own account."""

    observed: Annotated[int, Field(ge=0)]
    """How many datasets the logs show it reading; a run that read none was not watched."""
    undeclared: Words
    """Those that the run's plan did not name."""


class ModelSplits(Group):
    """How the data was split for training, validation and test, compared row by row, by digest."""

    names: Words
    """The splits that were compared: `training`, `validation`, `test`."""
    overlap: Annotated[float, Field(ge=0, le=1)]
    """Share of the rows outside the training split, 0 to 1, that occur in another split, too."""


class ModelFootprint(Group):
    """What the version cost to train: the run, and all runs that were thrown away on the way to it."""

    method: Word
    """`measured` by meters or counters of the hardware, or `estimated` from its power and hours."""
    energy: Annotated[float, Field(ge=0)]
    """Kilowatt-hours, with the cooling and losses of the data centre where they are known."""
    compute: Annotated[float, Field(ge=0)]
    """Hours of accelerators, or of processors where there were none."""


class ModelRecipe(Group):
    """What somebody needs to make the version again, as a document that is kept beside it."""

    parts: Words
    """What the recipe states: `commit`, `environment`, `datasets`, `seed`, `parameters`, each by digest or value."""
    lost: Words
    """What it names and nobody can fetch any more, or no longer with the digest that it had."""
    digest: Digest
    """Digest of the recipe."""


class ModelSigning(Group):
    """The signature over the version's files (OpenSSF model signing); `verified` by checking it against the files."""

    covers: bool
    """True when the signed manifest names exactly the version's files with their digests, the ignored ones aside."""
    signer: Word
    """Who signed: the identity in the certificate, or the digest of the public key."""
    ignored: Words
    """Paths that the signature leaves out (`ignore_paths` of the manifest), the signature's own file aside."""


class ModelComparison(Group):
    """How the version does against what does its work now, both measured on the same data."""

    incumbents: Words
    """The versions that hold the place for which this one is meant; empty where nothing ever held it."""
    against: Words
    """What it was compared with: the incumbents, or where there are none, a `baseline` that needs no model."""
    metric: Word
    """Name of the metric by which all were measured."""
    difference: float
    """Lower end of the 95 % confidence interval of its value less the best other's; higher is better."""
    samples: Annotated[int, Field(ge=0)]
    """Rows on which all were measured."""


class ModelTests(Group):
    """Tests of how the version withstands what it was not made for, run by somebody else than its author."""

    robustness: Annotated[int, Field(ge=0)]
    """Passed tests with noise, missing values, shifted data and other errors that happen."""
    adversarial: Annotated[int, Field(ge=0)]
    """Passed tests with inputs that were made to mislead it, or training data that was."""
    privacy: Annotated[int, Field(ge=0)]
    """Passed tests of what it gives away of its training data: membership inference, inversion, extraction."""
    failed: Words
    """Names of the tests that it failed, of whatever kind."""


class ModelImpact(Group):
    """The assessment of the version's impact on people and society, as the assessors' own register has it."""

    assessments: Words
    """Concluded ones: `fria` (AI Act Art. 27), `dpia` (GDPR Art. 35), `aiia` (ISO/IEC 42001), or `screening`, the
    reasoned finding that none of these is needed."""
    missing: Words
    """Those that are needed and not concluded."""
    covers: bool
    """True when what they looked at is this version, or a change in it was found to need no new one."""
    conclusion: Word
    """`acceptable`, `acceptable-with-measures` or `unacceptable`."""


class ModelExplanation(Group):
    """The artefacts that explain the version's behaviour as a whole and its single outputs."""

    whole: Word
    """Method by which the model as a whole is explained, such as `permutation-importance`."""
    single: Word
    """Method by which a single output is explained, such as `shap`."""
    coverage: Annotated[float, Field(ge=0, le=1)]
    """Share of sampled outputs, 0 to 1, for which the second method gave an explanation."""
    digest: Digest
    """Digest of the artefacts."""


class ModelOwnership(Group):
    """Who answers for the model, by the register of people."""

    owner: PrincipalId
    active: bool
    """True while the owner is an active principal."""
