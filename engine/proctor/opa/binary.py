"""Which OPA binary is used: named, on PATH, built before, or built now from the pinned module.

Looked for in this order: `PROCTOR_OPA_BIN` (or `opa.binary`), PATH, the checkout's `.cache/bin`, the state directory's
`bin`. `install` builds the pinned module with Go where none of them has it. Minor releases of OPA have changed results,
so a version is accepted because the tests have run with it, never because it is newer.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proctor.errors import EngineError, SettingsError
from proctor.settings import Settings

SUPPORTED: Final = ("1.22.2",)
"""Versions that the tests have run with; the first is the one that `install` builds."""
_MODULE: Final = "github.com/open-policy-agent/opa"
_GO: Final = (1, 26)
_VERSION_LIMIT: Final = 20
_BUILD_LIMIT: Final = 1800
_SIGN_OF_LIFE: Final = 3.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True, slots=True)
class FoundBinary:
    """A supported OPA."""

    path: Path
    version: str
    origin: str
    """Where it was found, for people: `PROCTOR_OPA_BIN`, `on PATH`, ..."""


def find(settings: Settings) -> FoundBinary:
    """Return the OPA to use.

    Raises `SettingsError` when the named one is not supported, and `EngineError` that lists where was looked when
    there is none.
    """
    if settings.opa.binary is not None:
        return _named(settings.opa.binary)
    looked: list[str] = []
    for path, origin in _candidates(settings):
        version = version_of(path)
        if version in SUPPORTED:
            return FoundBinary(path, str(version), origin)
        looked.append(f"{path} is {f'version {version}' if version else 'no OPA that runs'}")
    found = "; ".join(looked) or f"not on PATH, not in {' or '.join(str(folder) for folder in _folders(settings))}"
    raise EngineError(
        f"looking for OPA {' or '.join(SUPPORTED)}", found,
        f"Run 'proctor opa install' (needs Go >= {_GO[0]}.{_GO[1]}), or put opa {SUPPORTED[0]} on PATH",
    )  # fmt: skip


def _named(path: Path) -> FoundBinary:
    resolved = Path(shutil.which(path) or path)
    version = version_of(resolved)
    if version in SUPPORTED:
        return FoundBinary(resolved.absolute(), str(version), "named by PROCTOR_OPA_BIN or opa.binary")
    found = f"version {version}" if version else "nothing that runs and calls itself OPA"
    raise SettingsError(
        f"using the OPA at {path}", f"{found}; {' and '.join(SUPPORTED)} are supported",
        f"Point PROCTOR_OPA_BIN at opa {SUPPORTED[0]}, or unset it",
    )  # fmt: skip


def _candidates(settings: Settings) -> list[tuple[Path, str]]:
    found = [(Path(on_path).absolute(), "on PATH")] if (on_path := shutil.which("opa")) else []
    built = [(folder / "opa", f"built before, in {folder}") for folder in _folders(settings)]
    return [*found, *((path, origin) for path, origin in built if path.exists())]


def _folders(settings: Settings) -> list[Path]:
    checkout = _module_folder().parents[1]
    own = settings.state_dir / "bin"
    return [checkout / ".cache" / "bin", own] if (checkout / "pyproject.toml").exists() else [own]


def version_of(path: Path) -> str | None:
    """Return what `opa version` calls itself; None where that does not run or says nothing of the kind."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return _version_of(path, seen.st_mtime_ns, seen.st_size)


_known: dict[tuple[Path, int, int], str] = {}
"""Versions of binaries by path, modification time and size. What did not answer is asked again the next time."""


def _version_of(path: Path, modified: int, size: int) -> str | None:
    if (path, modified, size) in _known:
        return _known[path, modified, size]
    try:
        reply = subprocess.run(
            [str(path), "version"], capture_output=True, text=True, errors="replace", timeout=_VERSION_LIMIT,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^Version:\s+v?(\S+)$", reply.stdout, re.MULTILINE)
    if found is None or reply.returncode != 0:
        return None
    _known[path, modified, size] = found[1]
    return found[1]


def install(settings: Settings, progress: Callable[[str], None]) -> FoundBinary:
    """Return the OPA to use, building the pinned module into the state directory where there is none yet.

    `progress` gets a line at least every few seconds. Raises `SettingsError` as `find` does, and `EngineError` when Go
    is missing or too old, the modules can't be fetched, or a checksum does not match.
    """
    if settings.opa.binary is not None or any(version_of(path) in SUPPORTED for path, _ in _candidates(settings)):
        return find(settings)
    target = settings.state_dir / "bin" / "opa"
    _build(target, progress)
    version = version_of(target)
    if version not in SUPPORTED:
        target.unlink(missing_ok=True)
        raise EngineError("building OPA", f"what came out is version {version}", "Report it: the pins disagree")
    return FoundBinary(target, str(version), "built now from the pinned module")


def _module_folder() -> Path:
    """Return the folder with the pinned `go.mod`: inside the installed package, else the checkout's `tools/opa`."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_tools" / "opa"
    return inside if (inside / "go.mod").is_file() else package.parents[1] / "tools" / "opa"


def _build(target: Path, progress: Callable[[str], None]) -> None:
    tried = f"building OPA {SUPPORTED[0]} from its Go module"
    module = _module_folder()
    # No newer Go is downloaded for it, and go.sum decides what is built.
    environment = {
        **os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly",
    }  # fmt: skip
    fresh = target.with_name(f".opa.{os.getpid()}")
    command = [_go(tried, environment), "build", "-v", "-trimpath", "-ldflags=-s -w", "-o", str(fresh.absolute())]
    progress(f"building OPA {SUPPORTED[0]} with Go, once; it takes about a minute")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        code, lines = _watched([*command, _MODULE], module, environment, progress, tried)
        if code != 0:
            raise EngineError(tried, _failure(lines), _cure(lines))
        progress(f"built: sha256:{hashlib.sha256(fresh.read_bytes()).hexdigest()}")
        fresh.replace(target)
    except OSError as error:
        raise EngineError(tried, str(error), f"Mend that, or put opa {SUPPORTED[0]} on PATH") from error
    finally:
        with contextlib.suppress(OSError):  # where there is no folder, nothing was left in it
            fresh.unlink()


def _go(tried: str, environment: dict[str, str]) -> str:
    remedy = f"Install Go {_GO[0]}.{_GO[1]} or newer, or put opa {SUPPORTED[0]} on PATH"
    go = shutil.which("go")
    if go is None:
        raise EngineError(tried, "Go is not installed", remedy)
    try:
        said = subprocess.run(
            [go, "version"], capture_output=True, text=True, errors="replace", timeout=_VERSION_LIMIT, check=False,
            stdin=subprocess.DEVNULL, env=environment,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _GO:
        raise EngineError(tried, f"{go} is {said or 'not answering'}", remedy)
    return go


def _watched(
    command: list[str], folder: Path, environment: dict[str, str], progress: Callable[[str], None], tried: str
) -> tuple[int, list[str]]:
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", process_group=0,
    ) as child:  # fmt: skip
        reader = threading.Thread(target=lambda: lines.extend(child.stdout or ()), daemon=True)
        reader.start()
        try:
            _follow(reader, lines, progress, tried)
        except BaseException:
            # The compilers that Go has started are in its group, and hold the pipe.
            os.killpg(child.pid, signal.SIGKILL)
            reader.join()
            raise
        return child.wait(), lines


def _follow(reader: threading.Thread, lines: list[str], progress: Callable[[str], None], tried: str) -> None:
    """Report what `reader` has read until it ends. Raises `EngineError` when that takes too long."""
    waited = 0.0
    while reader.is_alive():
        reader.join(_SIGN_OF_LIFE)
        waited += _SIGN_OF_LIFE
        if waited > _BUILD_LIMIT:
            raise EngineError(tried, f"not done after {_BUILD_LIMIT} s", "Try again on a less busy machine")
        if reader.is_alive():
            fetched = sum(line.startswith("go: downloading") for line in lines)
            compiled = sum(not line.startswith("go: ") for line in lines)
            progress(f"{waited:.0f} s: {fetched} modules fetched, {compiled} packages compiled")


def _failure(lines: list[str]) -> str:
    return " / ".join(line.strip() for line in lines[-6:]) or "go build failed without a word"


def _cure(lines: list[str]) -> str:
    text = "".join(lines)
    if "checksum mismatch" in text or "SECURITY ERROR" in text:
        return "A module is not the one that go.sum pins: do not go on, find out who changed it"
    if re.search(r"dial tcp|no such host|i/o timeout|proxyconnect|connection refused|module lookup disabled", text):
        return f"Check the network and GOPROXY, or put opa {SUPPORTED[0]} on PATH"
    return f"Mend what Go says, or put opa {SUPPORTED[0]} on PATH"
