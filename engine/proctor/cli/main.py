"""The entry point `proctor`: what is answered without loading anything, and what becomes of errors.

`proctor --version` imports next to nothing. Everything else goes through typer, and each command imports
what it needs when it runs. No exception reaches the terminal as a traceback, unless `PROCTOR_DEBUG=1` asks for it.
"""

import os
import sys
from collections.abc import Sequence

from proctor import __version__

TYPE_CHECKING = False
"""See `proctor`."""
if TYPE_CHECKING:
    from proctor.errors import ProctorError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; `arguments` defaults to the process's own."""
    raise SystemExit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code (`proctor.cli.exits`)."""
    if list(arguments) in (["--version"], ["-V"]) and "_PROCTOR_COMPLETE" not in os.environ:
        print(f"proctor {__version__}")
        return 0
    return _run(list(arguments))


def _run(arguments: list[str]) -> int:
    from proctor.cli import exits
    from proctor.errors import ProctorError

    try:
        return _dispatch(arguments)
    except ProctorError as error:
        _debug()
        say_error(error)
        return exits.of_error(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the last line of defence: a defect is exit code 3, never an answer)
        _debug()
        print(f"proctor: internal error: {type(error).__name__}: {_line(str(error))}", file=sys.stderr)
        print("  This is a defect in Proctor. PROCTOR_DEBUG=1 shows where it happened.", file=sys.stderr)
        return exits.ENGINE_ERROR


def _debug() -> None:
    if os.environ.get("PROCTOR_DEBUG") == "1":
        import traceback

        traceback.print_exc()


def _dispatch(arguments: list[str]) -> int:
    from proctor.cli import exits
    from proctor.cli.app import command

    try:
        command().main(args=arguments, prog_name="proctor")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else exits.ALLOW if stop.code is None else exits.USAGE
    return exits.ALLOW


def say_error(error: "ProctorError") -> None:
    """Print what was tried, what was found and what to do, to standard error."""
    from proctor.errors import PolicyError

    lines = [f"proctor: {_line(error.tried)}"]
    found = error.problems if isinstance(error, PolicyError) else error.found.splitlines()
    lines += [f"  found: {_line(text)}" for text in found or ["nothing"]]
    if error.remedy:
        lines.append(f"  to do: {_line(error.remedy)}")
    print("\n".join(lines), file=sys.stderr)


def _line(text: str) -> str:
    from proctor.cli.plain import plain

    return plain(text)
