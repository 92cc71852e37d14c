"""MLflow: a registry that can say no. Two halves that meet in one HTTP call.

`plugin` runs inside MLflow's own process: a registry store and an app that ask before anything is written, and a worker
that hashes what was registered. Everything else here runs in Proctor: it translates those questions into decisions.
Nothing is imported by this page that MLflow's process would not want.
"""

from proctor.plugins import Adapter, Services

__all__ = ["create", "states"]


def create(services: Services) -> Adapter:
    """Return the adapter. Raises `SettingsError` when the section `adapters.mlflow` is wrong."""
    from proctor_adapters.mlflow.check import Check  # noqa: PLC0415 (MLflow's process never needs it)
    from proctor_adapters.mlflow.configuration import MlflowSettings  # noqa: PLC0415
    from proctor_adapters.mlflow.gate import Gate  # noqa: PLC0415
    from proctor_adapters.mlflow.routes import router  # noqa: PLC0415

    settings = MlflowSettings.read(services.configuration)
    routes = router(Gate(services, settings), Check(services, settings))
    return Adapter(name="mlflow", router=routes, extras={"states": states()})


def states() -> tuple[str, ...]:
    """Return the fact groups that come with the adapter's questions."""
    from proctor_adapters.mlflow.translate import STATES  # noqa: PLC0415

    return STATES
