"""OpenLineage: what catalogs and jobs say of datasets, in facts; what was read and written, in lineage.

Serves the path that OpenLineage's clients fix, `/api/v1/lineage` and its `/batch`, and the same below the adapter's own
mount. Every call needs a key. What a key may assert (`datasets/*/ownership`, ...) counts as observed, everything else
that it says is declared. docs/catalogs.md is for those who send.
"""

from proctor.plugins import Adapter, Services

__all__ = ["create", "states"]


def create(services: Services) -> Adapter:
    """Return the adapter. Raises `SettingsError` when it is configured: it has nothing to configure."""
    from proctor_adapters.openlineage.routes import routers  # noqa: PLC0415 (the adapter's page stays light)
    from proctor_adapters.openlineage.worker import Worker  # noqa: PLC0415

    worker = Worker.of(services)
    own, fixed = routers(worker)
    return Adapter(name="openlineage", router=own, fixed=fixed, background=worker.run, extras={"states": states()})


def states() -> tuple[str, ...]:
    """Return the fact groups that come with the adapter's questions: none, the catalog keeps what it is told."""
    return ()
