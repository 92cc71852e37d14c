"""Records what the real OpenLineage client sends: `python -m tests.contract.recorded.openlineage.record`.

Each file `<name>.http` holds the request as it came through the socket: headers, an empty line, the body. Only the key,
the length and the host are left out: they are this machine's.
"""

import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    datasource_dataset,
    lifecycle_state_change_dataset,
    ownership_dataset,
    schema_dataset,
    symlinks_dataset,
    tags_dataset,
)
from openlineage.client.generated import lineage
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

FOLDER: Final = Path(__file__).parent
PRODUCER: Final = "https://example.com/catalog"
_LEFT_OUT: Final = frozenset({"authorization", "content-length", "host"})


def _at(minute: int) -> str:
    return datetime(2026, 11, 25, 11, minute, tzinfo=UTC).isoformat()


def _tags(*tags: tuple[str, str, str | None], deleted: bool = False) -> tags_dataset.TagsDatasetFacet:
    fields = [
        tags_dataset.TagsDatasetFacetFields(key=key, value=value, source="CATALOG", field=field)
        for key, value, field in tags
    ]
    return tags_dataset.TagsDatasetFacet(tags=fields, deleted=True if deleted else None)


def _static(minute: int, name: str = "payments", namespace: str = "s3a://Lake", **facets: Any) -> DatasetEvent:
    dataset = StaticDataset(namespace=namespace, name=name, facets=facets)
    return DatasetEvent(eventTime=_at(minute), producer=PRODUCER, dataset=dataset)


def events() -> Iterator[tuple[str, Any]]:
    """Yield the events that are recorded, with the names of their files."""
    run, job = Run(runId="0198f3a2-7b1c-7000-8000-000000000000"), Job(namespace="etl", name="load")
    owners = [ownership_dataset.Owner(name="team:payments", type="MAINTAINER")]
    yield "owned", _static(1, "/payments/", ownership=ownership_dataset.OwnershipDatasetFacet(owners=owners))
    yield "tagged", _static(
        2,
        tags=_tags(
            ("governance.pii", "false", None), ("governance.lawful_basis", "contract", None),
            ("governance.pii", "true", "email"), ("tier", "gold", None),
        ),
        schema=schema_dataset.SchemaDatasetFacet(fields=[]),
        version=dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion="7"),
    )  # fmt: skip
    yield "tags-deleted", _static(3, tags=_tags(deleted=True))
    yield "named", _static(
        4, "bank.payments", "hive://Metastore:None",
        symlinks=symlinks_dataset.SymlinksDatasetFacet(
            identifiers=[
                symlinks_dataset.Identifier(namespace="s3://lake", name="payments", type="LOCATION"),
                symlinks_dataset.Identifier(namespace="hive://metastore:10000", name="bank.payments", type="TABLE"),
            ]
        ),
        dataSource=datasource_dataset.DatasourceDatasetFacet(name="metastore", uri="hive://metastore:10000"),
    )  # fmt: skip
    columns = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            "total": column_lineage_dataset.Fields(
                inputFields=[column_lineage_dataset.InputField(namespace="s3://lake", name="hinted", field="amount")]
            )
        }
    )
    explicit = lineage.LineageDatasetFacet(
        inputs=[lineage.LineageDatasetInput(namespace="s3://lake", name="payments", type="DATASET")]
    )
    yield "run-complete-alone", RunEvent(
        eventTime=_at(5), eventType=RunState.COMPLETE, producer=PRODUCER, run=run, job=job,
        inputs=[InputDataset(namespace="s3://lake", name="payments")],
        outputs=[
            OutputDataset(namespace="s3://lake", name="sums", facets={"columnLineage": columns}),
            OutputDataset(namespace="s3://lake", name="totals", facets={"columnLineage": columns, "lineage": explicit}),
        ],
    )  # fmt: skip
    yield "job", JobEvent(
        eventTime=_at(6), producer=PRODUCER, job=job, inputs=[InputDataset(namespace="s3://lake", name="payments")],
        outputs=[OutputDataset(namespace="s3://lake", name="nightly")],
    )  # fmt: skip
    dropped = lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(
        lifecycleStateChange=lifecycle_state_change_dataset.LifecycleStateChange.DROP
    )
    yield "dropped", RunEvent(
        eventTime=_at(7), eventType=RunState.RUNNING, producer=PRODUCER, run=run, job=job, inputs=[],
        outputs=[OutputDataset(namespace="s3://lake", name="payments", facets={"lifecycleStateChange": dropped})],
    )  # fmt: skip


def main() -> None:
    """Send every event to a socket of our own, and write down what arrives."""
    got: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept = [f"{name}: {value}" for name, value in self.headers.items() if name.lower() not in _LEFT_OUT]
            head = "\n".join([f"POST {self.path}", *sorted(kept)])
            got.append(head.encode() + b"\n\n" + self.rfile.read(int(self.headers["content-length"])))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for number, (name, event) in enumerate(events()):
            config = HttpConfig(
                url=f"http://127.0.0.1:{server.server_port}",
                auth=ApiKeyTokenProvider({"apiKey": "left out"}),
                compression=HttpCompression.GZIP if number % 2 else None,
            )
            OpenLineageClient(transport=HttpTransport(config)).emit(event)
            (FOLDER / f"{name}.http").write_bytes(got.pop())
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
