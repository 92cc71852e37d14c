"""What MLflow loads for its entry point `mlflow.model_registry_store`, in its server and in each client process.

So it imports nothing before it is called: the store needs MLflow's server, which no notebook should have to import, and
which loads the entry points itself while it is being imported.
"""

from typing import Any


def build(store_uri: str, tracking_uri: str | None = None) -> Any:
    """Return the store for `proctor+sqlite:///...` and its sisters."""
    from proctor_adapters.mlflow.plugin import store  # noqa: PLC0415 (see above)

    return store.build(store_uri, tracking_uri)
