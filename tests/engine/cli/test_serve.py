"""`proctor serve` sees to an OPA before it starts anything."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proctor.opa import binary
from proctor.server import run
from proctor.settings import Settings

Proctor = Callable[..., tuple[int, str, str]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Return the settings with which a server was started."""
    found: list[Settings] = []
    monkeypatch.setattr(run, "run", found.append)
    return found


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the PATH of a machine that has neither OPA nor Go, and no checkout."""
    for name in [name for name in os.environ if name.startswith("PROCTOR_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "path"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("PROCTOR_STATE_DIR", str(tmp_path / "state"))
    module = tmp_path / "package" / "opa"
    module.mkdir(parents=True)
    monkeypatch.setattr(binary, "_module_folder", lambda: module)
    return path


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_a_fresh_machine_with_go_gets_its_opa_first(proctor: Proctor, bare: Path, served: list[Settings]) -> None:
    opa = "#!/bin/sh\\necho Version: 1.22.2\\n"
    _script(
        bare / "go",
        'test "$1" = version && { echo "go version go1.26.8 linux/amd64"; exit; }\n'
        f'while test "$1" != -o; do shift; done; printf "{opa}" > "$2"; /bin/chmod 755 "$2"',
    )
    code, out, err = proctor("serve", "--port", "0", "--operations-port", "0")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "building OPA 1.22.2 with Go, once; it takes about a minute"
    assert err.splitlines()[-1] == "OPA 1.22.2: built now from the pinned module"
    (settings,) = served
    assert (settings.server.port, settings.state_dir) == (0, bare.parent / "state")
    assert binary.find(settings).path == bare.parent / "state" / "bin" / "opa"


def test_an_opa_that_is_there_is_taken_and_named(proctor: Proctor, bare: Path, served: list[Settings]) -> None:
    _script(bare / "opa", "echo Version: 1.22.2")
    code, _, err = proctor("serve")
    assert (code, err) == (0, "OPA 1.22.2: on PATH\n")
    assert len(served) == 1


def test_without_opa_and_go_nothing_starts_and_it_says_what_to_install(
    proctor: Proctor, bare: Path, served: list[Settings]
) -> None:
    code, out, err = proctor("serve")
    assert (code, out) == (3, "")
    assert "Go is not installed" in err
    assert "Install Go 1.26 or newer, or put opa 1.22.2 on PATH" in err
    assert served == []


def test_a_wrong_opa_that_was_named_is_a_usage_error(
    proctor: Proctor, bare: Path, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(bare / "opa", "echo Version: 1.20.2")
    monkeypatch.setenv("PROCTOR_OPA_BIN", str(bare / "opa"))
    code, _, err = proctor("serve")
    assert (code, served) == (2, [])
    assert "version 1.20.2" in err
