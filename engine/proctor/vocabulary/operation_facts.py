"""Facts about how a deployment is operated: what it changes, logs and reaches, and who can stop it or go back."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.fact_types import Group, Moment, PersonId, Word, Words


class Change(Group):
    """What the deployment changes."""

    kind: Word
    """The class of the change, such as `none`, `configuration`, `retraining` or `substantial` (AI Act, Art. 3(23))."""
    against: Word
    """What it was compared with: `assessed` is what was last assessed. A comparison with what ran before is worth
    nothing, because many small steps add up."""
    reassessed: bool
    """True when the change itself was assessed."""


class Logging(Group):
    """What is kept of the deployment's work."""

    enabled: bool
    """True when requests and answers are logged."""
    retention_days: Annotated[float, Field(ge=0)]
    """Days for which the logs are kept."""


class Rollback(Group):
    """The way back."""

    target_valid: bool
    """True when what the plan goes back to could be deployed now: an earlier version that is still allowed here, or a
    safe stop where there is none."""
    drilled_at: Moment
    """When going back was last tried, and worked."""


class Oversight(Group):
    """Who watches the deployment and can stop it."""

    owner: PersonId
    active: bool
    """True while the owner is an active principal."""
    stop_control: bool
    """True when there is a control by which the owner can stop the deployment."""


class Transparency(Group):
    """Whether people have to be told that they deal with AI (AI Act, Art. 50)."""

    applies: bool
    """False only where it is established that nobody who would have to be told meets the deployment."""


class Notice(Group):
    """What people who meet the deployment are told."""

    shown: bool
    """True when they are told that they deal with AI."""


class Network(Group):
    """What the deployment can reach."""

    limited: bool
    """True when something limits what it can reach; without a limit the destinations are nobody's knowledge."""
    egress: Words
    """Names of all destinations that it can reach, as the configuration names them; empty where it can reach none."""
