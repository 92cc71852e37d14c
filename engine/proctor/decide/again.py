"""Judges inputs again in any process: an OPA of its own for a policy, and the same conclusions as deciding.

An input that was recorded is judged as it is under the policy that it was written for. Under another policy it is first
projected anew, because that policy declares other fields; what was never recorded is absent, and proves nothing.
"""

import asyncio
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from proctor.decide.conclude import Conclusion, conclude, unknown_environment, unknown_operation
from proctor.errors import EngineError, OpaError, SettingsError
from proctor.evidence.project import cases, project
from proctor.opa import binary as opa_binary
from proctor.opa.archive import Policy
from proctor.opa.bundle import BuiltBundle
from proctor.opa.client import Address, OpaClient
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.managed import canary
from proctor.opa.process import OpaProcess
from proctor.settings import OpaSettings, load
from proctor.vocabulary.canonical import NotCanonical, canonical, decode
from proctor.vocabulary.decision import Problem, RiskAssessment
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import Outcome, RiskTier

KEPT: Final = 2
"""Policies with an OPA of their own in one process: two are compared. Each costs about 100 MB."""
_DEADLINE: Final = 30.0
"""Seconds for one evaluation, the longest that a decision may take (`pipeline`, `budget`)."""
_START: Final = 20.0
_POLL: Final = 0.003
_AT_ONCE: Final = 8
"""Inputs under way; the client lets `opa.in_flight` of them through to OPA."""
_OF_THE_INPUT: Final = frozenset(
    {
        Reason.ENGINE_TIMEOUT,
        Reason.ENGINE_UNDEFINED,
        Reason.ENGINE_BAD_SHAPE,
        Reason.ENGINE_WARNING,
        Reason.ENGINE_EVALUATION_FAILED,
        Reason.VERDICT_MISMATCH,
    }
)
"""What the policy makes of an input. Any other error is about OPA, and nothing is known about the input then."""
_GONE: Final = frozenset({Reason.ENGINE_UNAVAILABLE, Reason.ENGINE_DROPPED, Reason.ENGINE_HALF_REPLY})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker needs beside the policy. Holds no credential, so it may travel."""

    binary: Path | None
    """The OPA to start; None: whichever the worker's own machine has, of this version."""
    version: str
    gogc: int = 400
    memory_limit: str = "512MiB"

    @classmethod
    def of(cls, found: opa_binary.FoundBinary, settings: OpaSettings) -> Self:
        """Return the tools of this machine."""
        return cls(found.path, found.version, settings.gogc, settings.memory_limit)

    def opa(self) -> Path:
        """Return the OPA. Raises `SettingsError` when the one that is here has another version."""
        if self.binary is not None:
            return self.binary
        found = opa_binary.find(load())
        if found.version != self.version:
            raise SettingsError(
                "starting OPA for a worker", f"{found.path} is {found.version}, the others use {self.version}",
                "Give every worker the same OPA: results can differ between versions",
            )  # fmt: skip
        return found.path


class _Judge:
    """An OPA with one policy."""

    def __init__(self, child: OpaProcess, client: OpaClient, bundle: BuiltBundle) -> None:
        self.child = child
        self.client = client
        self.bundle = bundle

    @classmethod
    async def start(cls, policy: Policy, tools: Tools, folder: Path) -> "_Judge":
        bundle = policy.unpacked(folder / policy.revision)
        settings = OpaSettings(gogc=tools.gogc, memory_limit=tools.memory_limit)
        child = await OpaProcess.start(tools.opa(), bundle, folder / "run", settings)
        judge = cls(child, OpaClient(Address("http://opa", str(child.socket)), settings.in_flight), bundle)
        try:
            await judge.client.open()
            await judge._answers()
        except BaseException:
            await judge.stop()
            raise
        return judge

    async def _answers(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _START
        while True:
            try:
                await canary(self.client, self.bundle.revision, until)
            except OpaError as error:
                if self.child.ended.is_set():
                    words = await self.child.last_words()
                    raise OpaError("starting OPA to judge again", words or "it ended without a word") from error
                if error.reason not in _GONE or loop.time() > until:
                    raise
                await asyncio.sleep(_POLL)
            else:
                return

    async def stop(self) -> None:
        """End it at once: nobody waits for an answer of it."""
        self.child.kill()
        await self.child.ended.wait()
        await self.client.close()
        self.child.clear()

    async def judge(self, raw: bytes, *, anew: bool) -> Conclusion:
        """Return what follows from one input; `anew`: it was written for another policy."""
        index = self.bundle.index
        document = _object(raw)
        selection = index.selection(document["stage"], document["subject"]["kind"], document["operation"])
        if document["environment"] not in index.environments:
            return _refused(Outcome.DENY, Reason.INVALID_REQUEST, unknown_environment(index))
        if selection is None:
            problem = unknown_operation(document["stage"], document["subject"]["kind"], document["operation"])
            return _refused(Outcome.ERROR, Reason.POLICY_PROBLEM, problem)
        if anew:
            document["facts"] = project(document["facts"], selection)
            document["context"]["cases"] = cases(document, selection, index)
            raw = canonical(document)
        deadline = asyncio.get_running_loop().time() + _DEADLINE
        try:
            result = await self.client.query(ENTRYPOINT_DECISION, raw, deadline)
            return conclude(result, document, document["facts"], index, selection)
        except OpaError as error:
            if error.reason not in _OF_THE_INPUT:
                raise
            return _refused(Outcome.ERROR, error.reason, Problem(code=str(error.reason), message=str(error)))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = decode(raw)
    except NotCanonical as error:
        raise EngineError("judging a recorded input again", str(error), "Was the case store changed?") from error
    if not isinstance(found, dict):
        raise EngineError("judging a recorded input again", "it is no object", "Was the case store changed?")
    return found


def _refused(outcome: Outcome, reason: Reason, problem: Problem) -> Conclusion:
    return Conclusion(outcome, reason, RiskAssessment(value=RiskTier.CRITICAL, unknown=[]), [], [problem], {}, {}, [])


class Judges:
    """The OPAs of one process, at most `KEPT`, on an event loop in a thread of its own. Any thread may call it."""

    def __init__(self) -> None:
        self._judges: OrderedDict[tuple[str, Tools], _Judge] = OrderedDict()
        self._folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
        self._loop = asyncio.new_event_loop()
        self._turn = asyncio.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="judges", daemon=True)
        self._thread.start()

    def judge(
        self, policy: Policy, tools: Tools, documents: Sequence[bytes], *, anew: bool = False
    ) -> list[Conclusion]:
        """Return what follows from each input under `policy`, in order. Raises `EngineError` when OPA fails twice."""
        return self._run(self._judge(policy, tools, documents, anew))

    def close(self) -> None:
        """End every OPA, each by its own process id, and remove what they left. Nothing can be judged afterwards."""
        if self._thread.is_alive():
            self._run(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pids(self) -> list[int]:
        """Return the process ids of the OPAs that run."""
        return [judge.child.pid for judge in self._judges.values()]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _judge(self, policy: Policy, tools: Tools, documents: Sequence[bytes], anew: bool) -> list[Conclusion]:
        async with self._turn:  # so that no OPA is ended for another policy while it is asked
            try:
                return await self._ask(await self._with(policy, tools), documents, anew)
            except OpaError as error:
                if error.reason not in _GONE:
                    raise
            # It was killed, mostly for want of memory. What it had answered is asked again; answers do not change.
            await self._drop((policy.digest, tools))
            return await self._ask(await self._with(policy, tools), documents, anew)

    async def _ask(self, judge: _Judge, documents: Sequence[bytes], anew: bool) -> list[Conclusion]:
        found: dict[int, Conclusion] = {}
        work = iter(enumerate(documents))

        async def worker() -> None:
            for number, raw in work:
                found[number] = await judge.judge(raw, anew=anew)

        tasks = [asyncio.create_task(worker()) for _ in range(min(_AT_ONCE, len(documents)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [found[number] for number in range(len(documents))]

    async def _with(self, policy: Policy, tools: Tools) -> _Judge:
        key = (policy.digest, tools)
        if key not in self._judges:
            while len(self._judges) >= KEPT:
                await self._drop(next(iter(self._judges)))
            self._judges[key] = await _Judge.start(policy, tools, self._folder)
        self._judges.move_to_end(key)
        return self._judges[key]

    async def _drop(self, key: tuple[str, Tools]) -> None:
        await self._judges.pop(key).stop()

    async def _stop(self) -> None:
        async with self._turn:
            for key in list(self._judges):
                await self._drop(key)


_judges: Judges | None = None
_judges_of = 0
_making = threading.Lock()


def judges() -> Judges:
    """Return the one set of this process; a fork makes its own."""
    global _judges, _judges_of
    with _making:
        if _judges is None or _judges_of != os.getpid():
            _judges, _judges_of = Judges(), os.getpid()
        return _judges


def close() -> None:
    """End the OPAs of this process, if it has any."""
    global _judges  # noqa: PLW0603 (see above)
    with _making:
        mine = _judges if _judges_of == os.getpid() else None
        _judges = None
    if mine is not None:
        mine.close()
