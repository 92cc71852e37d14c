import os
import subprocess
import sys
from pathlib import Path

import pytest

from proctor.errors import StateError
from proctor.store.lock import StateLock


def test_a_second_holder_is_told_who_holds_it(state_dir: Path) -> None:
    with StateLock(state_dir), pytest.raises(StateError, match=f"process {os.getpid()} holds it"):
        StateLock(state_dir).acquire()


def test_it_can_be_taken_again_after_release(state_dir: Path) -> None:
    lock = StateLock(state_dir)
    lock.acquire()
    lock.acquire()  # harmless
    lock.release()
    lock.release()
    with StateLock(state_dir):
        pass


def test_it_makes_a_private_directory(state_dir: Path) -> None:
    with StateLock(state_dir / "a" / "b"):
        assert (state_dir / "a" / "b").stat().st_mode & 0o777 == 0o700
        assert (state_dir / "a" / "b" / "lock").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_used_is_an_error(state_dir: Path) -> None:
    (state_dir / "file").touch()
    with pytest.raises(StateError, match="locking"):
        StateLock(state_dir / "file").acquire()


def test_a_link_in_place_of_the_lock_is_refused(state_dir: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state_dir / "lock").symlink_to(victim)
    with pytest.raises(StateError, match="locking"):
        StateLock(state_dir).acquire()
    assert victim.read_text() == "precious"


def test_the_kernel_lets_go_of_a_killed_holder_and_a_child_does_not_keep_it(state_dir: Path) -> None:
    """The child stands for OPA: it outlives a killed server for a moment, and must not hold its lock."""
    code = (
        "import sys, subprocess, time; from pathlib import Path; from proctor.store.lock import StateLock\n"
        "StateLock(Path(sys.argv[1])).acquire()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], "
        "stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, close_fds=False)\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(state_dir)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    with holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        with pytest.raises(StateError, match=f"process {holder.pid} holds it"):
            StateLock(state_dir).acquire()
        holder.kill()  # the child reads the end of its input then, and ends by itself
        holder.wait()
        with StateLock(state_dir):
            pass
