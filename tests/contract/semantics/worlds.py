"""A whole Proctor in this process for one policy: real OPA, real ledger, real HTTP application, one event loop.

Tests are plain functions: the loop runs in a thread of its own, so that one engine serves a whole test session.
"""

import asyncio
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from fastapi import FastAPI

from proctor.decide import recount
from proctor.evidence.gather import Providers
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.index import Index, Selection
from proctor.plugins import Asking
from proctor.server.app import create_app
from proctor.server.components import Components
from proctor.server.local import LocalOperator
from proctor.settings import OpaSettings, PolicySettings, Settings
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.decision import Decision, Verdict
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from tests.contract.supplied import Supplied
from tests.live import subjects

ROOT: Final = Path(__file__).resolve().parents[3]
INPUTS: Final[Mapping[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_bytes()) for path in sorted((ROOT / "rego" / "samples" / "inputs").glob("*.json"))
}
DEPLOYMENT: Final = INPUTS["deployment"]
"""An input that the provided policy allows, as OPA gets it."""
LIMIT: Final = 30.0
"""Seconds that one step may take on two busy cores."""
_AT_ONCE: Final = 8

T = TypeVar("T")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], limit: float = LIMIT) -> T:
        """Return what comes of `work`, or raise what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit)

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT)
        self._loop.close()


class World:
    """One running Proctor. `verdict` asks its OPA about an input, `decide` its pipeline about a request."""

    def __init__(self, loop: Loop, app: FastAPI, client: httpx.AsyncClient) -> None:
        self._loop = loop
        self._client = client
        self.components: Components = app.state.components
        self.key = ""

    def run(self, work: Coroutine[Any, Any, T], limit: float = LIMIT) -> T:
        """Run something in the loop in which everything of this world lives."""
        return self._loop.run(work, limit)

    @property
    def bundle(self) -> BuiltBundle:
        """Return the policy in force."""
        return self.components.policy.bundle

    @property
    def index(self) -> Index:
        """Return the engine's own index."""
        return self.bundle.index

    # --- OPA alone -------------------------------------------------------------------------------------------------

    def raw(self, document: Any) -> dict[str, Any]:
        """Return what OPA answers in production's way: strict, over its socket, through the engine's client."""
        return self.run(self._raw(document))

    async def _raw(self, document: Any) -> dict[str, Any]:
        deadline = asyncio.get_running_loop().time() + 10
        return await self.components.engine.evaluate(ENTRYPOINT_DECISION, canonical(document), deadline)

    def verdict(self, document: Any) -> Verdict:
        """Return the verdict on an input, counted again."""
        return self.verdicts([document])[0]

    def verdicts(self, documents: Sequence[Any]) -> list[Verdict]:
        """Return the verdicts on many inputs, in order, each counted again as the pipeline does.

        Fails the test for an answer that is no verdict, does not add up, or refuses without a word.
        """
        return self.run(self._verdicts(documents), limit=300)

    async def _verdicts(self, documents: Sequence[Any]) -> list[Verdict]:
        permits = asyncio.Semaphore(_AT_ONCE)

        async def one(document: Any) -> Verdict:
            async with permits:
                found = Verdict.model_validate(await self._raw(document))
            self.recount(found, document)
            if found.outcome != "allow":
                assert found.findings or found.problems, f"{found.outcome} without a word"
            return found

        return await asyncio.gather(*(one(document) for document in documents))

    def recount(self, verdict: Verdict, document: Any) -> None:
        """Count the verdict again; a document that only a test can make is counted as far as it has its parts."""
        if verdict.problems:
            assert verdict.outcome == "error"
            return
        recount.recount(verdict, document, self.index, self.selection(document))

    def selection(self, document: Mapping[str, Any]) -> Selection:
        """Return what the question selects."""
        found = self.index.selection(document["stage"], document["subject"]["kind"], document["operation"])
        assert found is not None
        return found

    # --- The pipeline ------------------------------------------------------------------------------------------------

    def decide(self, request: bytes, asking: Asking | None = None) -> Decision:
        """Return the decision on a request as the pipeline makes it; by default, the gate asks."""
        decision = self.run(self.components.decisions.decide(request, asking or asking_as(gate())))
        if not decision.allowed:
            assert decision.findings or decision.problems, f"{decision.outcome} without a word"
        return decision

    @contextmanager
    def engine(self, instead: Any) -> Iterator[None]:
        """Let the pipeline ask another engine meanwhile."""
        decisions = self.components.decisions
        kept, decisions._engine = decisions._engine, instead
        try:
            yield
        finally:
            decisions._engine = kept

    # --- HTTP --------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Return status and document of one call of the API; without a key, the local operator calls."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        response = self.run(self._client.request(method, path, content=content, headers=headers))
        return response.status_code, response.json() if response.content else None

    def made(self, path: str, body: Any) -> Any:
        """POST and return the document; fail the test when it is refused."""
        status, document = self.call("POST", path, body)
        assert status in {200, 201}, f"POST {path}: {status} {document}"
        return document


@contextmanager
def world(opa_binary: Path, policy: Mapping[str, Any] | None = None) -> Iterator[World]:
    """Yield a Proctor with this policy; the models `fraud` and `scorer` are registered and allowed in prod.

    What no adapter knows yet is said by the organisation's own systems, as the samples have them.
    """
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    loop = Loop()
    settings = Settings(
        state_dir=folder,
        opa=OpaSettings(binary=opa_binary),
        policy=PolicySettings.model_validate({"profile": "strict", **(policy or {})}),
    )
    app = create_app(settings)
    lifespan = app.router.lifespan_context(app)
    try:
        loop.run(lifespan.__aenter__())
        try:
            transport = httpx.ASGITransport(LocalOperator(app), raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://proctor", timeout=LIMIT)
            made = World(loop, app, client)
            made.key = subjects.register(made, "fraud", "scorer")
            decisions = made.components.decisions
            decisions._providers = Providers([*decisions._providers.registered, Supplied()])
            yield made
            loop.run(client.aclose())
        finally:
            loop.run(lifespan.__aexit__(None, None, None))
    finally:
        loop.close()
        shutil.rmtree(folder)


def gate(**differences: Any) -> Caller:
    """Return the caller that the tests' requests are meant for: a gate that asserts what it sees in the object."""
    known: dict[str, Any] = {
        "actor": Actor("service:localoperator", PrincipalKind.SERVICE, "api-key"),
        "roles": frozenset({Role.GATE}),
        "points": frozenset({"*"}),
        "environments": frozenset({"*"}),
        "asserts": frozenset(subjects.STATED),
    }
    return Caller(**(known | differences))


def asking_as(caller: Caller, **differences: Any) -> Asking:
    """Return what surrounds a question of this caller."""
    return Asking(**({"caller": caller, "budget": 20.0, "source": "test"} | differences))


def statuses(verdict: Verdict | Decision, rule: str) -> list[str]:
    """Return status and effect of what a rule found, place by place."""
    return [f"{finding.status} {finding.effect}" for finding in verdict.findings if finding.rule == rule]


def gaps(verdict: Verdict | Decision, rule: str) -> set[str]:
    """Return the gaps for which a rule could not be evaluated."""
    return {gap.gap for finding in verdict.findings if finding.rule == rule for gap in finding.why}


Tamper = Callable[[dict[str, Any]], Any]


class Tampering:
    """An engine that asks the real one and changes the answer, as a lying sidecar would."""

    def __init__(self, world: World, tamper: Tamper) -> None:
        self._engine = world.components.engine
        self._tamper = tamper
        self.asked: list[bytes] = []

    async def evaluate(self, entrypoint: str, raw: bytes, deadline: float, revision: str | None = None) -> Any:
        """Return the real answer, changed in place or replaced by what `tamper` returns."""
        self.asked.append(raw)
        found = await self._engine.evaluate(entrypoint, raw, deadline, revision)
        replaced = self._tamper(found)
        return found if replaced is None else replaced
