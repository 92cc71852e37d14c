"""The managed engine with a real OPA: starting, dying, hanging, switching, ending. Nothing may be left behind."""

import asyncio
import dataclasses
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proctor.errors import OpaError
from proctor.opa import managed, process
from proctor.opa.binary import FoundBinary
from proctor.opa.bundle import BuiltBundle
from proctor.opa.client import Address, OpaClient
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.managed import ManagedOpa
from proctor.opa.process import OpaProcess
from proctor.settings import OpaSettings
from proctor.vocabulary.reasons import Reason
from tests.contract.opa import archives
from tests.contract.opa.conftest import Policies
from tests.contract.opa.leavings import alive, children, descriptors, until, wait_until

DOWN = {Reason.ENGINE_UNAVAILABLE, Reason.ENGINE_DROPPED}
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Return a function that runs a scenario in a new loop, of each kind."""
    return _runner(LOOPS[request.param])


@pytest.fixture
def run_once() -> Run:
    """Return a function that runs a slow scenario in a loop as the server has it."""
    return _runner(LOOPS["uvloop"])


def _runner(factory: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    def start(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(scenario)

    return start


@pytest.fixture(autouse=True)
def nothing_left(state_dir: Path) -> Iterator[None]:
    """Compare processes, descriptors and files before and after each test."""
    process._the_spawner()
    uvloop.new_event_loop().close()  # the first one opens what it keeps for good
    assert children() == set()
    before = descriptors()
    yield
    assert children() == set()
    after = descriptors()
    assert len(after) <= len(before), set(after.items()) - set(before.items())
    run_dir = state_dir / "run"
    assert not run_dir.exists() or list(run_dir.iterdir()) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replaced child linger, and a failed start be tried again, for a moment only."""
    monkeypatch.setattr(managed, "LINGER", 0.3)
    monkeypatch.setattr(managed, "_LONGEST_BACK_OFF", 0.1)


@dataclasses.dataclass
class Engines:
    """Makes engines on one state directory."""

    binary: FoundBinary
    state_dir: Path
    first: BuiltBundle
    second: BuiltBundle

    def new(self, bundle: BuiltBundle | None = None, run_dir: Path | None = None, **settings: Any) -> ManagedOpa:
        return ManagedOpa(bundle or self.first, self.binary, run_dir or self.state_dir / "run", OpaSettings(**settings))

    @asynccontextmanager
    async def running(self, *arguments: Any, **settings: Any) -> AsyncIterator[ManagedOpa]:
        engine = self.new(*arguments, **settings)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.close()


@pytest.fixture
def engines(found_binary: FoundBinary, policies: Policies, state_dir: Path) -> Engines:
    return Engines(found_binary, state_dir, policies.first, policies.second)


async def ask(engine: ManagedOpa, revision: str | None = None, seconds: float = 2.0) -> str:
    """Return the revision that answered."""
    deadline = asyncio.get_running_loop().time() + seconds
    found = await engine.evaluate(ENTRYPOINT_DECISION, b"{}", deadline, revision)
    assert found["outcome"] == "error", "an empty question is refused by every policy"
    return str(found["policy"]["revision"])


def current(engine: ManagedOpa) -> OpaProcess:
    assert engine._current is not None
    return engine._current.child


async def back(engine: ManagedOpa, former: int, seconds: float = 8.0) -> tuple[float, set[Reason]]:
    """Ask again and again; return how long nothing answered after `former` was hurt, and the reasons meanwhile."""
    began = time.monotonic()
    reasons: set[Reason] = set()
    while True:
        assert time.monotonic() - began < seconds, reasons
        try:
            await ask(engine)
        except OpaError as error:
            reasons.add(error.reason)
            await asyncio.sleep(0.002)
        else:
            if current(engine).pid != former:
                return time.monotonic() - began, reasons


# --- Starting --------------------------------------------------------------------------------------------------------


def test_it_starts_and_proves_itself_with_its_revision(engines: Engines, run: Run) -> None:
    async def scenario() -> None:
        began = time.monotonic()
        async with engines.running() as engine:
            assert time.monotonic() - began < 3.0
            assert await ask(engine) == engines.first.revision
            health = await engine.health()
            assert (health.ready, health.revision, health.opa_version) == (True, engines.first.revision, "1.22.2")
        health = await engine.health()
        assert (health.ready, health.revision, health.detail) == (False, None, "it was stopped")

    run(scenario())


def test_the_child_is_private_and_knows_nothing_of_ours(
    engines: Engines, run_once: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_SINK_SECRET", "whsec_open")
    monkeypatch.setenv("OPA_LOG_LEVEL", "debug")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    async def scenario() -> None:
        with (engines.state_dir / "secret").open("w") as secret:
            os.set_inheritable(secret.fileno(), True)
            async with engines.running(gogc=123, memory_limit="234MiB") as engine:
                child = current(engine)
                seen = Path(f"/proc/{child.pid}")
                environment = set((seen / "environ").read_bytes().rstrip(b"\0").split(b"\0"))
                # Python sets the locale of what it starts in none; https://peps.python.org/pep-0538/
                environment.discard(b"LC_CTYPE=C.UTF-8")
                assert environment == {b"GOGC=123", b"GOMEMLIMIT=234MiB", b"HOME=/nonexistent"}
                opened = {str(entry.readlink()) for entry in (seen / "fd").iterdir()}
                assert not any(str(engines.state_dir) in name for name in opened), opened
                assert os.getsid(child.pid) == child.pid, "the terminal's Ctrl-C is not its business"
                assert (seen / "cwd").readlink() == Path("/")
                assert stat.S_IMODE(child.socket.stat().st_mode) == 0o600
                assert stat.S_IMODE(child.socket.parent.stat().st_mode) == 0o700
                (record,) = (engines.state_dir / "run").glob("*.json")
                assert stat.S_IMODE(record.stat().st_mode) == 0o600
                assert json.loads(record.read_text())["pid"] == child.pid
                given = (seen / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
                assert given == child.arguments
                assert not {"-w", "--watch", "--skip-verify"} & set(given), "a reload would not check the signature"
                assert {"--authorization", "--verification-key", "--skip-version-check"} <= set(given)

    run_once(scenario())


REFUSED: dict[str, tuple[Callable[[BuiltBundle, Path], BuiltBundle], str]] = {
    "tampered": (lambda bundle, folder: archives.changed(bundle, folder, archives.tampered), "digest mismatch"),
    "with a file more": (
        lambda bundle, folder: archives.changed(bundle, folder, archives.extended), "not included in bundle signature"),
    "unsigned": (
        lambda bundle, folder: archives.changed(bundle, folder, archives.unsigned), "missing .signatures.json"),
    "of another key": (
        lambda bundle, folder: dataclasses.replace(bundle, public_key_path=archives.another_key(folder)),
        "verif"),
    "without a key": (
        lambda bundle, folder: dataclasses.replace(bundle, public_key_path=folder / "none.pub"),
        "failed to parse PEM block containing the key"),
    "missing": (lambda bundle, folder: dataclasses.replace(bundle, path=folder / "none.tar.gz"), "none.tar.gz"),
    "of another revision": (
        lambda bundle, _: dataclasses.replace(bundle, revision="0123456789abcdef"), "not '0123456789abcdef'"),
}  # fmt: skip


def _truncated(bundle: BuiltBundle, folder: Path) -> BuiltBundle:
    found = archives.copied(bundle, folder)
    found.path.write_bytes(found.path.read_bytes()[:-100])
    return found


REFUSED["truncated"] = (_truncated, "unexpected EOF")


@pytest.mark.parametrize("how", REFUSED)
def test_a_bundle_that_is_not_ours_is_refused_at_start_with_the_words_of_opa(
    engines: Engines, run_once: Run, how: str
) -> None:
    change, words = REFUSED[how]

    async def scenario() -> None:
        engine = engines.new(change(engines.first, engines.state_dir))
        with pytest.raises(OpaError) as caught:
            await engine.start()
        assert words in str(caught.value)
        assert children() == set(), "before close: a start that fails leaves nothing"
        with pytest.raises(OpaError):
            await ask(engine)
        await engine.close()

    run_once(scenario())


@pytest.mark.parametrize(("binary", "words"), [("none", "No such file"), ("text", "Permission denied")])
def test_a_binary_that_does_not_run_is_said(engines: Engines, run_once: Run, binary: str, words: str) -> None:
    (engines.state_dir / "text").write_text("hello")
    engines.binary = FoundBinary(engines.state_dir / binary, "1.22.2", "of the tests")

    async def scenario() -> None:
        with pytest.raises(OpaError, match=words) as caught:
            await engines.new().start()
        assert str(engines.state_dir / binary) in str(caught.value)
        assert "Traceback" not in str(caught.value)

    run_once(scenario())


def test_a_run_directory_that_cannot_be_made_is_said(engines: Engines, run_once: Run) -> None:
    (engines.state_dir / "file").touch()

    async def scenario() -> None:
        with pytest.raises(OpaError, match="Not a directory"):
            await engines.new(None, engines.state_dir / "file" / "run").start()

    run_once(scenario())


def test_a_record_that_cannot_be_written_leaves_no_child(
    engines: Engines, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(process, "_write_record", full)

    async def scenario() -> None:
        with pytest.raises(OpaError, match="No space left on device"):
            await engines.new().start()

    run(scenario())


def test_a_spawn_that_fails_leaves_no_descriptor(engines: Engines, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", none_left)

    async def scenario() -> None:
        with pytest.raises(OpaError, match="Too many open files"):
            await engines.new().start()

    run(scenario())
    monkeypatch.undo()


def test_a_run_directory_too_long_for_a_socket_gets_one_elsewhere(engines: Engines, run: Run) -> None:
    async def scenario() -> None:
        run_dir = engines.state_dir / ("d" * 100) / "run"
        async with engines.running(None, run_dir) as engine:
            folder = current(engine).socket.parent
            assert folder.name.startswith("proctor-")
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert await ask(engine) == engines.first.revision
            current(engine).kill()
            await back(engine, current(engine).pid)
            assert not folder.exists()
            folder = current(engine).socket.parent
        assert not folder.exists()
        assert list(run_dir.iterdir()) == []

    run(scenario())


def test_two_engines_do_not_take_over_each_others_socket(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as one:
            # The same directory, as a second generation has it.
            other = await OpaProcess.start(
                engines.binary.path, engines.second, engines.state_dir / "run", OpaSettings()
            )
            try:
                assert other.socket != current(one).socket
                await until(other.socket.exists)
                for _ in range(20):
                    assert await ask(one) == engines.first.revision
            finally:
                await other.stop()
            assert await ask(one) == engines.first.revision

    run_once(scenario())


# --- Dying and hanging -----------------------------------------------------------------------------------------------


def test_a_killed_child_costs_refusals_and_is_replaced_at_once(engines: Engines, run: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            gaps = []
            for _ in range(3):
                victim = current(engine)
                os.kill(victim.pid, signal.SIGKILL)
                gap, reasons = await back(engine, victim.pid)
                assert reasons
                assert reasons <= DOWN
                assert not victim.socket.exists()
                gaps.append(gap)
            # Measured on an idle machine: 100 to 150 ms for the first, of which 50 are the pause before it.
            assert gaps[0] < 2.0, gaps
            assert len(list((engines.state_dir / "run").iterdir())) == 2, "one socket, one record"

    run(scenario())


def test_while_it_is_down_it_says_so(engines: Engines, run_once: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed, "_BACK_OFF", 0.5)

    async def scenario() -> None:
        async with engines.running() as engine:
            current(engine).kill()
            await until(lambda: engine._current is None)
            with pytest.raises(OpaError, match="a new one is being started") as caught:
                await ask(engine)
            assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
            health = await engine.health()
            assert (health.ready, health.detail) == (False, "its process ended; a new one is being started")

    run_once(scenario())


def test_a_child_that_hangs_is_killed_and_replaced(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            victim = current(engine)
            os.kill(victim.pid, signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(OpaError) as caught:
                await ask(engine, seconds=0.2)
            assert caught.value.reason is Reason.ENGINE_TIMEOUT
            await until(lambda: engine._current is not None and current(engine).pid != victim.pid, 8.0)
            # Three seconds where nothing else runs: a look after half a second, and two misses of half a second each.
            assert time.monotonic() - began < 5.0
            assert not alive(victim.pid)
            assert await ask(engine) == engines.first.revision

    run_once(scenario())


def test_a_child_that_answers_others_is_not_taken_for_hung(
    engines: Engines, run_once: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            pid = current(engine).pid
            monkeypatch.setattr(managed, "PROBE_EVERY", 0.05)
            monkeypatch.setattr(managed, "PROBE_LIMIT", 0.0)  # every canary is late
            for _ in range(60):
                await ask(engine)
                await asyncio.sleep(0.01)
            assert current(engine).pid == pid

    run_once(scenario())


def test_a_child_with_another_policy_is_replaced_although_it_answers_others(
    engines: Engines, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            pid = current(engine).pid
            monkeypatch.setattr(managed, "PROBE_EVERY", 0.05)
            monkeypatch.setattr(managed, "PROVE_EVERY", 0.1)
            assert engine._current is not None
            engine._current.bundle = engines.second  # which its child does not have
            _, reasons = await back(engine, pid)
            assert reasons <= DOWN

    run(scenario())


def test_a_blocked_loop_is_not_taken_for_a_hung_child(
    engines: Engines, run_once: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = managed._Generation.canary
    blocked = []

    async def blocking(generation: managed._Generation, deadline: float) -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 0.6)
        try:
            await canary(generation, deadline)
        except OpaError as error:
            blocked.append(error.reason)
            raise

    async def scenario() -> None:
        async with engines.running() as engine:
            pid = current(engine).pid
            monkeypatch.setattr(managed, "PROBE_EVERY", 0.05)
            monkeypatch.setattr(managed, "PROBE_LIMIT", 0.2)
            monkeypatch.setattr(managed._Generation, "canary", blocking)
            await until(lambda: len(blocked) >= 3, 10.0)
            monkeypatch.setattr(managed._Generation, "canary", canary)
            assert current(engine).pid == pid
            assert await ask(engine) == engines.first.revision

    run_once(scenario())
    assert set(blocked) == {Reason.ENGINE_TIMEOUT}


@pytest.mark.usefixtures("impatient")
def test_a_restart_on_a_changed_bundle_stays_down_says_why_and_comes_back_when_it_is_mended(
    engines: Engines, run_once: Run
) -> None:
    async def scenario() -> None:
        bundle = archives.copied(engines.first, engines.state_dir)
        good = bundle.path.read_bytes()
        async with engines.running(bundle) as engine:
            victim = current(engine).pid
            bundle.path.write_bytes(archives.changed(bundle, engines.state_dir, archives.tampered).path.read_bytes())
            os.kill(victim, signal.SIGKILL)
            await until(lambda: "digest mismatch" in engine._trouble)
            with pytest.raises(OpaError, match=r"can't be restarted.*digest mismatch") as caught:
                await ask(engine)
            assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
            assert "digest mismatch" in (await engine.health()).detail
            bundle.path.write_bytes(good)
            await back(engine, victim)
            assert (await engine.health()).ready

    run_once(scenario())


@pytest.mark.parametrize("kept", [False, True])
def test_the_next_restart_is_later_each_time_unless_it_has_lived(
    engines: Engines, run_once: Run, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr(managed, "_STABLE", 0.0 if kept else 1000.0)

    async def scenario() -> None:
        async with engines.running() as engine:
            gaps = []
            for _ in range(5):
                victim = current(engine)
                victim.kill()
                gaps.append((await back(engine, victim.pid))[0])
            assert (gaps[-1] < 0.75) is kept, gaps  # 50 ms five times, or 0.05, 0.1, 0.2, 0.4 and 0.8 s

    run_once(scenario())


def test_nobody_who_watches_is_a_reason_not_to_be_ready(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            assert engine._supervisor is not None
            engine._supervisor.cancel()
            await asyncio.sleep(0)
            await until(engine._supervisor.done)
            health = await engine.health()
            assert not health.ready
            assert "nobody watches" in health.detail

    run_once(scenario())


# --- Another policy --------------------------------------------------------------------------------------------------


def test_a_bundle_file_that_is_replaced_is_not_loaded(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        bundle = archives.copied(engines.first, engines.state_dir)
        async with engines.running(bundle) as engine:
            bundle.path.write_bytes(engines.second.path.read_bytes())
            until_then = time.monotonic() + 0.5  # `opa run --watch` takes less than a tenth of it
            while time.monotonic() < until_then:
                assert await ask(engine) == engines.first.revision
                await asyncio.sleep(0.02)

    run_once(scenario())


@pytest.mark.usefixtures("impatient")
def test_a_switch_loses_no_call_and_each_is_answered_by_the_policy_that_it_was_asked_under(
    engines: Engines, run: Run
) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            pinned = engines.first
            stop = asyncio.Event()
            answers: dict[str, int] = {}

            async def caller(late: float) -> None:
                while not stop.is_set():
                    revision = pinned.revision
                    await asyncio.sleep(late)  # the evidence is gathered
                    assert await ask(engine, revision) == revision
                    answers[revision] = answers.get(revision, 0) + 1

            calling = [asyncio.create_task(caller(late)) for late in (0.0, 0.0, 0.02, 0.1)]
            await asyncio.sleep(0.05)
            former = current(engine)
            for bundle in (engines.second, engines.first, engines.second):
                await engine.switch(bundle)
                pinned = bundle
                await asyncio.sleep(0.15)
            stop.set()
            await asyncio.gather(*calling)
            assert min(answers.values()) > 20
            assert set(answers) == {engines.first.revision, engines.second.revision}
            await until(lambda: not engine._leaving)
            assert not alive(former.pid)
            assert len(children()) == 1

    run(scenario())


@pytest.mark.usefixtures("impatient")
def test_a_policy_that_has_left_is_answered_by_the_one_in_force(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            await engine.switch(engines.second)
            assert await ask(engine, engines.first.revision) == engines.first.revision
            assert await ask(engine) == engines.second.revision
            await until(lambda: not engine._leaving)
            # Whoever asks so late gets a verdict whose revision it does not expect, and refuses it (decide.recount).
            assert await ask(engine, engines.first.revision) == engines.second.revision

    run_once(scenario())


@pytest.mark.parametrize("how", ["tampered", "of another key", "of another revision", "missing"])
def test_a_switch_to_what_is_not_ours_changes_nothing(engines: Engines, run_once: Run, how: str) -> None:
    change, words = REFUSED[how]

    async def scenario() -> None:
        async with engines.running() as engine:
            child = current(engine)
            with pytest.raises(OpaError) as caught:
                await engine.switch(change(engines.second, engines.state_dir))
            assert words in str(caught.value)
            assert current(engine) is child
            assert children() == {child.pid}
            assert await ask(engine) == engines.first.revision
            os.kill(child.pid, signal.SIGKILL)
            await back(engine, child.pid)
            assert await ask(engine) == engines.first.revision, "a restart takes the policy that is in force"

    run_once(scenario())


@pytest.mark.usefixtures("impatient")
def test_a_restart_after_a_switch_takes_the_new_policy(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            await engine.switch(engines.second)
            victim = current(engine).pid
            os.kill(victim, signal.SIGKILL)
            await back(engine, victim)
            assert await ask(engine) == engines.second.revision

    run_once(scenario())


@pytest.mark.usefixtures("impatient")
def test_a_switch_brings_an_engine_back_whose_child_could_not_be_restarted(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        bundle = archives.copied(engines.first, engines.state_dir)
        async with engines.running(bundle) as engine:
            bundle.path.unlink()
            current(engine).kill()
            await until(lambda: "can't be restarted" in engine._trouble)
            await engine.switch(engines.second)
            assert await ask(engine) == engines.second.revision
            await asyncio.sleep(0.3)
            assert len(children()) == 1, "the supervisor starts no second one"
            victim = current(engine).pid
            os.kill(victim, signal.SIGKILL)
            await back(engine, victim)

    run_once(scenario())


def test_switching_a_closed_engine_is_refused(engines: Engines, run_once: Run) -> None:
    async def scenario() -> None:
        async with engines.running() as engine:
            pass
        with pytest.raises(OpaError, match="closed"):
            await engine.switch(engines.second)

    run_once(scenario())


# --- Ending ----------------------------------------------------------------------------------------------------------


async def _started(engine: ManagedOpa, _: Engines) -> None:
    await ask(engine)


async def _killed(engine: ManagedOpa, _: Engines) -> None:
    os.kill(current(engine).pid, signal.SIGKILL)


async def _found_dead(engine: ManagedOpa, _: Engines) -> None:
    os.kill(current(engine).pid, signal.SIGKILL)
    await until(lambda: engine._current is None)


async def _reviving(engine: ManagedOpa, _: Engines) -> None:
    former = current(engine).pid
    os.kill(former, signal.SIGKILL)
    await until(lambda: engine._current is None and bool(children() - {former}))


async def _restarting_in_vain(engine: ManagedOpa, engines: Engines) -> None:
    engine._bundle = dataclasses.replace(engines.first, path=Path("/nonexistent"))
    os.kill(current(engine).pid, signal.SIGKILL)
    await until(lambda: "can't be restarted" in engine._trouble)


async def _stopped(engine: ManagedOpa, _: Engines) -> None:
    os.kill(current(engine).pid, signal.SIGSTOP)


async def _switched(engine: ManagedOpa, engines: Engines) -> None:
    await engine.switch(engines.second)


async def _switching(engine: ManagedOpa, engines: Engines) -> None:
    task = asyncio.create_task(engine.switch(engines.second))
    await until(lambda: len(children()) == 2)
    task.add_done_callback(lambda done: done.exception())


async def _switched_and_the_former_killed(engine: ManagedOpa, engines: Engines) -> None:
    former = current(engine)
    await engine.switch(engines.second)
    os.kill(former.pid, signal.SIGKILL)
    await former.ended.wait()


@pytest.mark.parametrize(
    "state",
    [
        _started, _killed, _found_dead, _reviving, _restarting_in_vain, _stopped, _switched, _switching,
        _switched_and_the_former_killed,
    ],
)  # fmt: skip
def test_closing_leaves_nothing_in_any_state(
    engines: Engines, run: Run, state: Callable[[ManagedOpa, Engines], Coroutine[Any, Any, None]]
) -> None:
    async def scenario() -> None:
        engine = engines.new()
        await engine.start()
        await state(engine, engines)
        began = time.monotonic()
        await asyncio.gather(engine.close(), engine.close())
        await engine.close()
        assert time.monotonic() - began < 3.0
        assert children() == set()

    run(scenario())


def test_an_engine_that_was_never_started_can_be_closed(engines: Engines, run_once: Run) -> None:
    run_once(engines.new().close())


@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.04, 0.06, 0.09])
def test_a_start_that_is_cancelled_leaves_nothing(engines: Engines, run: Run, after: float) -> None:
    async def scenario() -> None:
        engine = engines.new()
        starting = asyncio.create_task(engine.start())
        await asyncio.sleep(after)
        starting.cancel()
        await asyncio.wait({starting})
        await engine.close()

    run(scenario())


def test_a_start_that_is_cancelled_while_the_child_is_spawned_leaves_the_others_running(
    engines: Engines, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = process._spawn

    def slow(*arguments: Any) -> Any:
        spawned = spawn(*arguments)
        time.sleep(0.2)
        return spawned

    async def scenario() -> None:
        async with engines.running() as engine:
            child = current(engine).pid
            monkeypatch.setattr(process, "_spawn", slow)
            switching = asyncio.create_task(engine.switch(engines.second))
            await until(lambda: len(children()) == 2)
            switching.cancel()
            await asyncio.wait({switching})
            assert children() == {child}
            monkeypatch.setattr(process, "_spawn", spawn)
            await engine.switch(engines.second)
            assert await ask(engine) == engines.second.revision

    run(scenario())


def test_the_spawner_survives_what_is_cancelled_and_what_fails() -> None:
    spawner = process._Spawner()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        go_on.wait(5)
        return "done"

    def broken() -> None:
        raise OSError("no more processes")

    running, waiting, failing = spawner.run(slow), spawner.run(slow), spawner.run(broken)
    assert begun.wait(5)
    assert not running.cancel(), "what is being started will be told"
    assert waiting.cancel()
    go_on.set()
    assert running.result(5) == "done"
    with pytest.raises(OSError, match="no more processes"):
        failing.result(5)
    assert spawner.run(slow).result(5) == "done"


def test_the_last_words_are_waited_for(engines: Engines, run: Run) -> None:
    async def scenario() -> None:
        script = engines.state_dir / "opa"
        script.write_text("#!/bin/sh\n(sleep 0.2; echo too late) &\nexit 1\n")
        script.chmod(0o700)
        child = await OpaProcess.start(script, engines.first, engines.state_dir / "run", OpaSettings())
        await child.ended.wait()
        assert await child.last_words() == "too late"
        await child.stop()

    run(scenario())


def test_a_child_that_ignores_the_end_is_killed(
    engines: Engines, run_once: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE", -0.8)

    async def scenario() -> None:
        script = engines.state_dir / "opa"
        script.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.05; done\n")
        script.chmod(0o700)
        child = await OpaProcess.start(script, engines.first, engines.state_dir / "run", OpaSettings())
        await until(lambda: Path(f"/proc/{child.pid}/cmdline").read_bytes().startswith(b"/bin/sh"))
        await asyncio.sleep(0.1)
        await child.stop()
        assert child.ended.is_set()

    run_once(scenario())


# --- What outlives what ----------------------------------------------------------------------------------------------

SERVER = """
import asyncio, pickle, signal, sys
from pathlib import Path
from proctor.opa.binary import FoundBinary
from proctor.opa.managed import ManagedOpa
from proctor.settings import OpaSettings

binary, bundle, run_dir = map(Path, sys.argv[1:4])
interrupted = []
signal.signal(signal.SIGINT, lambda *_: interrupted.append(1))

async def main():
    found = FoundBinary(binary, "1.22.2", "test")
    engine = ManagedOpa(pickle.loads(bundle.read_bytes()), found, run_dir, OpaSettings())
    await engine.start()
    print("child", engine._current.child.pid, flush=True)
    while not interrupted:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.2)
    health = await engine.health()
    print("child", engine._current.child.pid, health.ready, flush=True)
    await asyncio.sleep(60)

if sys.argv[4] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@dataclasses.dataclass
class Server:
    """A process with an engine of its own."""

    process: "subprocess.Popen[str]"
    child: int

    def line(self) -> str:
        assert self.process.stdout is not None
        # Log lines come on the same stream.
        return next(line.removeprefix("child ").strip() for line in self.process.stdout if line.startswith("child "))


@pytest.fixture(params=LOOPS)
def server(request: pytest.FixtureRequest, engines: Engines) -> Iterator[Server]:
    pickled = engines.state_dir / "bundle.pickle"
    pickled.write_bytes(pickle.dumps(engines.first))
    arguments = [engines.binary.path, pickled, engines.state_dir / "run", request.param]
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, start_new_session=True, env=dict(os.environ),
    ) as started:  # fmt: skip
        found = Server(started, 0)
        try:
            found.child = int(found.line())
            yield found
        finally:
            started.kill()
            wait_until(lambda: not alive(found.child))
    assert process.sweep(engines.state_dir / "run") == []


def test_a_child_does_not_outlive_a_killed_server(server: Server) -> None:
    assert alive(server.child)
    server.process.kill()
    assert wait_until(lambda: not alive(server.child)) < 2.0


def test_an_interrupt_of_the_terminal_does_not_reach_the_child(server: Server) -> None:
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.line() == f"{server.child} True"


def test_a_child_outlives_the_thread_and_the_loop_that_started_it(engines: Engines) -> None:
    found: list[OpaProcess] = []

    async def start() -> None:
        child = await OpaProcess.start(engines.binary.path, engines.first, engines.state_dir / "run", OpaSettings())
        await until(child.socket.exists)
        found.append(child)
        asyncio.get_running_loop().remove_reader(child._spawned.descriptor)
        assert child._reading is not None
        child._reading.close()
        await asyncio.to_thread(time.sleep, 0)  # an executor, which ends with the loop

    async def answers(child: OpaProcess) -> None:
        client = OpaClient(Address("http://opa", str(child.socket)), 1)
        await client.open()
        try:
            deadline = asyncio.get_running_loop().time() + 2.0
            await managed.canary(client, engines.first.revision, deadline)
        finally:
            await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(start()))
    thread.start()
    thread.join()
    (child,) = found
    try:
        time.sleep(0.3)  # the kernel's signal comes within a millisecond of the thread's end
        assert alive(child.pid)
        asyncio.run(answers(child))
    finally:
        child._spawned.process.kill()
        child._spawned.process.wait()
        child.clear()


# --- The sweep -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run_dir(state_dir: Path) -> Path:
    path = state_dir / "run"
    path.mkdir()
    return path


@pytest.fixture
def sleeper(run_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield a process that looks like an OPA of ours, recorded as one."""
    socket = run_dir / "opa-1-abc.sock"
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "--addr", f"unix://{socket}"]) as started:
        try:
            # Popen returns before the kernel has put the new command line in its place.
            wait_until(lambda: str(socket).encode() in Path(f"/proc/{started.pid}/cmdline").read_bytes())
            process._write_record(run_dir / "opa-1-abc.json", started.pid, socket)
            yield started
        finally:
            started.kill()


def _rewrite(run_dir: Path, **fields: Any) -> None:
    path = run_dir / "opa-1-abc.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_sweep_kills_what_an_earlier_server_has_left(sleeper: "subprocess.Popen[bytes]", run_dir: Path) -> None:
    (run_dir / "opa-1-abc.sock").touch()
    assert process.sweep(run_dir) == [sleeper.pid]
    assert sleeper.wait(2) == -signal.SIGKILL
    assert list(run_dir.iterdir()) == []
    assert process.sweep(run_dir) == []


def test_the_sweep_kills_a_real_orphan_before_a_start(engines: Engines, run: Run) -> None:
    async def scenario() -> None:
        orphan = await OpaProcess.start(engines.binary.path, engines.first, engines.state_dir / "run", OpaSettings())
        await until(orphan.socket.exists)
        async with engines.running() as engine:
            await orphan.ended.wait()
            assert children() == {current(engine).pid}
            orphan.clear()
            assert await ask(engine) == engines.first.revision

    run(scenario())


@pytest.mark.parametrize(
    "fields",
    [{"started": "1"}, {"started": None}, {"started": 5}, {"pid": os.getpid()}, {"pid": 1}, {"pid": 2**22 + 1}],
)
def test_the_sweep_never_kills_a_process_that_took_over_the_number(
    sleeper: "subprocess.Popen[bytes]", run_dir: Path, fields: dict[str, Any]
) -> None:
    _rewrite(run_dir, **fields)
    assert process.sweep(run_dir) == []
    assert sleeper.poll() is None
    assert list(run_dir.iterdir()) == []


def test_the_sweep_never_kills_a_process_with_another_command_line(run_dir: Path) -> None:
    socket = run_dir / "opa-1-abc.sock"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", f"unix://{socket}.old"]) as started:
        wait_until(lambda: str(socket).encode() in Path(f"/proc/{started.pid}/cmdline").read_bytes())
        process._write_record(run_dir / "opa-1-abc.json", started.pid, socket)
        assert process.sweep(run_dir) == []
        assert started.poll() is None
        started.kill()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"{}", b'{"pid": "x", "started": "1", "socket": "SOCKET"}',
        b'{"pid": 1e999, "started": "1", "socket": "SOCKET"}', b'{"pid": -1, "started": "1", "socket": "SOCKET"}',
        b'{"pid": 99999999999999999999999, "started": "1", "socket": "SOCKET"}',
        b'{"pid": 1, "started": "1", "socket": 7}', b'{"pid": 1, "started": "1", "socket": "VICTIM"}',
        b'{"pid": 1, "started": "1", "socket": "opa-1-abc.sock"}',
        b'{"pid": 1, "started": "1", "socket": "/\\u0000/opa-1-abc.sock"}', b"[" * 100_000,
    ],
    ids=range(16),
)  # fmt: skip
def test_a_record_that_says_nothing_harms_nobody(content: bytes, run_dir: Path) -> None:
    victim = run_dir.parent / "victim"
    victim.touch()
    socket = run_dir / "opa-1-abc.sock"
    raw = content.replace(b"VICTIM", str(victim).encode()).replace(b"SOCKET", str(socket).encode())
    (run_dir / "opa-1-abc.json").write_bytes(raw)
    assert process.sweep(run_dir) == []
    assert victim.exists()
    assert list(run_dir.iterdir()) == []


def test_a_record_that_is_a_folder_is_left_alone(run_dir: Path) -> None:
    (run_dir / "opa-1-abc.json").mkdir()
    assert process.sweep(run_dir) == []
    (run_dir / "opa-1-abc.json").rmdir()


def test_the_sweep_removes_the_folder_of_a_socket_that_was_elsewhere(run_dir: Path, state_dir: Path) -> None:
    elsewhere = state_dir / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "opa-1-abc.sock").touch()
    process._write_record(run_dir / "opa-1-abc.json", 2**22 + 1, elsewhere / "opa-1-abc.sock")
    assert process.sweep(run_dir) == []
    assert not elsewhere.exists()


def test_a_sweep_of_a_folder_that_is_not_there_finds_nothing(state_dir: Path) -> None:
    assert process.sweep(state_dir / "none") == []
