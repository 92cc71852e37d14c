"""Events as senders build them."""

from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SOURCE = "openlineage:service:catalog"
ALL = frozenset(
    f"datasets/*/{group}"
    for group in ("catalog", "ownership", "sensitivity", "legal", "purposes", "consent", "licence", "retention")
)
JOB = {"namespace": "etl", "name": "load"}
RUN = {"runId": "0198f3a2-7b1c-7000-8000-000000000000"}


def dataset(name: str = "payments", namespace: str = "s3://lake", **facets: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "facets": facets}


def dataset_event(document: dict[str, Any] | None = None, minutes: float = 0, **facets: Any) -> dict[str, Any]:
    return {
        "eventTime": (NOW + timedelta(minutes=minutes)).isoformat(),
        "producer": "https://example.com/catalog",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": document or dataset(**facets),
    }


def run_event(inputs: list[Any] | None = None, outputs: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "eventTime": NOW.isoformat(), "eventType": "COMPLETE", "producer": "https://example.com/etl",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent", "run": RUN, "job": JOB,
        "inputs": inputs or [], "outputs": outputs or [],
    } | changes  # fmt: skip


def tags(*columns: tuple[str, str, str], **values: Any) -> dict[str, Any]:
    of_dataset = [{"key": f"governance.{key}", "value": value} for key, value in values.items()]
    of_columns = [{"key": f"governance.{key}", "value": value, "field": column} for column, key, value in columns]
    return {"tags": [*of_dataset, *of_columns]}
