"""`proctor check`: manifests before they reach a cluster, for a CI job or a careful person."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from proctor.cli import exits, outputs, session
from proctor.cli.listing import decision_of, rows_of
from proctor.cli.options import EnvironmentOption, FailOnOption, OutputOption
from proctor.cli.terminal import progress
from proctor.errors import EngineError

if TYPE_CHECKING:
    from proctor.cli.documents import Manifest

_BATCH: Final = 100
"""Manifests in one call; the adapter takes 500."""

app = typer.Typer(no_args_is_help=True, help="Check manifests before they reach a cluster.")


@app.callback()
def _group() -> None:
    """Check manifests before they reach a cluster."""


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
