"""An OPA that somebody else runs: it pulls our bundle from our server, and is believed only as far as it proves itself.

The sidecar runs with the delivered configuration (deploy/docker/opa.yaml, docker-compose.yml), without its TLS. The
line between it and Proctor can be cut; what Proctor publishes can be exchanged behind its back.
"""

import asyncio
import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from proctor.errors import LedgerError, OpaError
from proctor.opa import binary, external
from proctor.opa import bundle as bundles
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.external import ExternalOpa
from proctor.plugins import Asking
from proctor.server import assembly, run, sockets
from proctor.server.components import Components
from proctor.server.local import local_operator
from proctor.settings import OpaSettings, PolicySettings, ServerSettings, Settings
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.reasons import Reason
from tests.contract.opa import archives
from tests.contract.opa.conftest import Policies
from tests.contract.opa.scripted import answer, reply, scripted
from tests.contract.opa.sidecar import Link, Sidecar, delivered, eventually, link
from tests.live import subjects
from tests.live.server import free_port

JUDGED = Reason.NON_COMPLIANT
"""What the rules say of a deployment whose facts are only declared. Nothing but an evaluated policy says that."""
QUICK: dict[str, Any] = {
    "bundles": {
        "proctor": {
            "service": "proctor", "resource": "/v1/policy/bundle", "signing": {"keyid": "proctor"},
            "polling": {"min_delay_seconds": 1, "max_delay_seconds": 1, "long_polling_timeout_seconds": 1},
        }
    }
}  # fmt: skip
"""As delivered, but OPA says every second that it is there. A staleness budget must be longer than the polling."""


@dataclasses.dataclass
class World:
    """A server, its sidecar, and the line between them."""

    parts: Components
    where: dict[str, Any]
    serving: "asyncio.Task[None]"
    sidecar: Sidecar
    line: Link

    async def decide(self) -> Decision:
        asking = Asking(caller=local_operator(), budget=3.0, source="test")
        return await self.parts.decisions.decide(subjects.deployment("fraud"), asking)

    async def reason(self) -> Reason:
        return (await self.decide()).reason

    async def judges(self) -> bool | str:
        decision = await self.decide()
        return decision.reason is JUDGED or decision.message

    async def refuses(self, reason: Reason) -> float:
        """Wait until decisions are refused for this reason; return how long it took."""

        async def refused() -> Any:
            found = await self.reason()
            return found is reason or found

        return await eventually(refused)

    async def ready(self) -> tuple[bool, str]:
        async with httpx.AsyncClient() as client:
            found = await client.get(f"{self.where['operations']}/health/ready", timeout=10)
        document = found.json()
        assert found.status_code == (200 if document["ready"] else 503)
        return document["ready"], "; ".join(document["reasons"])

    async def is_ready(self) -> bool | str:
        ready, why = await self.ready()
        return ready or why

    async def call(self, path: str, key: str) -> int:
        async with httpx.AsyncClient(base_url=self.where["url"]) as client:
            return (await client.get(path, headers={"Authorization": f"Bearer {key}"})).status_code

    def publish(self, bundle: BuiltBundle, digest: str) -> None:
        """Let the bundle route serve another file, without the server's own consent."""
        self.parts.policy.adopt(dataclasses.replace(bundle, digest=digest))

    async def stop(self) -> float:
        """Tell the server to stop; return how long that took."""
        began = time.monotonic()
        if not self.serving.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(self.serving, 20)
        await self.parts.close()
        return time.monotonic() - began


@pytest.fixture
def built(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> list[BuiltBundle]:
    """Let the server's builds give the last one of these, instead of building for a second each time."""
    found = [policies.first]

    async def build(*_: object) -> BuiltBundle:
        return found[-1]

    monkeypatch.setattr(assembly, "build_policy", build)
    return found


@dataclasses.dataclass
class Maker:
    """Makes a world below one state directory."""

    opa_binary: Path
    state_dir: Path
    key: Path

    @asynccontextmanager
    async def __call__(
        self,
        *,
        opa: bool = True,
        tcp: bool = False,
        changes: dict[str, Any] | None = None,
        staleness: float = 300.0,
        **settings: Any,
    ) -> AsyncIterator[World]:
        listen = f"127.0.0.1:{free_port()}" if tcp else f"unix://{self.state_dir / 'opa.sock'}"
        engine = OpaSettings(
            binary=self.opa_binary, url=f"http://{listen}" if tcp else listen, staleness=staleness, timeout=1.0
        )
        server = ServerSettings(port=0, operations_port=0)
        async with link() as line:
            options = delivered(self.state_dir, line.url, self.key, listen, changes or {})
            sidecar = Sidecar(self.opa_binary, options, self.state_dir / "opa.log")
            world = None
            try:
                parts = await assembly.assemble(
                    Settings(state_dir=self.state_dir, opa=engine, server=server, **settings)
                )
                listeners = sockets.open_listeners(server, self.state_dir / "run")
                serving = asyncio.create_task(run._serve(parts, listeners, lambda _: None))
                where = listeners.addresses()
                world = World(parts, where, serving, sidecar, line)
                line.target = int(where["url"].rsplit(":", 1)[1])
                server_file = self.state_dir / "run" / sockets.SERVER_FILE
                await eventually(lambda: _told(server_file.exists()))
                if opa:
                    sidecar.start()
                    await eventually(world.judges)
                yield world
            finally:
                sidecar.kill()
                if world is not None:
                    await world.stop()
                    listeners.close()


@pytest.fixture
def make(opa_binary: Path, state_dir: Path, policies: Policies) -> Maker:
    return Maker(opa_binary, state_dir, policies.first.public_key_path)


# --- The whole way ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Operator:
    """Calls the API on the private socket, from a thread."""

    path: str

    def made(self, path: str, body: Any) -> Any:
        with httpx.Client(transport=httpx.HTTPTransport(uds=self.path), base_url="http://proctor") as client:
            found = client.post(path, json=body, timeout=10)
        assert found.status_code in {200, 201}, found.text
        return found.json()


async def test_it_pulls_decides_and_follows_a_change_of_policy(make: Maker) -> None:
    """Over TCP, with the real build, an allow and a change in a file."""
    policy_dir = make.state_dir / "rego"
    shutil.copytree(bundles.policy_dir(None), policy_dir)
    make.key = make.state_dir / "keys" / "bundle.pub"
    async with make(tcp=True, policy_dir=policy_dir) as world:
        await eventually(world.is_ready)
        key = await asyncio.to_thread(subjects.register, Operator(world.where["socket"]), "fraud")  # type: ignore[arg-type]

        async def allowed() -> Any:
            async with httpx.AsyncClient(base_url=world.where["url"]) as client:
                found = await client.post(
                    "/v1/decisions", content=subjects.deployment("fraud"), headers={"Authorization": f"Bearer {key}"}
                )
            return found.json()

        first = await allowed()
        assert (first["outcome"], first["engine"]["opa"]) == ("allow", "1.22.2")

        path = policy_dir / "governance" / "main" / "main.rego"
        path.write_text(f"# Another policy.\n{path.read_text()}")
        os.kill(os.getpid(), signal.SIGHUP)
        former = world.parts.policy.bundle.revision
        await eventually(lambda: _told(world.parts.policy.bundle.revision != former), 20)
        began = time.monotonic()
        second: dict[str, Any] = {}
        while second.get("outcome") != "allow":
            assert time.monotonic() - began < 1.0, second
            second = await allowed()
        assert second["policy"]["revision"] == world.parts.policy.bundle.revision != first["policy"]["revision"]
        await eventually(world.is_ready)
        status = await world.parts.engine._client.status(asyncio.get_running_loop().time() + 1)  # type: ignore[attr-defined]
        assert status["bundles"]["proctor"]["active_revision"] == second["policy"]["revision"]
        recorded = await asyncio.to_thread(world.parts.ledger.recent, "policy", 5)
        assert [entry.record["revision"] for entry in recorded] == [second["policy"]["revision"], former]


async def _told(condition: bool) -> bool:
    return condition


@pytest.mark.usefixtures("built")
async def test_a_downgrade_with_a_good_signature_is_answered_by_nobody(make: Maker, policies: Policies) -> None:
    async with make() as world:
        world.publish(policies.second, "sha256:older")
        await world.refuses(Reason.ENGINE_FOREIGN_REVISION)
        decision = await world.decide()
        assert policies.second.revision in decision.message
        assert policies.first.revision in decision.message
        ready, why = await world.ready()
        assert not ready
        assert f"policy '{policies.second.revision}' answered, not '{policies.first.revision}'" in why
        world.publish(policies.first, policies.first.digest)
        await eventually(world.judges)
        await eventually(world.is_ready)
        assert await world.stop() < 3.0, "the sidecar waits at our bundle route for up to a minute"


@pytest.mark.usefixtures("built")
async def test_a_bundle_that_was_changed_on_the_way_is_not_taken_and_the_former_serves_until_it_is_stale(
    make: Maker, policies: Policies
) -> None:
    async with make(changes=QUICK, staleness=3.0) as world:
        world.publish(archives.changed(policies.second, make.state_dir, archives.tampered), "sha256:tampered")
        assert await world.reason() is JUDGED, "the former policy still serves"
        took = await world.refuses(Reason.ENGINE_STALE_BUNDLE)
        assert 0.5 < took < 5.0
        decision = await world.decide()
        assert "heard of us" in decision.message
        assert "digest mismatch" in decision.message, "OPA says why, and so do we"
        ready, why = await world.ready()
        assert not ready
        assert "digest mismatch" in why

        world.publish(archives.changed(policies.second, make.state_dir, archives.unsigned), "sha256:unsigned")

        async def told() -> Any:
            decision = await world.decide()
            return "missing .signatures.json" in decision.message or decision.message

        await eventually(told)
        assert await world.reason() is Reason.ENGINE_STALE_BUNDLE
        world.publish(policies.first, policies.first.digest)
        await eventually(world.judges)


async def test_a_policy_that_cannot_be_taken_is_told_by_readiness(
    make: Maker, policies: Policies, built: list[BuiltBundle]
) -> None:
    async with make(changes=QUICK) as world:
        built.append(archives.changed(policies.second, make.state_dir, archives.tampered))
        os.kill(os.getpid(), signal.SIGHUP)
        await world.refuses(Reason.ENGINE_FOREIGN_REVISION)

        async def told() -> Any:
            ready, why = await world.ready()
            return (not ready and "did not take the newest bundle" in why and "digest mismatch" in why) or why

        await eventually(told)
        world.publish(policies.second, policies.second.digest)
        await eventually(world.judges)


@pytest.mark.usefixtures("built")
async def test_a_server_that_opa_does_not_reach_makes_its_policy_stale_and_it_recovers_by_itself(make: Maker) -> None:
    async with make(changes=QUICK, staleness=2.5) as world:
        target = world.line.target
        world.line.cut()
        assert await world.reason() is JUDGED
        took = await world.refuses(Reason.ENGINE_STALE_BUNDLE)
        assert took > 0.5
        decision = await world.decide()
        assert "heard of us" in decision.message
        assert "deploy/docker/opa.yaml" in decision.message
        assert (await world.ready())[0] is False
        world.line.target = target
        await eventually(world.judges)


# --- A sidecar that is not there, or not as it should be -------------------------------------------------------------


@pytest.mark.usefixtures("built")
async def test_a_server_starts_without_its_opa_denies_and_recovers_when_it_comes(make: Maker) -> None:
    async with make(opa=False) as world:
        decision = await world.decide()
        assert (decision.outcome, decision.reason) == ("error", Reason.ENGINE_UNAVAILABLE)
        assert decision.recorded
        assert "See to it that OPA runs" in decision.message
        ready, why = await world.ready()
        assert not ready
        assert "authorisation: OPA has not been asked yet" in why
        key = (await asyncio.to_thread(_add_auditor, world))["key"] if world.parts.permissions.digest else None
        assert key is None, "nobody is let in before the policy has said who may"
        assert await world.call("/v1/policy", "prk_nobody") == 401

        world.sidecar.start()
        took = await eventually(world.judges)
        assert took < 4.0
        await eventually(world.is_ready)
        key = (await asyncio.to_thread(_add_auditor, world))["key"]
        assert await world.call("/v1/policy", key) == 200

        # It goes away: denied at once, the API stays; it comes back: judged again.
        world.sidecar.kill()
        assert await world.reason() in {Reason.ENGINE_UNAVAILABLE, Reason.ENGINE_DROPPED}
        assert await world.call("/v1/policy", key) == 200
        world.sidecar.start()
        await eventually(world.judges)


def _add_auditor(world: World) -> Any:
    operator = Operator(world.where["socket"])
    body = {"kind": "service", "name": "watch", "roles": ["auditor"], "environments": ["prod"]}
    principal = operator.made("/v1/principals", body)["id"]
    key = {"principal": principal, "roles": ["auditor"], "points": ["*"], "environments": ["*"], "expires_in_days": 1}
    return operator.made("/v1/keys", key)


@pytest.mark.usefixtures("built")
async def test_an_opa_that_hangs_costs_timeouts_and_no_more(make: Maker) -> None:
    async with make() as world:
        assert world.sidecar.process is not None
        os.kill(world.sidecar.process.pid, signal.SIGSTOP)
        assert await world.reason() is Reason.ENGINE_TIMEOUT
        os.kill(world.sidecar.process.pid, signal.SIGCONT)
        await eventually(world.judges)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": None}, "status plugin not enabled"),
        (
            {"bundles": {**QUICK["bundles"], "other": {"service": "proctor", "resource": "/v1/policy/other"}}},
            "exactly one bundle",
        ),
        ({"bundles": {}}, "exactly one bundle"),
    ],
)
async def test_an_opa_that_cannot_tell_how_old_its_policy_is_gets_no_question(
    make: Maker, changes: dict[str, Any], words: str
) -> None:
    async with make(opa=False, changes=changes) as world:
        world.sidecar.start()
        if changes.get("bundles", True):

            async def told() -> Any:
                decision = await world.decide()
                return words in decision.message or decision.message

            await eventually(told)
            decision = await world.decide()
            assert decision.reason is Reason.ENGINE_STALE_BUNDLE
            assert "has `status` enabled (deploy/docker/opa.yaml)" in decision.message
        # Without a bundle there is no policy that says who may ask for the status.
        assert (await world.decide()).outcome == "error"
        assert not (await world.ready())[0]


@pytest.mark.usefixtures("built")
async def test_the_delivered_sidecar_authorises_every_call(make: Maker) -> None:
    async with make() as world:
        assert "--authorization=basic" in world.sidecar.options
        path = make.state_dir / "opa.sock"
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://opa"
        ) as client:
            for method, target in [("PUT", "/v1/policies/x"), ("GET", "/v1/config"), ("GET", "/metrics")]:
                assert (await client.request(method, target, content=b"package x")).status_code == 401


@pytest.mark.usefixtures("built")
async def test_a_version_that_no_test_has_run_with_gets_no_question(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make() as world:
        monkeypatch.setattr(binary, "SUPPORTED", ("1.99.0",))
        assert (await world.ready())[0] is False  # which asks for the status at once
        decision = await world.decide()
        assert decision.reason is Reason.ENGINE_STALE_BUNDLE
        assert "it is OPA 1.22.2; 1.99.0 are supported" in decision.message


# --- Reloading and stopping while it is away -------------------------------------------------------------------------


async def test_a_reload_and_a_stop_do_not_wait_for_an_opa_that_is_away(
    make: Maker, policies: Policies, built: list[BuiltBundle]
) -> None:
    async with make(opa=False) as world:
        built.append(policies.second)
        os.kill(os.getpid(), signal.SIGHUP)
        took = await eventually(lambda: _told(world.parts.policy.bundle is policies.second))
        assert took < 1.0
        assert (await world.decide()).policy.revision == policies.second.revision  # type: ignore[union-attr]
        assert await world.stop() < 3.0


async def test_a_reload_and_a_stop_do_not_wait_for_an_opa_that_hangs(
    make: Maker, policies: Policies, built: list[BuiltBundle]
) -> None:
    async with make() as world:
        assert world.sidecar.process is not None
        await eventually(world.is_ready)
        os.kill(world.sidecar.process.pid, signal.SIGSTOP)
        built.append(policies.second)
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: _told(world.parts.policy.bundle is policies.second))
        assert world.parts.permissions.digest == policies.first.digest, "the former permissions hold meanwhile"
        assert await world.stop() < 3.0


async def test_a_reload_that_is_asked_for_during_another_is_made_after_it(
    make: Maker, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds: list[asyncio.Event] = []
    first = True

    async def build(*_: object) -> BuiltBundle:
        nonlocal first
        if first:
            first = False
            return policies.first
        builds.append(asyncio.Event())
        await builds[-1].wait()
        return policies.second

    monkeypatch.setattr(assembly, "build_policy", build)
    async with make(opa=False) as world:
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: _told(len(builds) == 1))
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.02)
        assert len(builds) == 1, "one at a time"
        builds[0].set()
        await eventually(lambda: _told(len(builds) == 2))
        builds[1].set()
        await asyncio.sleep(0.2)
        assert len(builds) == 2, "three wishes during one reload are one more reload"
        assert world.parts.policy.bundle is policies.second
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: _told(len(builds) == 3))
        assert await world.stop() < 3.0, "a reload under way is given up"
        assert "reload" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize("error", [LedgerError("appending", "the disk is full"), OSError(28, "No space left")])
async def test_a_policy_whose_record_failed_is_recorded_by_the_next_reload(
    make: Maker, policies: Policies, built: list[BuiltBundle], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    record = assembly.record_policy
    failed = asyncio.Event()

    async def failing(*_: object) -> None:
        monkeypatch.setattr(assembly, "record_policy", record)
        failed.set()
        raise error

    async with make(opa=False) as world:
        built.append(policies.second)
        monkeypatch.setattr(assembly, "record_policy", failing)
        with structlog.testing.capture_logs() as logs:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.wait_for(failed.wait(), 5)
            await asyncio.sleep(0.05)
        assert [str(error)] == [entry["error"] for entry in logs if entry["event"] == "policy.not_reloaded"]
        newest = await asyncio.to_thread(world.parts.ledger.recent, "policy", 1)
        assert newest[0].record["digest"] == policies.first.digest
        os.kill(os.getpid(), signal.SIGHUP)

        async def recorded() -> bool:
            newest = await asyncio.to_thread(world.parts.ledger.recent, "policy", 5)
            return [entry.record["digest"] for entry in newest] == [policies.second.digest, policies.first.digest]

        await eventually(recorded)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.05)
        assert await recorded(), "what is in force already is not recorded again"


# --- What a status report may say ------------------------------------------------------------------------------------

NOW = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""


def report(asked: Any = "2027-01-15T08:00:00.123456789Z", version: Any = "1.22.2", **bundle: Any) -> dict[str, Any]:
    return {"labels": {"version": version}, "bundles": {"proctor": {"last_successful_request": asked, **bundle}}}


async def told(document: Any, state_dir: Path, staleness: float = 60.0) -> tuple[float, str]:
    """Return for how long a policy counts as fresh after this report, and the trouble."""
    async with scripted(answer(reply(json.dumps({"result": document}).encode())), state_dir / "o.sock") as server:
        settings = OpaSettings(url=server.address, staleness=staleness)
        engine = ExternalOpa(None, settings, wall=lambda: NOW)  # type: ignore[arg-type] # nothing is evaluated
        await engine.start()
        try:
            return engine._fresh_until - asyncio.get_running_loop().time(), engine._trouble
        finally:
            await engine.close()


@pytest.mark.parametrize(
    ("asked", "fresh"),
    [
        ("2027-01-15T08:00:00.123456789Z", 60.0),
        ("2027-01-15T07:59:40Z", 40.0),
        ("2027-01-15T08:59:40+01:00", 40.0),
        ("2027-01-15T08:04:59Z", 60.0),  # a clock that is ahead gives no time on top
        ("2027-01-15T07:59:00Z", 0.0),
        ("2027-01-15T07:00:00Z", -3540.0),
        ("0001-01-01T00:00:00Z", -6e10),
    ],
)
async def test_the_age_counts_from_the_last_word_that_opa_had_of_us(asked: str, fresh: float, state_dir: Path) -> None:
    found, _ = await told(report(asked), state_dir)
    assert found == pytest.approx(fresh, abs=0.5, rel=0.1)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "of an unknown version"),
        (report(version="1.20.2"), "it is OPA 1.20.2"),
        (report(version=None), "it is OPA None"),
        ({"labels": [], "bundles": {}}, "of an unknown version"),
        ({"labels": {"version": "1.22.2"}}, "exactly one bundle"),
        ({"labels": {"version": "1.22.2"}, "bundles": []}, "exactly one bundle"),
        ({"labels": {"version": "1.22.2"}, "bundles": {"a": {}, "b": {}}}, "exactly one bundle"),
        ({"labels": {"version": "1.22.2"}, "bundles": {"a": None}}, "no successful request"),
        (report(asked=None), "no successful request"),
        (report(asked=NOW), "no successful request"),
        (report(asked="yesterday"), "no time that can be read"),
        (report(asked="2027-01-15T08:00:00"), "no time that can be read"),
        (report(asked=""), "no time that can be read"),
        (report(asked="2027-01-15T08:05:10Z"), "its clock is 310 s ahead of ours"),
    ],
)
async def test_a_report_that_proves_nothing_makes_the_policy_stale(document: Any, words: str, state_dir: Path) -> None:
    fresh, trouble = await told(document, state_dir)
    assert fresh == float("-inf")
    assert words in trouble


async def test_a_refused_bundle_is_remembered_for_whoever_asks(state_dir: Path) -> None:
    document = report(asked="2027-01-15T07:00:00Z", code="bundle_error", message="digest\n mismatch")
    _, trouble = await told(document, state_dir)
    assert "bundle_error: digest  mismatch" in trouble


@pytest.mark.parametrize("result", [[], "x", None, 5])
async def test_a_report_that_is_no_object_is_none(result: Any, state_dir: Path) -> None:
    fresh, trouble = await told(result, state_dir)
    assert fresh == float("-inf")
    assert "the reply is a" in trouble


async def test_a_report_that_does_not_come_leaves_what_is_known_until_it_is_too_old(
    state_dir: Path, policies: Policies
) -> None:
    whole = answer(reply(json.dumps({"result": report()}).encode()))
    async with scripted(whole, state_dir / "o.sock") as server:
        settings = OpaSettings(url=server.address, staleness=0.5)
        engine = ExternalOpa(policies.first, settings, wall=lambda: NOW)
        await engine.start()
        try:
            server.behaviour = answer(reply(b"{}", "503 Service Unavailable"))
            await engine._look()
            deadline = asyncio.get_running_loop().time() + 5
            with pytest.raises(OpaError) as caught:
                await engine.evaluate(ENTRYPOINT_DECISION, b"{}", deadline)
            assert caught.value.reason is Reason.ENGINE_BAD_STATUS, "asked: the policy is fresh still"
            assert len(server.requests[-1].body) > 0
            await asyncio.sleep(0.6)
            hits = server.hits
            with pytest.raises(OpaError, match="nobody knows how old its policy is"):
                await engine.evaluate(ENTRYPOINT_DECISION, b"{}", deadline)
            assert server.hits == hits, "a stale policy is not asked"
        finally:
            await engine.close()


async def test_nobody_who_asks_for_the_status_is_a_reason_not_to_be_ready(
    state_dir: Path, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "_ASK_AGAIN", 0.01)
    engine = ExternalOpa(policies.first, OpaSettings(url=f"unix://{state_dir / 'none.sock'}"))
    await engine.start()
    try:

        async def broken() -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(engine, "_look", broken)
        assert engine._watching is not None
        with suppress(RuntimeError):
            await engine._watching
        health = await engine.health()
        assert (health.ready, health.detail) == (False, "nobody asks it for its status any more; see the log")
    finally:
        await engine.close()


async def test_an_answer_that_does_not_name_its_policy_is_vouched_for_by_the_canary(
    state_dir: Path, policies: Policies
) -> None:
    asked: list[str] = []

    async def play(connection: Any) -> None:
        line = connection.request.lines[0]
        asked.append(line.split()[1].partition("?")[0])
        if "status" in line:
            document: Any = report()
        elif "authz" in line:
            document = {"allow": True}
        else:
            document = {"policy": {"revision": "another"}, "outcome": "error", "problems": [{"code": "x"}]}
        await connection.send(reply(json.dumps({"result": document}).encode()))

    async with scripted(play, state_dir / "o.sock") as server:
        engine = ExternalOpa(policies.first, OpaSettings(url=server.address), wall=lambda: NOW)
        await engine.start()
        try:
            with pytest.raises(OpaError) as caught:
                await engine.evaluate("authz/decision", b"{}", asyncio.get_running_loop().time() + 5)
            assert caught.value.reason is Reason.ENGINE_FOREIGN_REVISION
            assert "/v1/data/authz/decision" not in asked
        finally:
            await engine.close()


def test_the_policy_settings_of_these_tests_are_the_provided_ones(policies: Policies) -> None:
    assert policies.first.index.document["profile"] == PolicySettings().profile
