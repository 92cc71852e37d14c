"""Registration and promotion: `champion` is refused for what is missing, and allowed on the right people's word."""

from typing import Any, Final

from proctor.cli.demo import objects
from proctor.cli.demo.source import Source
from proctor.cli.demo.stage import Stage
from proctor.cli.demo.training_scenes import EXPERIMENT, Trained, TrainingScenes

ALIAS: Final = "champion"
_CARD: Final = f"""---
name: {objects.MODEL}
purpose: {objects.PURPOSE}
---
# Intended use
Reads the digits of an amount on a cheque, before a person looks at it.
# Training data
A thousand digits that customers wrote, with their consent.
# Evaluation
On 797 digits that were not trained on.
# Limitations
One script, and digits alone.
"""
_FEW: Final = 50
_DIGITS: Final = 797


class RegistrationScenes:
    """Scenes are played in the order of the methods."""

    def __init__(self, stage: Stage, source: Source, training: TrainingScenes) -> None:
        self._stage = stage
        self._tell = stage.tell
        self._source = source
        self._training = training

    def play(self, trained: Trained) -> None:
        """Play them all: at their end the version is champion."""
        self._tell.chapter(
            "Registration and promotion",
            f"The alias {ALIAS} means prod. MLflow's server asks Proctor before it sets it, whoever calls and however.",
        )
        self.register(trained)
        self._let_victor_in(trained)
        missing = {"registration.card_complete", "registration.performance_sufficient"}
        self._refused(trained, missing | {"registration.validator_independent"})
        self._measure(trained, "alice", _DIGITS, "measures and validates the model, her own")
        self._refused(trained, missing | {"registration.validator_independent"})
        self._measure(trained, "victor", _FEW, f"validates it, but on {_FEW} digits only")
        self._refused(trained, missing)
        self._measure(trained, "victor", _DIGITS, "measures it on the whole holdout")
        self._write_card(trained)
        self._promoted(trained)

    def register(self, trained: Trained) -> None:
        """Register a version as Alice, and wait until its files are hashed."""
        import mlflow

        call = f'mlflow.register_model("{trained.model_uri}", "{objects.MODEL}")'
        with self._stage.works("alice", call):
            trained.version = str(mlflow.register_model(trained.model_uri, objects.MODEL).version)

        def hashed() -> Any:
            models = self._stage.get("/v1/models")["models"]
            return next(
                (one for one in models if (one["name"], one["version"]) == (objects.MODEL, trained.version)), None
            )

        found = self._stage.eventually("the plugin hashes all files of the version", hashed)
        if found:
            trained.digest = found["digest"]
            self._tell.say(f"version {trained.version} is {found['digest']} ({found['files']} files)", style="bold")

    def _let_victor_in(self, trained: Trained) -> None:
        """Let Victor add runs to Alice's experiment."""
        grant = {"username": "victor", "resource_type": "experiment", "resource_id": trained.experiment_id}
        self._stage.registry.admin("/api/3.0/mlflow/users/permissions/grant", grant | {"permission": "EDIT"})

    def _promote(self, trained: Trained) -> None:
        from mlflow import MlflowClient

        MlflowClient().set_registered_model_alias(objects.MODEL, ALIAS, trained.version)

    def _call(self, trained: Trained) -> str:
        return f'client.set_registered_model_alias("{objects.MODEL}", "{ALIAS}", {trained.version})'

    def _refused(self, trained: Trained, blocking: set[str]) -> None:
        call = self._call(trained)
        self._stage.refused_by_mlflow("alice", call, lambda: self._promote(trained), blocking=blocking)

    def _measure(self, trained: Trained, name: str, rows: int, text: str) -> None:
        """Log what `name` measures of the model, with the verdict that it is fit."""
        import mlflow
        import pandas as pd
        from mlflow.data.pandas_dataset import from_pandas

        from proctor.notebook.training import training

        data = self._training.data
        with self._stage.works(name, text):
            mlflow.set_experiment(EXPERIMENT)
            plan = self._source.plan
            with training(**plan, context="evaluation", tags={"validation.verdict": "fit"}):
                frame = pd.DataFrame(data.holdout_x[:rows]).rename(columns=str)
                frame["digit"] = data.holdout_y[:rows]
                dataset = from_pandas(frame, name="holdout", targets="digit")
                mlflow.log_input(dataset, context="evaluation")
                score = float(trained.model.score(data.holdout_x[:rows] / 16, data.holdout_y[:rows]))
                mlflow.log_metric("accuracy_score", score, model_id=trained.model_id, dataset=dataset)
        self._tell.say(f"accuracy {score:.3f} on {rows} digits, verdict: fit")

    def _write_card(self, trained: Trained) -> None:
        from mlflow import MlflowClient

        with self._stage.works("alice", "client.log_text(RUN, CARD, 'governance/model_card.md')"):
            MlflowClient().log_text(trained.run_id, _CARD, "governance/model_card.md")

    def _promoted(self, trained: Trained) -> None:
        from mlflow import MlflowClient

        with self._stage.works("alice", self._call(trained)):
            self._promote(trained)
            found = MlflowClient().get_model_version_by_alias(objects.MODEL, ALIAS)
        decision = self._stage.decision(found.tags.get("governance.decision", "no governance.decision"))
        self._tell.decision(f"{objects.MODEL} {trained.version} is {ALIAS}", decision, expected="allow", blocking=())
        if str(found.version) != trained.version:
            self._tell.surprise(f"{ALIAS} is version {found.version}")
