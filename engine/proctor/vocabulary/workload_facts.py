"""Facts about what asks to run: images, workloads, who deploys, and the waivers that bear on it."""

from proctor.vocabulary.fact_types import Group, Word, Words


class ImageReference(Group):
    """How the object names a container image."""

    references: Words
    registries: Words
    """Registry host and first path segment are normalised: `nginx` is `docker.io/library/nginx`."""
    pinned: bool
    """True when every reference carries the digest."""
    paths: Words


class ImageSignature(Group):
    """Who signed the image; known once the signature was checked, and `verified` by that."""

    verified: bool
    """True when the signature holds for the image's digest."""
    signer: Word
    """The identity or key by which it holds, as the configuration names it."""


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
