"""Which server holds a state directory, and where it listens."""

import json
import socket
from pathlib import Path

__all__ = ["running_server"]


def running_server(state_dir: Path) -> Path | None:
    """Return the Unix socket of the server that holds `state_dir`, or None if there is none that listens."""
    try:
        path = Path(json.loads((state_dir / "run" / "server.json").read_text(encoding="utf-8"))["socket"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:  # a server that was killed leaves its file behind
            return None
    return path
