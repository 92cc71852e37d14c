"""The one vocabulary of facts: every group of evidence that a rule may read, by where it stands.

Adapters convert foreign shapes into these types; `docs/facts.md` and `rego/schemas/` are generated from them. The types
of fields and the groups themselves stand in the modules beside this one, by what they are about.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from proctor.vocabulary import (
    dataset_facts,
    language_facts,
    model_facts,
    operation_facts,
    run_facts,
    runtime_facts,
    workload_facts,
)
from proctor.vocabulary.fact_types import (
    Digest,
    Evidence,
    Group,
    Identifier,
    Model,
    Moment,
    PersonId,
    PrincipalId,
    StatedEvidence,
    Word,
    Words,
)

__all__ = [
    "DatasetItem",
    "Digest",
    "Evidence",
    "Facts",
    "Group",
    "Identifier",
    "ImageItem",
    "Model",
    "ModelItem",
    "Moment",
    "PersonId",
    "PrincipalId",
    "StatedEvidence",
    "Word",
    "Words",
]


class ModelItem(Model):
    """One model of the subject. `id` is its own reference; `digest` is known or absent."""

    id: Word
    digest: Digest | None = None
    reference: model_facts.ModelReference | None = None
    registration: model_facts.ModelRegistration | None = None
    allowance: model_facts.ModelAllowance | None = None
    stamp: model_facts.ModelStamp | None = None
    monitors: model_facts.ModelMonitors | None = None
    authorship: model_facts.ModelAuthorship | None = None
    risk: model_facts.ModelRisk | None = None
    use: model_facts.ModelUse | None = None
    condition: model_facts.ModelCondition | None = None
    artifact: model_facts.ModelArtifact | None = None
    signature: model_facts.ModelSignature | None = None
    evaluation: model_facts.ModelEvaluation | None = None
    card: model_facts.ModelCard | None = None
    purpose: model_facts.ModelPurpose | None = None
    validation: model_facts.ModelValidation | None = None
    lineage: model_facts.ModelLineage | None = None
    reads: model_facts.ModelReads | None = None
    splits: model_facts.ModelSplits | None = None
    footprint: model_facts.ModelFootprint | None = None
    recipe: model_facts.ModelRecipe | None = None
    signing: model_facts.ModelSigning | None = None
    comparison: model_facts.ModelComparison | None = None
    tests: model_facts.ModelTests | None = None
    impact: model_facts.ModelImpact | None = None
    explanation: model_facts.ModelExplanation | None = None
    ownership: model_facts.ModelOwnership | None = None
    fairness: model_facts.ModelFairness | None = None
    running: runtime_facts.ModelRunning | None = None
    monitoring: runtime_facts.ModelMonitoring | None = None
    language: language_facts.ModelLanguage | None = None
    guardrails: language_facts.ModelGuardrails | None = None
    tools: language_facts.ModelTools | None = None
    retrieval: language_facts.ModelRetrieval | None = None
    red_team: language_facts.ModelRedTeam | None = None


class ImageItem(Model):
    """One container image of the subject."""

    id: Word
    digest: Digest | None = None
    reference: workload_facts.ImageReference | None = None
    signature: workload_facts.ImageSignature | None = None


class DatasetItem(Model):
    """One dataset of the subject. `id` is its URN; `digest` covers namespace, name and version, where there is one."""

    id: Word
    digest: Digest | None = None
    reference: dataset_facts.DatasetReference | None = None
    catalog: dataset_facts.DatasetCatalog | None = None
    ownership: dataset_facts.DatasetOwnership | None = None
    sensitivity: dataset_facts.DatasetSensitivity | None = None
    legal: dataset_facts.DatasetLegal | None = None
    purposes: dataset_facts.DatasetPurposes | None = None
    consent: dataset_facts.DatasetConsent | None = None
    licence: dataset_facts.DatasetLicence | None = None
    retention: dataset_facts.DatasetRetention | None = None
    origin: dataset_facts.DatasetOrigin | None = None
    special_categories: dataset_facts.DatasetSpecialCategories | None = None
    quality: dataset_facts.DatasetQuality | None = None
    representation: dataset_facts.DatasetRepresentation | None = None
    residency: dataset_facts.DatasetResidency | None = None
    form: dataset_facts.DatasetForm | None = None
    feature_set: dataset_facts.DatasetFeatureSet | None = None


class Facts(Model):
    """All facts of one request. A list that does not concern the subject's kind is absent."""

    models: Annotated[list[ModelItem], Field(max_length=1000)] | None = None
    images: Annotated[list[ImageItem], Field(max_length=1000)] | None = None
    datasets: Annotated[list[DatasetItem], Field(max_length=1000)] | None = None
    workload: workload_facts.Workload | None = None
    deployer: workload_facts.Deployer | None = None
    waivers: workload_facts.WaiverSummary | None = None
    change: operation_facts.Change | None = None
    logging: operation_facts.Logging | None = None
    rollback: operation_facts.Rollback | None = None
    oversight: operation_facts.Oversight | None = None
    transparency: operation_facts.Transparency | None = None
    notice: operation_facts.Notice | None = None
    network: operation_facts.Network | None = None
    inventory: runtime_facts.Inventory | None = None
    open_findings: runtime_facts.OpenFindings | None = None
    incidents: runtime_facts.Incidents | None = None
    plan: run_facts.TrainingPlan | None = None
    base_models: run_facts.BaseModels | None = None
    trainer: run_facts.Trainer | None = None
    data_use: run_facts.DataUse | None = None
    compute: run_facts.Compute | None = None
    claim: run_facts.PreflightClaim | None = None
    preflight: run_facts.Preflight | None = None
    risk: run_facts.RunRisk | None = None
    use: run_facts.RunUse | None = None

    LISTS: ClassVar[tuple[str, ...]] = ("models", "images", "datasets")
