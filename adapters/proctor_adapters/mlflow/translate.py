"""The plugin's questions as decision requests. Pure.

What the author of a version wrote into MLflow is `declared`, however it came here; `observed` is what MLflow itself
made (the signature in the file that was hashed, the inputs that its server logged) and what another authenticated
user wrote.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proctor.plugins import Asking, Trained
from proctor.vocabulary.datasets import from_mlflow
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import EvidenceTier, Operation, Point, Stage, SubjectKind
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.models import LoggedInput, Measurement, VersionEvidence

SOURCE: Final = "mlflow"
_MODELS: Final = "models/*/"
SIGNATURE: Final = f"{_MODELS}signature"
STATES: Final = (
    SIGNATURE, f"{_MODELS}evaluation", f"{_MODELS}card", f"{_MODELS}validation", f"{_MODELS}lineage",
    "claim", "datasets/*/reference",
)  # fmt: skip
"""Fact groups that this adapter states."""
Resolve = Callable[[str | None], Actor]
"""Returns the principal behind an MLflow user; an unresolved actor for an unknown one and for nobody."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The inputs of a run under the names that catalogs use."""

    items: tuple[Mapping[str, Any], ...]
    """Items of `datasets`, one for each input that has a name."""
    unresolved: tuple[str, ...]
    undeclared: tuple[str, ...]
    inputs: int

    @property
    def urns(self) -> list[str]:
        """Return the URNs of the resolved inputs."""
        return [str(item["id"]) for item in self.items]


def asking(caller: Caller, actor: Actor, tiers: Mapping[str, EvidenceTier], budget: float) -> Asking:
    """Return who asks: the user on whose behalf MLflow acts, with what the gate's own credential may ask."""
    on_behalf = Caller(
        actor=actor,
        roles=frozenset({Role.GATE}),
        points=caller.points,
        environments=caller.environments,
        asserts=frozenset(),
        credential=caller.credential,
    )
    return Asking(caller=on_behalf, budget=budget, source=SOURCE, tiers=tiers)


def run_started(preflight: str | None, settings: MlflowSettings) -> DecisionRequest:
    """Return the question whether a run may start with this preflight."""
    return _request(
        Stage.TRAINING, Operation.RUN, settings.registration_environment, SubjectKind.RUN, "an MLflow run",
        {"datasets": [], **_claim(preflight)},
    )  # fmt: skip


def registered(
    version: VersionEvidence, lineage: Lineage, purpose: str | None, settings: MlflowSettings
) -> DecisionRequest:
    """Return the question whether a version may be registered."""
    model = {"id": uri(version), "signature": _signature(version)}
    name = f"{version.name}/{version.version}"
    return _request(
        Stage.REGISTRATION, Operation.REGISTER, settings.registration_environment, SubjectKind.MODEL_VERSION, name,
        {"models": [model], "datasets": list(lineage.items), **_claim(version.preflight)}, purpose,
    )  # fmt: skip


def promoted(  # noqa: PLR0913 (each is one thing that the question rests on)
    version: VersionEvidence,
    lineage: Lineage,
    purpose: str | None,
    digest: str | None,
    target: str,
    environment: str,
    *,
    resolve: Resolve,
    settings: MlflowSettings,
) -> tuple[DecisionRequest, dict[str, EvidenceTier]]:
    """Return the question whether a version may be what `target` points to, and the tier of each group in it."""
    author = resolve(version.user)
    tiers: dict[str, EvidenceTier] = {
        SIGNATURE: EvidenceTier.OBSERVED,
        f"{_MODELS}lineage": EvidenceTier.OBSERVED,
        f"{_MODELS}card": EvidenceTier.DECLARED,
        # A validation is worth what its author is: rules compare the two people.
        f"{_MODELS}validation": EvidenceTier.OBSERVED,
        "datasets/*/reference": EvidenceTier.OBSERVED,
    }
    model: dict[str, Any] = {"id": uri(version), "signature": _signature(version)}
    if digest is not None:
        model["digest"] = digest
    measured = best(version.measurements, author, resolve, settings.metrics_for(purpose))
    if measured is not None:
        evaluator = resolve(measured.user)
        others = author.kind is not PrincipalKind.UNRESOLVED and evaluator.id != author.id
        tiers[f"{_MODELS}evaluation"] = EvidenceTier.OBSERVED if others else EvidenceTier.DECLARED
        model["evaluation"] = {
            "metric": measured.metric, "value": measured.value, "samples": measured.samples,
            "dataset": measured.dataset, "evaluator": evaluator.id, "evidence": {"observed_at": measured.at},
        }  # fmt: skip
    if version.card is not None:
        model["card"] = _card(version, purpose, measured, settings)
    validator = resolve(version.validator)
    if version.validator is not None and validator.kind is not PrincipalKind.UNRESOLVED:
        model["validation"] = {"validator": validator.id, "evidence": {"observed_at": version.validated_at}}
    model["lineage"] = {
        "run": version.run_id or "none", "inputs": lineage.inputs, "unresolved": list(lineage.unresolved),
        "undeclared": list(lineage.undeclared),
    }  # fmt: skip
    facts = {"models": [model], "datasets": list(lineage.items), **_claim(version.preflight)}
    name = promoted_as(version.name, target)
    request = _request(
        Stage.REGISTRATION, Operation.PROMOTE, environment, SubjectKind.MODEL_VERSION, name, facts, purpose
    )
    return request, tiers


def looked_ahead(name: str, version: str, known: Trained | None, environment: str) -> DecisionRequest:
    """Return the question whether a version might be promoted, asked outside of MLflow: nothing is stated in it.

    Which versions of the datasets the run read, nobody but MLflow knows, so the items have no reference.
    """
    model = {"id": f"models:/{name}/{version}"} | ({"digest": known.digest} if known else {})
    datasets = [{"id": urn} for urn in (known.datasets if known else ())]
    request = _request(
        Stage.REGISTRATION, Operation.PROMOTE, environment, SubjectKind.MODEL_VERSION, f"{name}/{version}",
        {"models": [model], "datasets": datasets}, known.purpose if known else None,
    )  # fmt: skip
    return request.model_copy(update={"point": Point.CI})


def uri(version: VersionEvidence) -> str:
    """Return the version's own reference."""
    return uri_of(version.name, version.version)


def uri_of(name: str, version: str) -> str:
    """Return the reference of a version."""
    return f"models:/{name}/{version}"


def promoted_as(name: str, target: str) -> str:
    """Return the name of what a promotion is about: one place that one version at a time is promoted to."""
    return f"{name} as {target.partition(':')[2]}"


def lineage(inputs: Sequence[LoggedInput], declared: frozenset[str], unity: str | None = None) -> Lineage:
    """Return the inputs by their canonical names; `declared` holds the keys of the preflight's datasets.

    `unity` is the namespace of tables that are named without one (`MlflowSettings.unity`).
    """
    items: dict[str, Mapping[str, Any]] = {}
    unresolved: list[str] = []
    undeclared: list[str] = []
    for logged in inputs:
        found = from_mlflow(logged.source_type, logged.source, unity)
        if found.dataset is None:
            unresolved.append(f"{logged.name or 'an input'}: {found.why}"[:500])
            continue
        item = found.dataset.item(logged.version or found.version)
        urn = item["id"]
        key = item.get("digest", urn)
        items[key] = item
        if key not in declared:
            undeclared.append(urn)
    return Lineage(
        tuple(items[key] for key in sorted(items)), tuple(sorted(set(unresolved))), tuple(sorted(set(undeclared))),
        len(inputs),
    )  # fmt: skip


def best(
    measurements: Sequence[Measurement], author: Actor, resolve: Resolve, metrics: Sequence[str]
) -> Measurement | None:
    """Return the measurement that speaks for the version, or None.

    What nobody known has measured does not count. What somebody else than the author has measured goes before what the
    author has; then the metric that is named first in `metrics`; then the newest.
    """
    known = {user: resolve(user) for user in {one.user for one in measurements}}
    counting = [
        one for one in measurements if one.metric in metrics and known[one.user].kind is not PrincipalKind.UNRESOLVED
    ]
    by_others = [one for one in counting if known[one.user].id != author.id]
    return max(by_others or counting, key=lambda one: (-metrics.index(one.metric), one.at), default=None)


def _signature(version: VersionEvidence) -> dict[str, Any]:
    return {
        "inputs": version.signature_inputs,
        "outputs": version.signature_outputs,
        "evidence": {"observed_at": version.created_at},
    }


def _card(
    version: VersionEvidence, purpose: str | None, measured: Measurement | None, settings: MlflowSettings
) -> dict[str, Any]:
    card = version.card
    assert card is not None  # noqa: S101 (the caller has looked)
    headings = {heading.casefold().strip() for heading in card.headings}
    truth = {"name": version.name, "version": version.version, "purpose": purpose or ""}
    if measured is not None:
        truth |= {"metric": measured.metric, "value": f"{measured.value:.4f}"}
    stated = {name.casefold(): text.strip() for name, text in card.statements.items()}
    mismatched = [name for name, right in truth.items() if name in stated and not _same(stated[name], right)]
    return {
        "missing": sorted(section for section in settings.card_sections if section.casefold() not in headings),
        "mismatched": sorted(mismatched),
        "evidence": {"observed_at": card.at},
    }


def _same(stated: str, right: str) -> bool:
    try:
        return f"{float(stated):.4f}" == f"{float(right):.4f}"
    except ValueError:
        return stated == right


def _claim(preflight: str | None) -> dict[str, Any]:
    return {"claim": {"decision": preflight}} if preflight else {}


def _request(
    stage: Stage,
    operation: Operation,
    environment: str,
    kind: SubjectKind,
    name: str,
    facts: Mapping[str, Any],
    purpose: str | None = None,
) -> DecisionRequest:
    document: dict[str, Any] = {
        "schema": "proctor/request/v1", "stage": stage, "operation": operation, "point": Point.MLFLOW_REGISTRY,
        "environment": environment, "subject": {"kind": kind, "name": name}, "facts": facts,
    }  # fmt: skip
    if purpose:
        document["purpose"] = purpose
    return DecisionRequest.model_validate(document)
