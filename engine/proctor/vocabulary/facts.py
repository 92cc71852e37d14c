"""The one vocabulary of facts: every group of evidence that a rule may read, as a model.

A *group* is what one provider says about one thing at one time. Groups sit on the items of a list (`models[]`,
`images[]`) or on the whole request. Adapters convert foreign shapes into these types; `docs/facts.md` and
`rego/schemas/` are generated from this module. A value that could not be established is absent, never null.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from proctor.vocabulary.words import EvidenceTier

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
"""Non-empty text: an empty string is an absent value that pretends to be present."""
Words = Annotated[list[Word], Field(max_length=2000)]
PrincipalId = Annotated[str, StringConstraints(pattern=r"^(person|service):[a-z0-9]{4,64}$")]
PersonId = Annotated[str, StringConstraints(pattern=r"^person:[a-z0-9]{4,64}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,127}$")]


def _this_century(moment: datetime) -> datetime:
    if moment.tzinfo is None or moment.utcoffset() is None or moment.year // 100 != 20:  # noqa: PLR2004 (the 2000s)
        raise ValueError("must carry a time zone and lie in the years 2000 to 2099")
    return moment


Moment = Annotated[datetime, AfterValidator(_this_century)]
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


class ModelAuthorship(Group):
    """Who made the model version."""

    author: PrincipalId


class ModelRisk(Group):
    """The factors of the risk tier, as declared in the inventory under two people's eyes."""

    exposure: Word
    """`internal`, `partner` or `public`: who is exposed to the model's output."""
    autonomy: Word
    """`advisory`, `supervised` or `autonomous`: what stands between output and effect."""
    data_class: Word
    """`public`, `internal`, `personal` or `special`: the most sensitive class of data used."""


class ModelItem(Model):
    """One model of the subject. `id` is its own reference; `digest` is known or absent."""

    id: Word
    digest: Digest | None = None
    reference: ModelReference | None = None
    registration: ModelRegistration | None = None
    allowance: ModelAllowance | None = None
    authorship: ModelAuthorship | None = None
    risk: ModelRisk | None = None


class ImageReference(Group):
    """How the object names a container image."""

    references: Words
    registries: Words
    """Registry host and first path segment are normalised: `nginx` is `docker.io/library/nginx`."""
    pinned: bool
    """True when every reference carries the digest."""
    paths: Words


class ImageItem(Model):
    """One container image of the subject."""

    id: Word
    digest: Digest | None = None
    reference: ImageReference | None = None


class DatasetItem(Model):
    """One dataset of the subject. Its groups come with the catalog adapters."""

    id: Word
    digest: Digest | None = None


class Workload(Group):
    """What the object asks of the cluster."""

    kind: Word
    namespace: Word
    name: Word
    unlimited_containers: Words
    """JSON paths of containers without both a CPU and a memory limit."""
    writable_model_mounts: Words
    """JSON paths of mounts through which a container could write to a model."""
    unclassified: Words
    """JSON paths of model-like keys that nobody understood."""


class Deployer(Group):
    """What the principal who asks may do here; from Proctor's own register of principals."""

    environments: list[Word]
    """Environments that the principal may deploy to."""


class WaiverSummary(Group):
    """The waivers that bear on the subject in this environment."""

    active: int
    """Signed, unrevoked waivers whose interval covers now; an expired one never counts, nor covers anything."""
    oldest_days: int
    """Whole days since the oldest of them began; 0 where there is none."""


class Facts(Model):
    """All facts of one request. A list that does not concern the subject's kind is absent."""

    models: Annotated[list[ModelItem], Field(max_length=1000)] | None = None
    images: Annotated[list[ImageItem], Field(max_length=1000)] | None = None
    datasets: Annotated[list[DatasetItem], Field(max_length=1000)] | None = None
    workload: Workload | None = None
    deployer: Deployer | None = None
    waivers: WaiverSummary | None = None

    LISTS: ClassVar[tuple[str, ...]] = ("models", "images", "datasets")
