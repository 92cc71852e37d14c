"""What the plugin asks and tells: the bodies of the calls between MLflow's process and Proctor."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from proctor.vocabulary.fact_types import Digest, Identifier, Moment, Word

Text = Annotated[str, Field(max_length=4096)]


class Body(BaseModel):
    """Base: unknown fields are refused, so that a newer plugin is not half understood by an older Proctor."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoggedInput(Body):
    """A dataset that the run logged, as MLflow has it."""

    name: Text = ""
    digest: Text = ""
    source_type: Text = ""
    source: Text = ""
    version: Text | None = None
    """The input's tag `proctor.version`, where the notebook named one."""


class Measurement(Body):
    """A metric that is bound to the model and to a dataset."""

    metric: Word
    value: float
    dataset: Word
    samples: Annotated[int, Field(ge=0)]
    """Rows by the profile of the dataset that was logged."""
    user: Text | None = None
    """Who ran the evaluation, as the server stamped the run."""
    at: Moment


class Card(Body):
    """What the model card says: its headings, and its statements (front matter)."""

    headings: Annotated[list[Text], Field(max_length=200)]
    statements: dict[Text, Text] = {}
    at: Moment


class VersionEvidence(Body):
    """What MLflow knows of one version, gathered in its own process."""

    name: Word
    version: Word
    model_id: Text | None = None
    run_id: Text | None = None
    user: Text | None = None
    """Who started the run that made it, as the server stamped it."""
    preflight: Text | None = None
    created_at: Moment
    signature_inputs: bool
    signature_outputs: bool
    inputs: Annotated[list[LoggedInput], Field(max_length=1000)] = []
    measurements: Annotated[list[Measurement], Field(max_length=200)] = []
    card: Card | None = None
    validator: Text | None = None
    """Who said that it is fit, as the server stamped that run."""
    validated_at: Moment | None = None
    files: Literal["same", "changed", "unknown"] = "unknown"
    """Whether the files look as they did when they were hashed; unknown where that can't be told cheaply."""


class GateCall(Body):
    """One question: whether something may be written."""

    action: Literal["create_run", "register", "promote", "write_artifact", "remove"]
    user: Text | None = None
    """Whom MLflow has authenticated; None: nobody."""
    preflight: Text | None = None
    target: Text | None = None
    """`alias:champion` or `stage:production`, folded."""
    version: VersionEvidence | None = None
    versions: Annotated[list[tuple[Word, Word]], Field(max_length=100)] = []
    """Versions (name, version) whose own files are about to be written, for `write_artifact`; or that are about to be
    deleted or renamed, for `remove`."""
    supporting: Annotated[list[tuple[Word, Word]], Field(max_length=100)] = []
    """Versions that rest on the run whose other files (the model card) are about to be written."""


class CheckCall(Body):
    """A look ahead: whether a registered version might be promoted, asked outside of MLflow."""

    name: Word
    version: Word
    target: Text | None = None
    """`alias:champion` or `stage:production`: what would point to it."""
    environment: Identifier | None = None
    """Where it would be used. Either this or `target`."""

    @model_validator(mode="after")
    def _one(self) -> "CheckCall":
        if (self.target is None) == (self.environment is None):
            raise ValueError("give either `target` or `environment`")
        return self


class FileEntry(Body):
    """One file of a version."""

    path: Word
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]
    unsafe: bool


class ManifestCall(Body):
    """All files of a version, hashed."""

    version: VersionEvidence
    files: Annotated[list[FileEntry], Field(min_length=1, max_length=100_000)]
    hashed_at: Moment


class PendingCall(Body):
    """The versions that MLflow has, some of them at a time."""

    versions: Annotated[list[tuple[Word, Word]], Field(max_length=1000)]


class Pending(Body):
    """Those of them whose files are to be hashed now: not hashed yet, or in use."""

    versions: list[tuple[Word, Word]]


class RetiredCall(Body):
    """Versions that left an alias or a stage."""

    versions: Annotated[list[tuple[Word, Word]], Field(max_length=100)]
    target: Text
    """`alias:champion` or `stage:production`, folded."""
    user: Text | None = None
    at: Moment


class Reply(Body):
    """What the plugin is answered."""

    allowed: bool
    governed: bool
    """False: no rule is about this, and nothing was recorded."""
    message: Text
    decision: Text | None = None


class Registered(Body):
    """What became of a manifest."""

    digest: Digest
    changed: bool
    """True: the version was registered with other files."""
