"""Runs the server: API on TCP and on the private socket, operations on its own port, one event loop for all three."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from proctor.errors import ProctorError
from proctor.opa.bundle import BuiltBundle
from proctor.server import assembly, sockets
from proctor.server import logging as logs
from proctor.server.app import create_app
from proctor.server.components import Components
from proctor.server.local import LocalOperator
from proctor.server.operations import create_operations
from proctor.server.protocol import BoundedProtocol
from proctor.settings import Settings

log = structlog.get_logger(__name__)

DRAIN: Final = 10
"""Seconds for calls under way to end, after the server has been told to stop."""


class _Listener(uvicorn.Server):
    """One listener. Signals are handled once for all of them, not by each."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def run(settings: Settings, announce: Callable[[str], None] | None = None) -> None:
    """Run `serve` in an event loop of its own, uvloop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 (does not exist everywhere)
    except ModuleNotFoundError:
        asyncio.run(serve(settings, announce))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, announce))


async def serve(settings: Settings, announce: Callable[[str], None] | None = None) -> None:
    """Run the server until SIGTERM or SIGINT; `announce` gets lines for the person at the terminal (default: stderr).

    SIGHUP builds the policy again and puts it in force if it is good. Raises `ProctorError` when the server can't
    start, and then nothing is left running.
    """
    say = announce or _to_stderr
    logs.configure()
    # Until there is something to reload, the signal must not end the process, which is what it does by default.
    early = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, early.set)
    say("starting: state, ledger, policy, OPA")
    components = await assembly.assemble(settings)
    run_dir = settings.state_dir / "run"
    try:
        listeners = sockets.open_listeners(settings.server, run_dir)
        try:
            await _serve(components, listeners, say, reload=early.is_set())
        finally:
            (run_dir / sockets.SERVER_FILE).unlink(missing_ok=True)
            listeners.close()
    finally:
        await components.close()
        log.info("server.stopped")


async def _serve(
    components: Components, listeners: sockets.Listeners, say: Callable[[str], None], *, reload: bool = False
) -> None:
    settings = components.settings
    app = create_app(settings, components=components)
    tls = {"ssl_certfile": settings.server.tls_certificate, "ssl_keyfile": settings.server.tls_key}
    servers = [
        (_listener(app, settings, **{name: str(path) for name, path in tls.items() if path}), listeners.api),
        (_listener(LocalOperator(app), settings), listeners.local),
        (_listener(create_operations(components), settings), listeners.operations),
    ]
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    reloads = _Reloads(components)

    def stop() -> None:
        if stopping.is_set():
            for server, _ in servers:
                server.force_exit = True
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reloads.ask)
    if reload:
        reloads.ask()
    tasks = [loop.create_task(server.serve(sockets=[bound])) for server, bound in servers]
    try:
        await _started([server for server, _ in servers], tasks)
        sockets.announce(listeners, settings.state_dir / "run")
        _greet(components, listeners, say)
        waiting = loop.create_task(stopping.wait())
        await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        say("stopping: calls under way are finished first")
    finally:
        for server, _ in servers:
            server.should_exit = True
        components.policy.end()
        await reloads.stop()
        await asyncio.gather(*tasks)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _listener(app: ASGIApp, settings: Settings, **tls: str) -> _Listener:
    return _Listener(
        uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            # What a proxy says about the client is not believed: limits count the peer that the kernel knows.
            proxy_headers=False,
            timeout_keep_alive=settings.server.keep_alive,
            timeout_graceful_shutdown=DRAIN,
            ssl_certfile=tls.get("ssl_certfile"),
            ssl_keyfile=tls.get("ssl_keyfile"),
        )
    )


async def _started(servers: list[_Listener], tasks: list[asyncio.Task[None]]) -> None:
    while not all(server.started for server in servers):
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.01)


class _Reloads:
    """One reload at a time; what is asked for meanwhile is one more, because the files may have changed since."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Reload, now or after the reload that is under way."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="reload")

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            await _reload(self._components)

    async def stop(self) -> None:
        """Give up a reload that is under way: the next start builds the policy anyway."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


async def _reload(components: Components) -> None:
    """Build the policy again and put it in force; a policy that is not good changes nothing."""
    try:
        bundle: BuiltBundle = await assembly.build_policy(components.settings, components.adapters)
        if bundle.digest != components.policy.bundle.digest:
            await components.adopt(bundle)
        # Also where nothing has changed: the record may have failed when the policy came into force.
        await assembly.record_policy(components, bundle)
        log.info("policy.reloaded", revision=bundle.revision)
    except (ProctorError, OSError, subprocess.SubprocessError) as error:
        log.error("policy.not_reloaded", error=str(error))  # noqa: TRY400 (no defect of ours)


def _greet(components: Components, listeners: sockets.Listeners, say: Callable[[str], None]) -> None:
    where = listeners.addresses()
    bundle = components.policy.bundle
    if warned := bundle.index.warned:
        say(f"policy: {len(warned)} rules only warn, because nobody supplies their facts: {', '.join(sorted(warned))}")
    say(f"policy {bundle.revision}, {len(bundle.index.rules)} rules, profile {bundle.index.document['profile']}")
    say(f"listening on {where['url']}, operations on {where['operations']}")
    if components.admin_key is not None:
        say(f"admin key, shown this once: {components.admin_key}")
        components.admin_key = None
    log.info("server.started", revision=bundle.revision, url=where["url"], operations=where["operations"])


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
