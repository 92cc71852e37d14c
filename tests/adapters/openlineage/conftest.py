"""A receiver on a real database and a real ledger, without sockets."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.types import ASGIApp, Receive, Scope, Send

from proctor.inventory.datasets import Datasets
from proctor.plugins import DatasetFact
from proctor.store.inbox import Inbox
from proctor.store.tables import inbox as inbox_table
from proctor.vocabulary.datasets import canonical
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind
from proctor_adapters.openlineage import routes as module
from proctor_adapters.openlineage.routes import routers
from proctor_adapters.openlineage.worker import Worker
from tests.adapters.openlineage.builders import ALL, NOW
from tests.engine.identity.stores import Stores, stores

CALLER = Caller(Actor("service:catalog", PrincipalKind.SERVICE, "api-key"), frozenset(), frozenset(), frozenset(), ALL)


class Failing(Datasets):
    """A register whose ledger takes nothing while `error` is set, of datasets that `only` names."""

    error: Exception | None = None
    only: str | None = None

    async def record(self, facts: Sequence[DatasetFact]) -> None:
        if self.error is not None and any(self.only in {None, fact.name} for fact in facts):
            raise self.error
        await super().record(facts)


@dataclass
class Receiver:
    client: httpx.AsyncClient
    worker: Worker
    datasets: Failing
    inbox: Inbox
    at: Stores

    async def post(self, body: Any, path: str = "/lineage", **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(path, content=raw, headers={"Content-Type": "application/json", **headers})

    def problems(self) -> list[str | None]:
        return [row.problem for row in self.at.database.read(select(inbox_table).order_by(inbox_table.c.id))]

    def licence(self, name: str = "payments") -> Any:
        fact = self.datasets.facts(canonical("s3://lake", name).urn).get("licence")
        return None if fact is None or fact.values is None else fact.values["licence"]


@pytest.fixture
async def receiver(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setattr(module, "now", lambda: NOW)
    async with stores(state_dir) as at:
        datasets = Failing.load(at.database, at.ledger, at.hands.now)
        assert isinstance(datasets, Failing)
        inbox = Inbox(at.database, at.hands.now)
        worker = Worker(inbox, datasets)
        app = FastAPI()
        for router in routers(worker):
            app.include_router(router)

        class Known:
            """Stands where the gate stands, which has found out who calls."""

            def __init__(self, app: ASGIApp) -> None:
                self._app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                scope.setdefault("state", {})["caller"] = CALLER
                await self._app(scope, receive, send)

        app.add_middleware(Known)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://proctor") as client:
            yield Receiver(client, worker, datasets, inbox, at)
