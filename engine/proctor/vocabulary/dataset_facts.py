"""Facts about datasets, as catalogs know them. None has a field for all of them: docs/catalogs.md has the mapping."""

from proctor.vocabulary.fact_types import Digest, Group, Moment, PrincipalId, Word, Words


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


class DatasetOrigin(Group):
    """Where the data comes from."""

    source: Word
    """The system, organisation or dataset that it was got from."""
    collection: Word
    """How it was collected, by the words of Croissant's RAI vocabulary (`rai:dataCollectionType`) in lower case, with
    hyphens for spaces: `surveys`, `direct-measurement`, `web-scraping`, ..."""


class DatasetSpecialCategories(Group):
    """Why special categories may be processed, and what keeps them safe."""

    ground: Word
    """Which exception of GDPR Art. 9(2) holds: `explicit-consent`, `health-care`, `research`, ..."""
    conditions: Words
    """Which conditions of AI Act Art. 10(5)(a) to (f) are met: `no-other-data`, `reuse-limited`, ..."""


class DatasetQuality(Group):
    """The latest run of a quality suite on this very version of the data. Dated when the suite ran."""

    suite: Word
    """Name of the suite, contract or report."""
    passed: bool
    """True when the suite says that it passed as a whole."""
    expectations: int
    """How many expectations were evaluated."""
    failed: int
    """How many of them were not met, or could not be evaluated."""


class DatasetRepresentation(Group):
    """How well this version of the data represents the people that it is about."""

    attributes: Words
    """By which attributes of people the rows were counted."""
    smallest: int
    """Rows of the smallest group by any of them. A group that should be there and is not has 0."""


class DatasetResidency(Group):
    """Where the data may be processed."""

    regions: Words
    """Countries, by ISO 3166-1 alpha-2 code in upper case (`DE`); `EEA` and the like are written out."""


class DatasetForm(Group):
    """What the dataset is."""

    feature_set: bool
    """True when it is a feature set or a view of some, as a feature store serves it; false for everything else."""


class DatasetFeatureSet(Group):
    """Which features of a feature set are used, and what the feature store knows of them."""

    name: Word
    version: Word
    pinned: bool
    """True when neither the definitions nor the values of this version can change."""
    used: Words
    """The features that are used."""
    defined: Words
    """The features that this version defines."""
    definition: Digest
    """Digest of the definitions: sources, transformations and types."""
    owner: PrincipalId
    """The active principal who answers for the feature set."""
