"""The section `adapters.mlflow`: which alias or stage of which model means which environment."""

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proctor.errors import SettingsError
from proctor.vocabulary.fact_types import Identifier, Word

STAGES = ("staging", "production")
"""Stages of MLflow that let a version be used; `none` and `archived` do not."""


class Section(BaseModel):
    """Base: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(Section):
    """One alias or stage, on models whose names match a pattern, and the environment that it stands for."""

    model: Word = "*"
    alias: Word | None = None
    stage: Word | None = None
    environment: Identifier

    @model_validator(mode="after")
    def _one(self) -> "Target":
        if (self.alias is None) == (self.stage is None):
            raise ValueError("give either `alias` or `stage`")
        if self.stage is not None and self.stage.casefold() not in STAGES:
            raise ValueError(f"stage is one of {', '.join(STAGES)}")
        return self

    @property
    def name(self) -> str:
        """Return what is moved, as it is compared: MLflow takes `Champion` and `champion` for two aliases."""
        return f"alias:{self.alias.casefold()}" if self.alias else f"stage:{(self.stage or '').casefold()}"


class MlflowSettings(Section):
    """The whole section."""

    targets: list[Target] = [
        Target(alias="champion", environment="prod"),
        Target(stage="Production", environment="prod"),
        Target(stage="Staging", environment="staging"),
    ]
    """The first that matches holds. An alias that no target names is nobody's business."""
    registration_environment: Identifier = "dev"
    """Environment of a registration and of a run: nothing is used there yet."""
    metrics: dict[Word, Annotated[list[Word], Field(min_length=1)]] = {
        "*": ["accuracy", "accuracy_score", "f1_score", "r2_score", "roc_auc"]
    }
    """By purpose (`*` for all others), the metrics that count, the first that was measured before the others."""
    card_sections: list[Word] = ["intended use", "training data", "evaluation", "limitations"]
    """Headings that a model card has to have; upper and lower case are the same."""
    unity: Annotated[str, Field(pattern=r"^unitycatalog://[^/\s]+$", max_length=300)] | None = None
    """Namespace of the Unity Catalog in which tables and volumes live that runs name without one. None: they have no
    name that a catalog knows."""
    budget: Annotated[float, Field(gt=0, le=5)] = 1.2
    """Seconds for one decision: MLflow's handler holds a thread meanwhile, and the plugin gives up after 1.5."""

    @classmethod
    def read(cls, configuration: Mapping[str, Any]) -> "MlflowSettings":
        """Return the section. Raises `SettingsError` with one line for each wrong key."""
        try:
            return cls.model_validate(dict(configuration))
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
            raise SettingsError("reading adapters.mlflow", "; ".join(lines), "docs/mlflow.md has the keys") from error

    def environment(self, model: str, target: str) -> str | None:
        """Return the environment that `target` (`alias:champion`) of a model stands for, or None."""
        found = (one for one in self.targets if one.name == target and fnmatch.fnmatchcase(model, one.model))
        return next((one.environment for one in found), None)

    def metrics_for(self, purpose: str | None) -> list[str]:
        """Return the names of the metrics that count for a purpose, in the order in which they are preferred."""
        return self.metrics.get(purpose or "*") or self.metrics.get("*") or []

    def protected(self, target: str) -> bool:
        """Tell whether any model has an environment behind `target`."""
        return any(one.name == target for one in self.targets)
