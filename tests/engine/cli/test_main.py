import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from proctor import __version__
from proctor.cli import app, main
from proctor.errors import ClockError, PolicyError, SettingsError

Proctor = Callable[..., tuple[int, str, str]]
HEAVY = {"httpx", "fastapi", "aiohttp", "sqlalchemy", "pydantic", "typer", "rich", "yaml"}


def _loaded(*arguments: str, program: str = "from proctor.cli.main import run; run(sys.argv[1:])") -> set[str]:
    """Return the heavy modules that a command loads, in a process of its own."""
    code = f"import sys; {program}; import json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    return HEAVY & set(json.loads(done.stderr.splitlines()[-1]))


def test_version_loads_nothing_heavy() -> None:
    assert _loaded("--version") == set()


def test_help_and_every_command_module_load_no_server_and_no_client() -> None:
    assert _loaded("--help") <= {"typer", "rich"}
    assert _loaded(program="from proctor.cli.app import command; command()") <= {"typer", "rich"}


def test_version(proctor: Proctor) -> None:
    assert proctor("--version") == (0, f"proctor {__version__}\n", "")


def test_every_command_has_help(proctor: Proctor) -> None:
    def walk(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        below = getattr(command, "commands", {})
        return [path] + [found for name, child in below.items() for found in walk(child, (*path, name))]

    paths = walk(app.command(), ())
    assert len(paths) > 30
    for path in paths:
        code, out, _ = proctor(*path, "--help")
        assert code == 0
        assert "Usage: proctor" in out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["decide"], ["decide", "--inptu", "x"], ["decisions", "list", "--limit", "0"]]
)
def test_usage_errors_are_2_and_on_standard_error(proctor: Proctor, arguments: list[str]) -> None:
    code, out, err = proctor(*arguments)
    assert (code, out) == (2, "")
    assert err


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def command() -> object:
        raised = typer.Typer()

        @raised.command()
        def fail() -> None:
            raise error

        return typer.main.get_command(raised)

    monkeypatch.setattr(app, "command", command)


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (SettingsError("reading x", "it\x1b[2J", "Mend it"), 2,
         ["proctor: reading x", "  found: it\\x1b[2J", "  to do: Mend it"]),
        (PolicyError("building", ["a: one", "b: two"]), 1, ["proctor: building", "  found: a: one", "  found: b: two"]),
        (ClockError("checking", "it jumped"), 3, ["proctor: checking", "  found: it jumped"]),
    ],
)  # fmt: skip
def test_our_errors_say_tried_found_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, proctor: Proctor, error: Exception, code: int, lines: list[str]
) -> None:
    _raising(monkeypatch, error)
    assert proctor() == (code, "", "\n".join(lines) + "\n")


def test_a_defect_is_one_line_and_3(monkeypatch: pytest.MonkeyPatch, proctor: Proctor) -> None:
    monkeypatch.delenv("PROCTOR_DEBUG", raising=False)
    _raising(monkeypatch, ZeroDivisionError("division\nby zero"))
    code, out, err = proctor()
    assert (code, out) == (3, "")
    assert err.splitlines()[0] == "proctor: internal error: ZeroDivisionError: division by zero"
    assert "Traceback" not in err
    monkeypatch.setenv("PROCTOR_DEBUG", "1")
    assert "Traceback" in proctor()[2]


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, proctor: Proctor) -> None:
    _raising(monkeypatch, KeyboardInterrupt())
    code, _, err = proctor()
    assert code == 130
    assert "Traceback" not in err


def test_completion_still_works(tmp_path: Path) -> None:
    environment = {**os.environ, "_PROCTOR_COMPLETE": "complete_bash", "COMP_WORDS": "proctor led", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "proctor.cli"], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout.split() == ["ledger"]


def test_a_closed_pipe_is_no_traceback() -> None:
    script = f"{sys.executable} -m proctor.cli --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert "Traceback" not in done.stderr


def test_main_exits_with_the_code() -> None:
    with pytest.raises(SystemExit) as stopped:
        main.main(["--version"])
    assert stopped.value.code == 0
