"""`proctor check`: looks ahead at a deployment, a training, a promotion, a dataset; for a CI job or a careful person.

Every check asks at the point `ci` what the gate will ask at its own, as whoever's key it is. Nothing follows from an
allow: no run starts with it, no alias moves, no digest may be deployed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proctor.cli import exits, outputs, session
from proctor.cli.listing import decision_of, rows_of
from proctor.cli.options import EnvironmentOption, FailOnOption, OutputOption
from proctor.cli.terminal import progress
from proctor.errors import EngineError, UsageError
from proctor.vocabulary.words import Point

if TYPE_CHECKING:
    from proctor.cli.documents import Manifest

_BATCH: Final = 100
"""Manifests in one call; the adapter takes 500."""

_DECISIONS: Final = "/v1/decisions"
_DATASET: Final = "s3://BUCKET/KEY@VERSION, or urn:ol:NAMESPACE:NAME@VERSION"
PurposeOption = Annotated[str, typer.Option("--purpose", help="What the model is for, as policy.purposes has it.")]
PlannedOption = Annotated[
    str, typer.Option("--environment", "-e", help="dev, staging, prod or one of yours; as the notebook has it.")
]

app = typer.Typer(no_args_is_help=True, help="Look ahead: what would be decided, without doing it.")


@app.callback()
def _group() -> None:
    """Look ahead: what would be decided, without doing it."""


@app.command()
def deployment(
    file: Annotated[
        list[str],
        typer.Option("--file", "-f", metavar="FILE", help="Manifests: a file, a folder, or - for standard input."),
    ],
    environment: EnvironmentOption = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="For manifests that name none, as kubectl has it.")
    ] = None,
    output: OutputOption = None,
    fail_on: FailOnOption = exits.FailOn.ERROR,
) -> None:
    """Judge Kubernetes manifests (YAML, JSON, lists) as the admission endpoint would."""
    from proctor.cli import documents

    destinations = outputs.parse(output or [])
    manifests = documents.read(file)
    chosen = {name: value for name, value in (("environment", environment), ("namespace", namespace)) if value}

    async def _check(api: session.Session) -> list[outputs.Judged]:
        judged: list[outputs.Judged] = []
        for start in range(0, len(manifests), _BATCH):
            judged += await _batch(api, manifests[start : start + _BATCH], chosen)
        return judged

    judged = session.run(_check)
    outputs.write_decisions(judged, destinations)
    raise typer.Exit(exits.of_decisions([entry.decision for entry in judged], fail_on))


@app.command()
def training(
    purpose: PurposeOption,
    dataset: Annotated[
        list[str], typer.Option("--dataset", "-d", metavar="DATASET", help=f"{_DATASET}; may be repeated.")
    ],
    environment: PlannedOption = "dev",
    seed: Annotated[int | None, typer.Option(help="The random seed that the training sets.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="The checkout of the source code. Default: the working directory.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the run is called.")] = "training",
    output: OutputOption = None,
    fail_on: FailOnOption = exits.FailOn.ERROR,
) -> None:
    """Judge a training plan as `proctor.training` would: run it where the training runs, as whoever starts it.

    It looks at the checkout and at the packages of this Python. The answer is no preflight: a run asks for its own.
    """
    from proctor.notebook import plan

    around = plan.surroundings(seed, folder)
    for gap in around.gaps():
        progress(gap)
    question = plan.request(
        purpose=purpose, datasets=[plan.dataset(one) for one in dataset], environment=environment, name=name,
        around=around, point=Point.CI,
    )  # fmt: skip
    _one(question, output, fail_on)


@app.command()
def dataset(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=_DATASET)],
    purpose: PurposeOption,
    environment: PlannedOption = "dev",
    output: OutputOption = None,
    fail_on: FailOnOption = exits.FailOn.ERROR,
) -> None:
    """Judge whether a dataset may be used for a purpose, by the rules on data alone: not who uses it, nor how."""
    from proctor.notebook import plan

    planned = plan.dataset(dataset)
    question = {
        "schema": "proctor/request/v1", "stage": "data", "operation": "ingest", "point": str(Point.CI),
        "environment": environment, "purpose": purpose,
        "subject": {"kind": "dataset", "name": planned.dataset.urn},
        "facts": {"datasets": [planned.dataset.item(planned.version)]},
    }  # fmt: skip
    _one(question, output, fail_on)


def _one(question: Mapping[str, Any], output: list[str] | None, fail_on: exits.FailOn) -> None:
    """Have one question decided; write the answer and leave with its exit code."""
    destinations = outputs.parse(output or [])
    decision = decision_of(session.run(lambda api: api.post(_DECISIONS, question)))
    outputs.write_decisions([outputs.Judged(decision)], destinations)
    raise typer.Exit(exits.of_decisions([decision], fail_on))


@app.command()
def model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The registered model.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Its version.")],
    environment: EnvironmentOption = None,
    alias: Annotated[
        str | None, typer.Option(help="The alias that would point to it; adapters.mlflow.targets says where that is.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="The stage that it would be put into, likewise.")] = None,
    output: OutputOption = None,
    fail_on: FailOnOption = exits.FailOn.ERROR,
) -> None:
    """Judge whether a registered version might be promoted, by what Proctor itself knows of it.

    What MLflow alone knows (card, evaluation, validation, lineage, signature, preflight) can't be judged here, and the
    findings say so: the gate in MLflow judges it at the promotion.
    """
    destinations = outputs.parse(output or [])
    targets = [f"{kind}:{value}" for kind, value in (("alias", alias), ("stage", stage)) if value]
    if len(targets) + (environment is not None) != 1:
        raise UsageError(
            f"checking {name}/{version}", "not exactly one of --environment, --alias and --stage",
            "Say where it would be used, or what would point to it",
        )  # fmt: skip
    body: dict[str, Any] = {"name": name, "version": version}
    body |= {"target": targets[0]} if targets else {"environment": environment}
    reply = session.run(lambda api: api.post("/v1/adapters/mlflow/check", body))
    for note in reply.get("notes", ()) if isinstance(reply, dict) else ():
        progress(f"{name}/{version}: {note}")
    judged = [outputs.Judged(decision_of(row)) for row in rows_of(reply, "decisions")]
    outputs.write_decisions(judged, destinations)
    raise typer.Exit(exits.of_decisions([entry.decision for entry in judged], fail_on))


async def _batch(
    api: session.Session, manifests: Sequence["Manifest"], chosen: Mapping[str, str]
) -> list[outputs.Judged]:
    """Have some manifests judged; put each decision beside the place where its manifest is written."""
    body = {"manifests": [manifest.document for manifest in manifests], **chosen}
    tried = f"checking {len(manifests)} manifests"
    reply = await api.post("/v1/adapters/kubernetes/check", body)
    decisions = [decision_of(row) for row in rows_of(reply, "decisions")]
    skipped = {row.get("index"): str(row.get("why", "")) for row in rows_of(reply, "skipped")}
    for index, why in skipped.items():
        if isinstance(index, int) and 0 <= index < len(manifests):
            origin = manifests[index].origin
            progress(f"{origin.file}:{origin.line}: not judged: {why}")
    origins = [manifest.origin for index, manifest in enumerate(manifests) if index not in skipped]
    if len(origins) != len(decisions):
        raise EngineError(
            tried, f"{len(decisions)} decisions for {len(origins)} of them", "Is the server of this version?"
        )
    return [outputs.Judged(decision, origin) for decision, origin in zip(decisions, origins, strict=True)]
