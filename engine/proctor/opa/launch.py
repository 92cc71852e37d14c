"""Becomes OPA, after having asked the kernel to end this process together with its parent.

Run as a script, not imported: `python -I -S launch.py PARENT PROGRAM [ARG ...]`. A `preexec_fn` would do the same
between fork and exec of a process with threads, where Python code can deadlock.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when the thread that started it ends. It survives exec."""

if __name__ == "__main__":
    parent, program = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we asked to be told
        sys.exit(1)
    try:
        os.execv(program, sys.argv[2:])  # noqa: S606 (no shell: that is the point)
    except OSError as error:
        sys.exit(f"{program}: {error.strerror}")
