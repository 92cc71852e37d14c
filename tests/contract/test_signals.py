"""What a signal does to a server that is not up yet."""

import shutil
import signal
from pathlib import Path

from proctor.opa import bundle
from tests.live.server import START_LIMIT, ProctorServer, wait_for


def test_a_reload_that_is_asked_for_during_the_start_comes_after_it(state_dir: Path, opa_binary: Path) -> None:
    """The signal's default would end the process, and what was changed meanwhile must not be missed either."""
    policy = state_dir / "rego"
    shutil.copytree(bundle.policy_dir(None), policy)
    server = ProctorServer(state_dir, opa_binary, {"policy_dir": str(policy)})
    try:
        server.launch()
        wait_for(lambda: "starting:" in server.tail(), START_LIMIT, server.tail, 0.002)
        server.signal(signal.SIGHUP)
        wait_for(server.answers, START_LIMIT, server.tail)
        wait_for(lambda: "policy.reloaded" in server.tail(), START_LIMIT, server.tail)
    finally:
        server.stop()
        server.kill()
