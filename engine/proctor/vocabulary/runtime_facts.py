"""Facts about what runs: that it is what was admitted, how it is watched, and what is known to be wrong with it."""

from typing import Annotated

from pydantic import Field

from proctor.vocabulary.fact_types import Digest, Group, Words

_Count = Annotated[int, Field(ge=0)]


class ModelRunning(Group):
    """What an observer found loaded. Its evidence is about the digest that runs: of another, it proves nothing."""

    digest: Digest
    """The digest of what runs, computed from what was loaded."""
    admitted: Digest
    """The digest that the decision was about by which it came to run; absent where no decision is known."""


class ModelMonitoring(Group):
    """What came of watching the version. A look that failed, was inconclusive or came late is not conclusive."""

    due: _Count
    """Looks of its monitors that were due in the period that the observer reports on."""
    conclusive: _Count
    """How many of these came to a verdict in time, whether they found drift or none."""
    silent_hours: Annotated[float, Field(ge=0)]
    """Hours since the last conclusive look."""
    window: _Count
    """Over how many of its last conclusive looks drift was counted; those of its trial before it went live count."""
    drifted: _Count
    """How many looks of the window found drift."""


class Inventory(Group):
    """How the workload that runs is known to the inventory of AI systems."""

    listed: bool
    """True when the inventory holds the workload itself."""
    unlisted: Words
    """Models, images, indexes and services seen at work in it that its bill of materials does not name."""


class OpenFindings(Group):
    """Critical findings on the workload that nobody has closed: bypasses, changed files, what audits found.

    That a standing decision no longer holds is none of them: the decision at hand is about to say so itself, and could
    never become right again.
    """

    critical: _Count
    """How many are open."""
    oldest_days: Annotated[float, Field(ge=0)]
    """Days since the oldest of them was opened; 0 where there is none."""


class Incidents(Group):
    """Serious incidents that have to be reported to an authority (AI Act, Art. 73) and have not been yet.

    Ages are days since somebody became aware of the oldest unreported one of its class; 0 where there is none.
    """

    untracked: _Count
    """Incidents of which the class or the time of becoming aware is not known, so that nobody knows what is due."""
    serious_days: Annotated[float, Field(ge=0)]
    """The oldest one that is neither a death nor widespread (Art. 73(2))."""
    widespread_days: Annotated[float, Field(ge=0)]
    """The oldest widespread infringement or disruption of critical infrastructure (Art. 73(3))."""
    death_days: Annotated[float, Field(ge=0)]
    """The oldest one in which somebody died (Art. 73(4))."""
