"""Facts about a training run: its plan, who starts it, and the preflight that it points to."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.fact_types import Group, Word, Words


class TrainingPlan(Group):
    """What is about to be trained, and from what. Part of the run's digest."""

    purpose: Word
    commit: Word
    """Revision of the source code."""
    clean: bool
    """True when the source code has no uncommitted change."""
    locked: bool
    """True when every installed package is fixed: by its version from an index, a commit, or a hash."""
    seeded: bool
    """True when a random seed is set."""


class BaseModels(Group):
    """The models from which the plan starts: what is fine-tuned, adapted, distilled or merged."""

    used: Annotated[int, Field(ge=0)]
    """How many; 0 where the plan starts from none, and then all lists are empty."""
    unpinned: Words
    """Those that are not named by the digest of their files."""
    unsigned: Words
    """Those whose files were not checked against a signature over exactly these files."""
    signers: Words
    """Who signed the others: the identity in the certificate, or the digest of the public key."""
    licences: Words
    """Licences of all of them, as SPDX identifiers; `NOASSERTION` for one whose licence nobody knows."""


class Trainer(Group):
    """What the principal who trains may use; from Proctor's own register of principals."""

    purposes: Words
    data_classes: Words


class DataUse(Group):
    """The most sensitive class among the run's datasets, by the catalog."""

    data_class: Word


class Compute(Group):
    """Where the run computes."""

    regions: Words
    """Countries of all machines that get data, by ISO 3166-1 alpha-2 code in upper case (`DE`)."""


class PreflightClaim(Group):
    """The preflight that a run says it has; nothing but a claim."""

    decision: Word


class Preflight(Group):
    """The decision that a run points to, as Proctor recorded it."""

    allowed: bool
    own: bool
    """True when it was given to the principal who now uses it."""
    current: bool
    """True while it is young enough to start a run, or the run that it started was started in time."""
    purpose: Word
    revision: Word
    """Policy revision under which it was given."""


class RunRisk(Group):
    """The factors of the risk tier of what is trained: of its purpose by configuration, of its data by the catalog."""

    exposure: Word
    autonomy: Word
    data_class: Word


class RunUse(Group):
    """The factors of the risk tier that say what the model will be used for (`ModelUse` has their values)."""

    purpose_class: Word
    affected_groups: Word
