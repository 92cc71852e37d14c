"""A server process of the demo, which ends when the demo does, however that ends, and takes its own children along.

python -m proctor.cli.demo.child PARENT MODULE [ARGUMENT...]
"""

import ctypes
import os
import runpy
import signal
import sys
from types import FrameType
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal that this process gets when its parent is gone."""


def _follow_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it went before we asked to be told
        raise SystemExit(1)


def _end_group(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
    """End this process and what it has started so far, before a server took over with handlers of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    # Whoever starts this makes it the leader of a group of its own. Both servers put handlers of their own here, later.
    signal.signal(signal.SIGTERM, _end_group)
    _follow_parent(int(sys.argv[1]))
    module, *arguments = sys.argv[2:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
