"""The README shows what really happens: its examples are run, in order, against a server of their own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.cli.transcript import Names, agrees, commands, files

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(opa_binary: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a folder with the page's files, and the environment of a person who has a server running."""
    place = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # TMPDIR may be long, and paths of sockets may not
    program = place / "bin" / "proctor"
    program.parent.mkdir()
    for name, arguments in (("proctor", "-P -m proctor.cli"), ("python", "-P")):
        (place / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (place / "bin" / name).chmod(0o755)
    (place / "work").mkdir()
    for name, text in files(README).items():
        (place / "work" / name).write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROCTOR_")}
    environment = {
        **kept,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PROCTOR_STATE_DIR": str(place / "state"),
        "PROCTOR_OPA_BIN": str(opa_binary),
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    try:
        with (place / "log").open("wb") as log:
            server = subprocess.Popen(
                [program, "serve", "--port", "0", "--operations-port", "0"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait(server, place)
            yield place / "work", environment
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    finally:
        shutil.rmtree(place)


def _wait(server: subprocess.Popen[bytes], place: Path) -> None:
    until = time.monotonic() + 30
    while not (place / "state" / "run" / "server.json").exists():
        assert server.poll() is None, (place / "log").read_text()
        assert time.monotonic() < until, (place / "log").read_text()
        time.sleep(0.05)


def test_there_are_examples() -> None:
    assert len(list(commands(README))) >= 10


def test_examples_print_what_the_page_shows(folder: tuple[Path, dict[str, str]]) -> None:
    work, environment = folder
    names = Names()
    for command in commands(README):
        done = subprocess.run(
            ["/bin/sh", "-c", names.command(command.line)],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        printed = done.stdout.rstrip().splitlines()
        assert done.returncode == command.code, f"$ {command.line}\n{done.stdout}"
        assert agrees(command.output, printed, names), f"$ {command.line}\n{done.stdout}"
