"""An OPA that somebody else runs, as docker-compose.yml runs it, and a line to Proctor that can be cut."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]


def delivered(folder: Path, url: str, key: Path, listen: str, changes: Mapping[str, Any]) -> list[str]:
    """Return the options of the delivered sidecar, for a Proctor at `url` without TLS.

    `changes` replaces top-level sections of its configuration; None removes one.
    """
    configuration: dict[str, Any] = yaml.safe_load((ROOT / "deploy/docker/opa.yaml").read_text(encoding="utf-8"))
    service = configuration["services"]["proctor"]
    service["url"] = url
    del service["tls"]
    for name, section in changes.items():
        if section is None:
            del configuration[name]
        else:
            configuration[name] = section
    path = folder / "opa.yaml"
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    replaced = {
        "--addr": listen, "--config-file": str(path), "--set-file": f"keys.proctor.key={key}",
    }  # fmt: skip
    given: list[str] = compose["services"]["opa"]["command"]
    assert replaced.keys() <= {option.partition("=")[0] for option in given}
    return [
        f"{name}={replaced[name]}" if (name := option.partition("=")[0]) in replaced else option for option in given
    ]


@dataclass
class Sidecar:
    """One OPA process. It may be killed and started again."""

    binary: Path
    options: list[str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.binary), *self.options], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self, *, without: str | None = None) -> None:
        """Start it again, without an option that a test wants to be missing."""
        self.kill()
        self.options = [option for option in self.options if without is None or not option.startswith(without)]
        self.start()


@dataclass
class Link:
    """Passes TCP on to a port that may change, until it is cut."""

    port: int = 0
    target: int | None = None
    connections: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break all connections, and refuse others until there is a target again."""
        self.target = None
        for task in self.connections:
            task.cancel()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other = None
        try:
            if self.target is None:
                return
            far, other = await asyncio.open_connection("127.0.0.1", self.target)
            async with asyncio.TaskGroup() as group:
                ways = [group.create_task(_copy(reader, other)), group.create_task(_copy(far, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        except (OSError, asyncio.CancelledError):
            return
        finally:
            for end in (writer, other):
                if end is not None:
                    end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def link() -> AsyncIterator[Link]:
    """Yield a line that is not connected to anything yet."""
    found = Link()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(found.pass_on(reader, writer))
        found.connections.add(task)
        task.add_done_callback(found.connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        found.cut()
        server.close()
        while found.connections:
            await asyncio.wait(set(found.connections))


async def eventually(condition: Any, seconds: float = 8.0, every: float = 0.02) -> float:
    """Wait until `condition()` gives something true; return how long it took."""
    began = time.monotonic()
    found: Any = None
    while time.monotonic() - began < seconds:
        found = await condition()
        if found is True:
            return time.monotonic() - began
        await asyncio.sleep(every)
    raise AssertionError(f"it did not happen in {seconds} s; the last was {found!r}")
