"""Evaluates the decisive cases the way production decides: signed bundle, real OPA, the engine's client, strict.

`opa test` has no strict mode, so what it calls undefined can be an error in a server. Here a case meets exactly what a
request meets behind the door.
"""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import ValidationError

from proctor.errors import OpaError
from proctor.opa import bundle
from proctor.opa.client import Address, OpaClient
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.process import OpaProcess
from proctor.policy.cases import Case
from proctor.policy.judging import Surprise, judge
from proctor.policy.patches import apply
from proctor.settings import Settings
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.decision import Verdict
from proctor.vocabulary.reasons import Reason

DEADLINE: Final = 10.0
"""Seconds for one evaluation. A rule that needs more would time out in every caller's budget."""
_START: Final = 20.0
"""Seconds for OPA to load the bundle."""
_POLL: Final = 0.02
OF_THE_CASE: Final = frozenset(
    {
        Reason.ENGINE_TIMEOUT,
        Reason.ENGINE_UNDEFINED,
        Reason.ENGINE_BAD_SHAPE,
        Reason.ENGINE_WARNING,
        Reason.ENGINE_EVALUATION_FAILED,
    }
)
"""What the policy makes of an input. Any other error is about OPA, and no case has an answer then."""


class Evaluator(Protocol):
    """Whatever turns an input into a verdict."""

    async def evaluate(self, document: bytes) -> Mapping[str, Any]:
        """Return the verdict on these canonical bytes. Raises `OpaError`."""
        ...


class Served:
    """What an OPA decides at one of its entrypoints."""

    def __init__(self, client: OpaClient, entrypoint: str = ENTRYPOINT_DECISION) -> None:
        self._client, self._entrypoint = client, entrypoint

    async def evaluate(self, document: bytes) -> Mapping[str, Any]:
        """Return the verdict on these canonical bytes, whose form is checked. Raises `OpaError`."""
        deadline = asyncio.get_running_loop().time() + DEADLINE
        found = await self._client.query(self._entrypoint, document, deadline)
        try:
            Verdict.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise OpaError("reading the verdict", f"{where}: {first['msg']}", reason=Reason.ENGINE_BAD_SHAPE) from error
        verdict: Mapping[str, Any] = found
        return verdict


@asynccontextmanager
async def serving(
    settings: Settings, binary: Path, built: bundle.BuiltBundle, folder: Path
) -> AsyncIterator[OpaClient]:
    """Start an OPA with a bundle, and stop it afterwards. Raises `OpaError` when it does not come up."""
    child = await OpaProcess.start(binary, built, folder / "run", settings.opa)
    try:
        client = OpaClient(Address.parse(f"unix://{child.socket}"), settings.opa.in_flight)
        await client.open()
        try:
            await _answers(child, client)
            yield client
        finally:
            await client.close()
    finally:
        child.kill()  # nobody waits for an answer of it
        await child.stop()


async def _answers(child: OpaProcess, client: OpaClient) -> None:
    """Return as soon as OPA answers."""
    until = asyncio.get_running_loop().time() + _START
    while True:
        try:
            await client.query(ENTRYPOINT_DECISION, b"{}", until)
        except OpaError as error:
            if child.ended.is_set():
                words = await child.last_words()
                raise OpaError("starting OPA with the policy", words or "it ended without a word") from error
            if error.reason is not Reason.ENGINE_UNAVAILABLE or asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(_POLL)
        else:
            return


class Remembering:
    """An evaluator that asks no question twice: rules that need the same evidence have cases with the same inputs."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._asked: dict[bytes, asyncio.Task[Mapping[str, Any]]] = {}

    async def evaluate(self, document: bytes) -> Mapping[str, Any]:
        """Return the verdict on these canonical bytes. Raises `OpaError`, for each who asks."""
        key = hashlib.sha256(document).digest()
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(_answer(self._evaluator, document))
        return await self._asked[key]


async def _answer(evaluator: Evaluator, document: bytes) -> Mapping[str, Any]:
    return await evaluator.evaluate(document)


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with what came of it."""

    case: Case
    surprise: Surprise | None


async def run(
    cases: Sequence[Case], question: Callable[[Case], Mapping[str, Any]], evaluator: Evaluator, at_once: int = 8
) -> list[Judged]:
    """Evaluate and judge all cases, in order; `at_once`: how many inputs are under way.

    `question` gives the input that the patches of a case change.

    Each input is a question of its own, so a poisoned one can hide no other: an evaluation error is the result of its
    case. Raises `OpaError` when OPA itself fails.
    """
    work = enumerate(cases)
    results: dict[int, Judged] = {}

    async def worker(mine: Iterable[tuple[int, Case]]) -> None:
        for number, case in mine:
            results[number] = Judged(case, await judged(case, question(case), evaluator))

    # One iterator that all of them draw from; a generator can't be advanced by two at once in one thread.
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker(work))
    return [results[number] for number in itertools.islice(itertools.count(), len(cases))]


async def judged(case: Case, sample: Mapping[str, Any], evaluator: Evaluator) -> Surprise | None:
    """Return what about one case is not as expected; None if nothing. Raises `OpaError` when OPA itself fails."""
    verdicts: list[Mapping[str, Any]] = []
    for patch in case.patches:
        try:
            verdicts.append(await evaluator.evaluate(canonical(apply(sample, patch))))
        except OpaError as error:
            if error.reason not in OF_THE_CASE:
                raise OpaError(f"evaluating the case {case.name}", str(error), reason=error.reason) from error
            return Surprise(f"no verdict: {error.found}", patch)
    return judge(case, verdicts)
