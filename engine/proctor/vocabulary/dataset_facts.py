"""Facts about datasets, as catalogs know them. None has a field for all of them: docs/catalogs.md has the mapping."""

from proctor.vocabulary.fact_types import Group, Moment, PrincipalId, Word, Words


class DatasetReference(Group):
    """How the request names the dataset."""

    namespace: Word
    name: Word
    version: Word | None = None
    pinned: bool
    """True when the version names content that can't change: a snapshot, a table version, a digest."""


class DatasetCatalog(Group):
    """What the catalog knows under this reference."""

    known: bool
    confidence: Word
    """`exact`, `alias`, `mapped`, `contained` or `none`: how the reference was found."""


class DatasetOwnership(Group):
    """Who answers for the dataset."""

    owners: Words
    """Owners as the catalog names them."""
    active_owners: list[PrincipalId]
    """Those that are linked to an active principal."""


class DatasetSensitivity(Group):
    """What kind of data it is."""

    personal: bool
    """True when it is about people (GDPR Art. 4(1))."""
    special: bool
    """True when it holds special categories (GDPR Art. 9(1))."""
    data_class: Word
    """`public`, `internal`, `personal` or `special`."""


class DatasetLegal(Group):
    """Why the data may be processed."""

    basis: Word
    """`consent`, `contract`, `legal-obligation`, `vital-interests`, `public-task` or `legitimate-interests`."""


class DatasetPurposes(Group):
    """What the data may be used for."""

    permitted: Words


class DatasetConsent(Group):
    """The consent of the people that the data is about."""

    status: Word
    """`given`, `withdrawn` or `expired`."""
    purposes: Words
    withdrawn: int
    """How many have withdrawn since the snapshot was taken."""


class DatasetLicence(Group):
    """The terms under which the data was got."""

    licence: Word
    """SPDX identifier where there is one."""


class DatasetRetention(Group):
    """How long the data may be kept."""

    until: Moment
