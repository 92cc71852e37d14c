"""Training: MLflow's server starts no run without a preflight of whoever starts it, and nobody forges its tags."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proctor.cli.demo import objects
from proctor.cli.demo.source import Digits, Source, digits, train
from proctor.cli.demo.stage import Stage
from proctor.vocabulary.run_tags import PREFLIGHT

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT: Final = "cheques"


@dataclass
class Trained:
    """What a training has left in MLflow."""

    model: Any
    run_id: str
    experiment_id: str
    model_id: str
    model_uri: str
    preflight: str
    version: str = ""
    """In the registry, once it is registered."""
    digest: str = ""


class TrainingScenes:
    """Scenes are played in the order of the methods."""

    def __init__(self, stage: Stage, source: Source) -> None:
        self._stage = stage
        self._tell = stage.tell
        self._source = source
        self.data: Digits

    def prepare(self) -> None:
        """Import what takes long, while MLflow's server is doing the same."""
        with self._stage.works("alice", "import mlflow, sklearn"):
            import mlflow.sklearn  # noqa: F401 (slow: said, and done, once)

            self.data = digits()

    def play(self) -> Trained:
        """Play them all, and return what was trained."""
        self._without_preflight()
        trained = self.train(0.01)
        self._somebody_elses(trained)
        self._forged_tags(trained)
        return trained

    def _without_preflight(self) -> None:
        import mlflow

        def start() -> None:
            mlflow.set_experiment(EXPERIMENT)
            mlflow.start_run()

        self._stage.refused_by_mlflow("alice", "mlflow.start_run()", start, blocking={"training.preflight_valid"})

    def train(self, strength: float) -> Trained:
        """Train as Alice and log the model, inside `proctor.training`."""
        import mlflow

        from proctor.notebook.training import training

        with self._stage.works("alice", f"with {self._source.call('training')}: fit, log"):
            mlflow.set_experiment(EXPERIMENT)
            with training(**self._source.plan) as run:
                model = train(self.data, strength)
                info = _log(model, self.data)
            tags = mlflow.get_run(run.info.run_id).data.tags
        preflight, user = tags.get(PREFLIGHT, ""), tags.get("governance.user")
        self._tell.say(f"RUN {run.info.run_id}, preflight {preflight}, started by {user}", style="bold green")
        decision = self._stage.decision(preflight or "none")
        self._tell.check("the run's preflight", decision, expected="allow")
        if user != "alice":
            self._tell.surprise(f"the run says that {user} started it")
        return Trained(model, run.info.run_id, run.info.experiment_id, info.model_id, info.model_uri, preflight)

    def _somebody_elses(self, trained: Trained) -> None:
        import mlflow

        def start() -> None:
            mlflow.set_experiment("mallory")
            mlflow.start_run(tags={PREFLIGHT: trained.preflight})

        call = f'mlflow.start_run(tags={{"{PREFLIGHT}": "{trained.preflight}"}})'
        self._stage.refused_by_mlflow("mallory", call, start, blocking={"training.preflight_valid"})

    def _forged_tags(self, trained: Trained) -> None:
        forged = "governance.status"
        cases: tuple[tuple[str, Callable[[MlflowClient], Any]], ...] = (
            (f'create_registered_model("forged", tags={{"{forged}": "approved"}})',
             lambda client: client.create_registered_model("forged", tags={forged: "approved"})),
            (f'set_tag(RUN, "{forged}", "approved")',
             lambda client: client.set_tag(trained.run_id, forged, "approved")),
            ('delete_tag(RUN, "governance.user")',
             lambda client: client.delete_tag(trained.run_id, "governance.user")),
        )  # fmt: skip
        self._tell.say("What Proctor has written into MLflow, nobody else writes:")
        for call, action in cases:
            forge = functools.partial(_with_client, action)
            self._stage.refused_by_mlflow("alice", f"client.{call}", forge, why="governance.")


def _with_client(action: Callable[..., Any]) -> Any:
    from mlflow import MlflowClient

    return action(MlflowClient())


def _log(model: Any, data: Digits) -> Any:
    """Log a model with its signature; stated requirements spare MLflow a process that finds them out."""
    import mlflow
    from mlflow.models import infer_signature

    signature = infer_signature(data.train_x[:2], model.predict(data.train_x[:2]))
    return mlflow.sklearn.log_model(model, name=objects.MODEL, signature=signature, pip_requirements=["scikit-learn"])
