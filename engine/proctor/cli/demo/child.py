"""The demo's server process: `proctor serve`, which ends when the demo does, however that ends."""

import ctypes
import os
import signal
import sys
from typing import Final

from proctor.cli.main import main

_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal that this process gets when its parent is gone."""


def _follow_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it went before we asked to be told
        raise SystemExit(1)


if __name__ == "__main__":
    _follow_parent(int(sys.argv[1]))
    main(["serve", *sys.argv[2:]])
