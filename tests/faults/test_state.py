"""One process holds a state directory: a second is refused, and what a killed one leaves behind stops nobody."""

import asyncio
import time

from tests.faults.conftest import Gate
from tests.live import records


async def test_of_five_servers_on_one_state_directory_one_serves(gate: Gate) -> None:
    others = [asyncio.create_task(asyncio.to_thread(gate.server.command, "serve")) for _ in range(4)]
    for done in await asyncio.gather(*others):
        assert done.returncode == 3, done.stderr
        assert f"process {gate.server.pid} holds it" in done.stderr
    assert (await gate.ask())["reason"] == "compliant"
    assert len(gate.server.engines()) == 1


async def test_what_a_killed_server_leaves_behind_stops_nobody(gate: Gate) -> None:
    """Lock file, sockets, server file, OPA's record: all are there, and all name processes that are gone."""
    left = {"server.json", "api.sock"}
    for _ in range(3):
        (engine,) = gate.server.engines()
        killed = gate.server.pid
        gate.server.kill()
        run = {path.name for path in (gate.server.state_dir / "run").iterdir()}
        assert left <= run, run
        assert (gate.server.state_dir / "lock").read_text().strip() == str(killed)
        began = time.monotonic()
        await asyncio.to_thread(gate.server.start)
        assert time.monotonic() - began < 20
        assert engine not in gate.server.engines()
        assert (await gate.ask())["reason"] == "compliant"
        sockets = list((gate.server.state_dir / "run").glob("opa-*.sock"))
        assert len(sockets) == 1, f"what the killed one left is cleared away: {sockets}"
    records.check_whole(gate.server)
