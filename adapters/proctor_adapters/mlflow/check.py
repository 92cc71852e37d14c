"""A look ahead at a promotion, for a CI job: the gate's question, with what Proctor itself knows of the version.

What MLflow alone knows (card, evaluation, lineage, ...) is not known here, so the rules that read it can't be judged
and say so. Whoever asks states nothing: a check can only know less than the gate, and never more.
"""

from collections.abc import Mapping
from typing import Any, Final

from proctor.errors import RefusedError, SettingsError
from proctor.plugins import Asking, Services
from proctor.vocabulary.decision import Decision, Finding
from proctor.vocabulary.principal import Caller
from proctor.vocabulary.words import Status
from proctor_adapters.mlflow import translate
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.gate import ARTIFACT_CHANGED
from proctor_adapters.mlflow.models import CheckCall

UNSEEN: Final = frozenset({group.rpartition("/")[2] for group in translate.STATES} | {"preflight"})
"""Groups of facts that come with the gate's question: what it states, and the preflight that it claims."""
_LATER: Final = "; only the gate in MLflow sees it, when the version is promoted"


class Check:
    """Answers `/check`."""

    def __init__(self, services: Services, settings: MlflowSettings) -> None:
        """Take what the server lends. Raises `SettingsError` where that is less than a registry needs."""
        self._decider = services.decider
        self._settings = settings
        if services.models is None or services.violations is None:
            raise SettingsError("making the adapter mlflow", "the server lends no inventory", "Update Proctor")
        self._models, self._violations = services.models, services.violations

    async def ask(self, call: CheckCall, caller: Caller) -> Mapping[str, Any]:
        """Return the decision, and notes on what it can't tell.

        Raises `RefusedError` (409) for what the gate refuses before any rule is asked.
        """
        key = f"{call.name}/{call.version}"
        environment = self._environment(call)
        if environment is None:
            return {"decisions": [], "notes": [f"{call.target} is no alias or stage that rules are about"]}
        if key in await self._violations.open_keys(ARTIFACT_CHANGED):
            raise RefusedError(
                "conflict", 409, f"checking the model version {key}", "its files are not those that were registered",
                "Log and register a new version",
            )  # fmt: skip
        known = self._models.trained(call.name, call.version)
        notes = [] if known else [f"Proctor knows no version {key}; MLflow's plugin registers it once it is hashed"]
        asking = Asking(caller=caller, budget=self._settings.budget, source="mlflow")
        decision = await self._decider.decide(
            translate.looked_ahead(call.name, call.version, known, environment), asking
        )
        return {"decisions": [explained(decision).record()], "notes": notes}

    def _environment(self, call: CheckCall) -> str | None:
        if call.environment is not None:
            return call.environment
        target = (call.target or "").casefold()
        found = self._settings.environment(call.name, target)
        if found is None and self._settings.protected(target):
            raise RefusedError(
                "conflict", 409, f"looking for the environment of {target}",
                f"it is protected, and nothing in adapters.mlflow.targets is about {call.name}", "Configure it",
            )  # fmt: skip
        return found


def explained(decision: Decision) -> Decision:
    """Return the decision with findings that say so where only the gate could have judged."""
    findings = [
        finding.model_copy(update={"message": finding.message + _LATER}) if _unseen(finding) else finding
        for finding in decision.findings
    ]
    return decision.model_copy(update={"findings": findings})


def _unseen(finding: Finding) -> bool:
    return finding.status is Status.NOT_EVALUABLE and any(UNSEEN & set(map(str, gap.at)) for gap in finding.why)
