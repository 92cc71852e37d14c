"""An OPA of our own: started as a child, proven by a canary, watched, restarted, replaced without losing a call.

A child is only ever given one bundle, whose signature it checks when it starts. Another policy gets another child,
which must answer the canary with its revision before the calls go to it; the former one then finishes its calls.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import structlog

from proctor.errors import OpaError
from proctor.opa import process
from proctor.opa.binary import FoundBinary
from proctor.opa.bundle import BuiltBundle
from proctor.opa.client import Address, OpaClient, verdict
from proctor.opa.engine import ENTRYPOINT_DECISION, EngineHealth
from proctor.opa.process import OpaProcess
from proctor.settings import OpaSettings
from proctor.vocabulary.reasons import Reason

log = structlog.get_logger(__name__)

START_LIMIT: Final = 20.0
"""Seconds from spawning to the first proven answer. Measured: 35 to 60 ms; a loaded machine is given much more."""
_START_POLL: Final = 0.003
PROBE_EVERY: Final = 0.5
"""Seconds between two looks at a child that has answered nobody meanwhile."""
PROBE_LIMIT: Final = 0.5
"""Seconds that a canary may take; two misses in a row, and nothing answered, make a child hung."""
PROVE_EVERY: Final = 5.0
"""Seconds between two canaries of a child that answers others: an answer is a sign of life, but not of our policy."""
_MISSES: Final = 2
_BACK_OFF: Final = 0.05
_LONGEST_BACK_OFF: Final = 5.0
_STABLE: Final = 10.0
"""Seconds of life after which the next restart is a first one again, and comes at once."""
LINGER: Final = 3.0
"""Seconds that a replaced child still takes new calls for its policy: as long as gathering evidence may take."""
DRAIN_LIMIT: Final = 35.0
"""Seconds that a replaced child has to finish its calls: longer than the longest budget of a decision (30 s)."""


class _Generation:
    """A child with its client and its policy."""

    def __init__(self, child: OpaProcess, client: OpaClient, bundle: BuiltBundle) -> None:
        self.child = child
        self.client = client
        self.bundle = bundle
        self.born = asyncio.get_running_loop().time()

    async def canary(self, deadline: float) -> None:
        """Raise `OpaError` unless the child answers a question that means nothing as our policy must."""
        await canary(self.client, self.bundle.revision, deadline)

    async def drain(self) -> None:
        """Let its calls end, and those that were begun under its policy and have not come to it yet; then end it."""
        await asyncio.sleep(LINGER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT):
                await self.client.idle()
        await self.stop()

    async def stop(self) -> None:
        """End it now; the calls that it serves have ten seconds (`process.GRACE`)."""
        await self.child.stop()
        await self.client.close()


async def canary(client: OpaClient, revision: str, deadline: float) -> None:
    """Ask a question that means nothing; only our policy, of this revision, answers it with a problem.

    Raises `OpaError`: `engine_foreign_revision` for another revision, `engine_bad_shape` for no verdict at all.
    """
    tried = "asking the canary question"
    found = verdict(tried, await client.query(ENTRYPOINT_DECISION, b"{}", deadline, canary=True))
    policy = found.get("policy")
    answered = policy.get("revision") if isinstance(policy, dict) else None
    if answered != revision:
        raise OpaError(
            tried, f"policy {answered!r:.80} answered, not {revision!r}", "Is another OPA answering here?",
            Reason.ENGINE_FOREIGN_REVISION,
        )  # fmt: skip
    if found.get("outcome") != "error" or not found.get("problems"):
        raise OpaError(tried, "an empty question was not refused", reason=Reason.ENGINE_BAD_SHAPE)


class ManagedOpa:
    """Implements `engine.PolicyEngine` with children of this process."""

    def __init__(self, bundle: BuiltBundle, binary: FoundBinary, run_dir: Path, settings: OpaSettings) -> None:
        self._bundle = bundle
        self._binary = binary
        self._run_dir = run_dir
        self._settings = settings
        self._current: _Generation | None = None
        self._trouble = "it is not started"
        self._supervisor: asyncio.Task[None] | None = None
        self._switching = asyncio.Lock()
        self._leaving: dict[asyncio.Task[None], _Generation] = {}
        self._closed = False

    async def start(self) -> None:
        """Start the first child. Raises `OpaError` with what OPA printed when it does not come up."""
        await asyncio.to_thread(process.sweep, self._run_dir)
        self._current = await self._born(self._bundle)
        self._supervisor = asyncio.create_task(self._supervise(), name="opa-supervisor")

    async def evaluate(
        self, entrypoint: str, input_bytes: bytes, deadline: float, revision: str | None = None
    ) -> dict[str, Any]:
        """Return the result; see `engine.PolicyEngine`. While OPA restarts nothing waits: the answer is a refusal."""
        generation = self._current
        if generation is not None and revision is not None and generation.bundle.revision != revision:
            generation = next((old for old in self._leaving.values() if old.bundle.revision == revision), generation)
        if generation is None:
            raise OpaError(
                f"asking OPA for {entrypoint}", self._trouble, "It is restarted by itself; see the server's log",
                Reason.ENGINE_UNAVAILABLE,
            )  # fmt: skip
        result = await generation.client.query(entrypoint, input_bytes, deadline)
        return verdict(f"asking OPA for {entrypoint}", result)

    async def health(self) -> EngineHealth:
        """Ask the canary; return how the child is."""
        generation = self._current
        if generation is None:
            return EngineHealth(False, None, self._trouble, self._binary.version)
        if self._supervisor is not None and self._supervisor.done():
            return EngineHealth(False, None, "nobody watches it any more; see the log", self._binary.version)
        try:
            await generation.canary(asyncio.get_running_loop().time() + 1.0)
        except OpaError as error:
            return EngineHealth(False, None, str(error), self._binary.version)
        detail = f"child {generation.child.pid}, {self._binary.origin}"
        return EngineHealth(True, generation.bundle.revision, detail, self._binary.version)

    async def switch(self, bundle: BuiltBundle) -> None:
        """Prove `bundle` in a new child, then let all new calls go there. Raises `OpaError`; then nothing changed."""
        async with self._switching:
            if self._closed:
                raise OpaError("switching the policy", "the engine is closed")
            fresh = await self._born(bundle)
            former, self._current, self._bundle = self._current, fresh, bundle
            log.info("opa.switched", revision=bundle.revision, pid=fresh.child.pid)
            if former is not None:
                task = asyncio.create_task(former.drain(), name="opa-drain")
                self._leaving[task] = former
                task.add_done_callback(self._leaving.pop)

    async def close(self) -> None:
        """Stop the supervisor and every child."""
        self._closed = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        async with self._switching:
            generation, self._current = self._current, None
            self._trouble = "it was stopped"
        if generation is not None:
            await generation.stop()
        if leaving := list(self._leaving.items()):
            for task, _ in leaving:
                task.cancel()
            await asyncio.wait([task for task, _ in leaving])
            await asyncio.gather(*(former.stop() for _, former in leaving))

    # --- Children ----------------------------------------------------------------------------------------------------

    async def _born(self, bundle: BuiltBundle) -> _Generation:
        """Start a child with `bundle` and return it once it has proven itself. Raises `OpaError`, leaving nothing."""
        child = await OpaProcess.start(self._binary.path, bundle, self._run_dir, self._settings)
        client = OpaClient(Address("http://opa", str(child.socket)), self._settings.in_flight)
        generation = _Generation(child, client, bundle)
        try:
            await client.open()
            await self._proven(generation)
        except BaseException:
            child.kill()
            await child.ended.wait()
            await client.close()
            child.clear()
            raise
        log.info("opa.started", pid=child.pid, revision=bundle.revision)
        return generation

    async def _proven(self, generation: _Generation) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + START_LIMIT
        while True:
            if generation.child.ended.is_set():
                printed = await generation.child.last_words() or "it printed nothing"
                raise OpaError(f"starting {self._binary.path}", f"it ended at once: {printed}", "See 'proctor doctor'")
            try:
                await generation.canary(min(until, loop.time() + PROBE_LIMIT * 4))
            except OpaError as error:
                # Not listening yet, or not answering yet. Whatever answers wrongly will not get better.
                not_yet = {Reason.ENGINE_UNAVAILABLE, Reason.ENGINE_DROPPED, Reason.ENGINE_TIMEOUT}
                if error.reason not in not_yet or loop.time() >= until:
                    raise
                await asyncio.sleep(_START_POLL)
            else:
                return

    async def _supervise(self) -> None:
        """Watch the child for ever: restart one that ended, kill one that hangs."""
        delay = 0.0
        while True:
            generation = self._current
            if generation is not None:
                await self._watch(generation)
                if self._current is not generation:
                    continue  # it was replaced, and is drained by whoever replaced it
                lived = asyncio.get_running_loop().time() - generation.born
                delay = 0.0 if lived > _STABLE else max(delay, _BACK_OFF)
                self._current, self._trouble = None, "its process ended; a new one is being started"
                try:
                    printed = await generation.child.last_words()
                finally:
                    await generation.stop()
                log.error("opa.ended", pid=generation.child.pid, lived=round(lived, 3), printed=printed)
            await asyncio.sleep(delay)
            delay = min(max(delay * 2, _BACK_OFF), _LONGEST_BACK_OFF)
            async with self._switching:
                if self._current is None:
                    await self._revive()

    async def _revive(self) -> None:
        try:
            self._current = await self._born(self._bundle)
        except OpaError as error:
            self._trouble = f"it can't be restarted: {error}"
            log.error("opa.not_restarted", error=str(error))  # noqa: TRY400 (no defect of ours; it is tried again)

    async def _watch(self, generation: _Generation) -> None:
        """Return when the child has ended, was killed because it hung, or was replaced."""
        loop = asyncio.get_running_loop()
        misses = 0
        proven = generation.born
        while self._current is generation:
            try:
                async with asyncio.timeout(PROBE_EVERY):
                    await generation.child.ended.wait()
            except TimeoutError:
                pass
            else:
                return
            asked = loop.time()
            if asked - generation.client.answered_at < PROBE_EVERY and asked - proven < PROVE_EVERY and not misses:
                continue
            try:
                await generation.canary(asked + PROBE_LIMIT)
                misses, proven = 0, loop.time()
            except OpaError as error:
                late = loop.time() - asked - PROBE_LIMIT
                lives = late > PROBE_LIMIT / 2 or generation.client.answered_at > asked
                if lives and error.reason is Reason.ENGINE_TIMEOUT:
                    continue  # this process had no time to read an answer, or another call got one
                misses += 1
                log.warning("opa.no_answer", pid=generation.child.pid, misses=misses, error=str(error))
            if misses >= _MISSES:
                log.error("opa.hung", pid=generation.child.pid)
                generation.child.kill()
                await generation.child.ended.wait()
                return
