"""Which OPA is taken, in which order, and what is said where there is none. Fakes are shell scripts."""

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proctor.errors import EngineError, SettingsError
from proctor.opa import binary
from proctor.settings import OpaSettings, Settings

GOOD = 'echo "Version: 1.22.2"'
OLD = 'echo "Version: 1.20.2"'
NEW_GO = 'test "$1" = version && { echo "go version go1.26.0 linux/amd64"; exit; }\n'


@dataclass
class Machine:
    """A machine with nothing on it: no OPA, no Go, an empty PATH."""

    folder: Path
    settings: Settings
    said: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "path"

    @property
    def built(self) -> Path:
        return self.settings.state_dir / "bin" / "opa"

    def put(self, path: Path, body: str, mode: int = 0o755) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(mode)
        return path

    def opa(self, body: str = GOOD) -> Path:
        return self.put(self.path / "opa", body)

    def go(self, build: str = "", version: str = NEW_GO) -> Path:
        """Put a Go on PATH; `build` sees where the binary is to go as $out."""
        find_out = 'while test "$1" != -o; do shift; done; out="$2"\n'
        return self.put(self.path / "go", version + find_out + build)

    def named(self, path: Path | str) -> Settings:
        return Settings(state_dir=self.settings.state_dir, opa=OpaSettings(binary=Path(path)))

    def find(self) -> binary.FoundBinary:
        return binary.find(self.settings)

    def install(self) -> binary.FoundBinary:
        return binary.install(self.settings, self.said.append)

    def refused(self) -> EngineError:
        with pytest.raises(EngineError) as caught:
            self.install()
        assert not self.built.exists()
        assert list(self.built.parent.glob(".opa*")) == [], "no half-built binary stays behind"
        return caught.value


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path, Settings(state_dir=tmp_path / "state"))
    found.path.mkdir()
    monkeypatch.setenv("PATH", str(found.path))
    monkeypatch.setattr(binary, "_known", {})
    # As in an installed package: no checkout whose .cache/bin could have one.
    module = tmp_path / "package" / "_tools" / "opa"
    module.mkdir(parents=True)
    monkeypatch.setattr(binary, "_module_folder", lambda: module)
    return found


@pytest.fixture
def checkout(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the `.cache/bin/opa` of a checkout."""
    root = machine.folder / "checkout"
    (root / "tools" / "opa").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.setattr(binary, "_module_folder", lambda: root / "tools" / "opa")
    return root / ".cache" / "bin" / "opa"


# --- Finding ---------------------------------------------------------------------------------------------------------


def test_the_order_is_named_path_checkout_state(machine: Machine, checkout: Path) -> None:
    named = machine.put(machine.folder / "mine", GOOD)
    on_path = machine.opa()
    machine.put(checkout, GOOD)
    machine.put(machine.built, GOOD)
    assert binary.find(machine.named(named)).path == named
    assert (machine.find().path, machine.find().origin) == (on_path, "on PATH")
    on_path.unlink()
    assert (machine.find().path, machine.find().origin) == (checkout, f"built before, in {checkout.parent}")
    checkout.unlink()
    assert machine.find().path == machine.built
    assert machine.find().version == "1.22.2"
    machine.built.unlink()
    with pytest.raises(EngineError):
        machine.find()


def test_a_name_alone_is_looked_up_on_path(machine: Machine) -> None:
    opa = machine.put(machine.path / "opa-next", GOOD)
    found = binary.find(machine.named("opa-next"))
    assert (found.path, found.origin) == (opa, "named by PROCTOR_OPA_BIN or opa.binary")


@pytest.mark.parametrize("body", [OLD, "exit 1", "echo hello", f"{GOOD}; exit 3", 'echo "Version: 1.22.2-dev"'])
def test_another_version_on_path_falls_through(machine: Machine, body: str) -> None:
    machine.opa(body)
    machine.put(machine.built, GOOD)
    assert machine.find().path == machine.built


def test_a_leading_v_is_the_same_version(machine: Machine) -> None:
    machine.opa('echo "Version: v1.22.2"')
    assert machine.find().version == "1.22.2"


@pytest.mark.parametrize(
    ("body", "mode", "found"),
    [
        (OLD, 0o755, "version 1.20.2"),
        ("echo hello", 0o755, "nothing that runs and calls itself OPA"),
        ("exit 1", 0o755, "nothing that runs and calls itself OPA"),
        (GOOD, 0o644, "nothing that runs and calls itself OPA"),
    ],
)
def test_a_named_one_that_is_not_supported_is_a_wrong_setting_even_where_another_would_do(
    machine: Machine, body: str, mode: int, found: str
) -> None:
    machine.opa()
    settings = machine.named(machine.put(machine.folder / "mine", body, mode))
    for look in (binary.find, lambda settings: binary.install(settings, machine.said.append)):
        with pytest.raises(SettingsError) as caught:
            look(settings)
        assert found in caught.value.found
        assert "1.22.2" in caught.value.found
        assert caught.value.remedy == "Point PROCTOR_OPA_BIN at opa 1.22.2, or unset it"
    assert machine.said == []


@pytest.mark.parametrize("path", ["missing", "folder", ""])
def test_a_named_one_that_is_no_file_is_a_wrong_setting(machine: Machine, path: str) -> None:
    (machine.folder / "folder").mkdir()
    with pytest.raises(SettingsError, match="nothing that runs"):
        binary.find(machine.named(machine.folder / path))


def test_one_that_hangs_is_none_and_is_asked_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_VERSION_LIMIT", 0.2)
    awake = machine.folder / "awake"
    opa = machine.opa(f"test -e {awake} || exec /bin/sleep 30\n{GOOD}")
    began = time.monotonic()
    with pytest.raises(EngineError, match="no OPA that runs"):
        machine.find()
    assert time.monotonic() - began < 5.0
    # What was too slow once, on a busy machine, is not given up for ever.
    awake.touch()
    monkeypatch.setattr(binary, "_VERSION_LIMIT", 20)
    assert machine.find().path == opa


def test_a_binary_that_was_replaced_is_asked_again(machine: Machine) -> None:
    opa = machine.opa()
    assert machine.find().version == "1.22.2"
    calls = machine.folder / "calls"
    machine.opa(f"echo x >> {calls}\n{GOOD}")
    machine.find()
    machine.find()
    assert calls.read_text() == "x\n", "asked once"
    machine.opa(OLD)
    os.utime(opa, ns=(1, 1))
    with pytest.raises(EngineError, match=r"is version 1\.20\.2"):
        machine.find()


def test_where_there_is_none_it_says_where_it_looked_and_what_to_do(machine: Machine, checkout: Path) -> None:
    with pytest.raises(EngineError) as caught:
        machine.find()
    assert str(caught.value) == (
        f"looking for OPA 1.22.2: not on PATH, not in {checkout.parent} or {machine.built.parent}. "
        "Run 'proctor opa install' (needs Go >= 1.26), or put opa 1.22.2 on PATH."
    )
    opa = machine.opa(OLD)
    machine.put(machine.built, "exit 1")
    with pytest.raises(EngineError) as caught:
        machine.find()
    assert caught.value.found == f"{opa} is version 1.20.2; {machine.built} is no OPA that runs"


def test_the_supported_versions_are_what_is_pinned() -> None:
    text = (Path(__file__).resolve().parents[3] / "tools" / "opa" / "go.mod").read_text(encoding="utf-8")
    assert re.search(r"github.com/open-policy-agent/opa v(\S+)", text)[1] == binary.SUPPORTED[0]  # type: ignore[index]
    assert re.search(r"^go (\d+)\.(\d+)", text, re.MULTILINE).groups() == tuple(map(str, binary._GO))  # type: ignore[union-attr]


# --- Installing ------------------------------------------------------------------------------------------------------

MAKES_OPA = 'printf \'#!/bin/sh\\necho "Version: 1.22.2"\\n\' > "$out"; /bin/chmod 755 "$out"'


@pytest.mark.parametrize("where", ["on PATH", "built before"])
def test_installing_does_nothing_where_one_is_there(machine: Machine, where: str) -> None:
    opa = machine.opa() if where == "on PATH" else machine.put(machine.built, GOOD)
    machine.go("exit 1", version="exit 1\n")
    assert machine.install().path == opa
    assert machine.said == []


def test_installing_builds_the_pinned_module_once(machine: Machine) -> None:
    machine.opa(OLD)
    log = machine.folder / "log"
    machine.go(f'echo "$CGO_ENABLED $GOWORK $GOTOOLCHAIN $GOFLAGS" > {log}; pwd >> {log}\n{MAKES_OPA}')
    found = machine.install()
    assert (found.path, found.version, found.origin) == (machine.built, "1.22.2", "built now from the pinned module")
    assert log.read_text().splitlines() == ["0 off local -mod=readonly", str(binary._module_folder())]
    assert machine.said[0] == "building OPA 1.22.2 with Go, once; it takes about a minute"
    assert re.fullmatch(r"built: sha256:[0-9a-f]{64}", machine.said[-1])
    assert machine.built.parent.stat().st_mode & 0o077 == 0
    (machine.path / "go").unlink()
    assert machine.install().origin == f"built before, in {machine.built.parent}"
    assert len(machine.said) == 2


def test_a_long_build_gives_signs_of_life(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_SIGN_OF_LIFE", 0.1)
    machine.go(f"echo 'go: downloading a v1'; echo b; echo c; /bin/sleep 0.5\n{MAKES_OPA}")
    machine.install()
    assert any(re.fullmatch(r"0 s: 1 modules fetched, 2 packages compiled", line) for line in machine.said)


def test_without_go_it_says_what_to_install(machine: Machine) -> None:
    error = machine.refused()
    assert error.found == "Go is not installed"
    assert error.remedy == "Install Go 1.26 or newer, or put opa 1.22.2 on PATH"


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ('echo "go version go1.25.9 linux/amd64"', "go1.25.9"),
        ('echo "go version go1.9 linux/amd64"', "go1.9"),
        ("exit 2", "not answering"),
        ("echo gopher", "gopher"),
        ("exec /bin/sleep 30", "not answering"),
    ],
)
def test_a_go_that_is_too_old_or_does_not_answer_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, version: str, found: str
) -> None:
    monkeypatch.setattr(binary, "_VERSION_LIMIT", 0.5)
    go = machine.go(version=version + "\nexit\n")
    error = machine.refused()
    assert str(go) in error.found
    assert found in error.found
    assert "Install Go 1.26 or newer" in error.remedy


@pytest.mark.parametrize("version", ["go1.26.0", "go1.27rc1", "go2.0", "devel go1.28-abc"])
def test_a_newer_go_will_do(machine: Machine, version: str) -> None:
    machine.go(MAKES_OPA, version=f'test "$1" = version && {{ echo "go version {version} linux/amd64"; exit; }}\n')
    assert machine.install().version == "1.22.2"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("verifying github.com/x@v1: checksum mismatch", "A module is not the one that go.sum pins: do not go on"),
        ("SECURITY ERROR\nThis download does NOT match", "A module is not the one that go.sum pins: do not go on"),
        ("dial tcp: lookup proxy.golang.org: no such host", "Check the network and GOPROXY"),
        ("Get https://proxy.golang.org: proxyconnect tcp: connection refused", "Check the network and GOPROXY"),
        ("module lookup disabled by GOPROXY=off", "Check the network and GOPROXY"),
        ("no space left on device", "Mend what Go says, or put opa 1.22.2 on PATH"),
    ],
)
def test_what_go_says_is_passed_on_with_a_remedy(machine: Machine, words: str, remedy: str) -> None:
    machine.go(f"echo half > $out; echo '{words}' >&2; exit 1")
    error = machine.refused()
    assert words.splitlines()[-1] in error.found
    assert error.remedy.startswith(remedy)


def test_a_build_without_a_word_is_said(machine: Machine) -> None:
    machine.go("exit 1")
    assert machine.refused().found == "go build failed without a word"


def test_a_build_that_makes_nothing_is_said(machine: Machine) -> None:
    machine.go("exit 0")
    assert "No such file" in machine.refused().found


@pytest.mark.parametrize("made", [OLD, "exit 1"])
def test_a_build_that_makes_another_version_is_thrown_away(machine: Machine, made: str) -> None:
    made_by = machine.put(machine.folder / "made", made)
    machine.go(f'/bin/cp {made_by} "$out"')
    error = machine.refused()
    assert "what came out is version" in error.found
    assert "the pins disagree" in error.remedy


def test_a_build_that_does_not_end_is_killed_with_everything_that_it_started(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "_SIGN_OF_LIFE", 0.1)
    monkeypatch.setattr(binary, "_BUILD_LIMIT", 0.5)
    pids = machine.folder / "pids"
    machine.go(f"echo $$ > {pids}; /bin/sleep 30 & echo $! >> {pids}; wait")
    began = time.monotonic()
    error = machine.refused()
    assert time.monotonic() - began < 5.0
    assert "not done after 0.5 s" in error.found
    for pid in pids.read_text().split():
        _gone(int(pid))


def _gone(pid: int) -> None:
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}:
                return
        except OSError:
            return
        time.sleep(0.01)
    pytest.fail(f"{pid} still runs")


def test_an_interrupted_build_leaves_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_SIGN_OF_LIFE", 0.1)
    pids = machine.folder / "pids"
    machine.go(f"echo half > $out; echo $$ > {pids}; exec /bin/sleep 30")

    def interrupt(line: str) -> None:
        if "fetched" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        binary.install(machine.settings, interrupt)
    assert list(machine.built.parent.iterdir()) == []
    _gone(int(pids.read_text()))


@pytest.mark.parametrize("missing", ["module", "state"])
def test_a_folder_that_is_missing_or_in_the_way_is_said(machine: Machine, missing: str) -> None:
    machine.go(MAKES_OPA)
    if missing == "module":
        binary._module_folder().rmdir()
    else:
        machine.settings.state_dir.touch()
    with pytest.raises(EngineError) as caught:
        machine.install()
    assert "put opa 1.22.2 on PATH" in caught.value.remedy


def test_a_module_that_is_not_the_pinned_one_is_refused_by_go_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_go: Callable[[], str]
) -> None:
    """The words that `_cure` looks for are those of the Go that is installed."""
    module = tmp_path / "opa"
    module.mkdir()
    pinned = Path(__file__).resolve().parents[3] / "tools" / "opa"
    sums = (pinned / "go.sum").read_text()
    wrong = re.sub(r"(github.com/open-policy-agent/opa v\S+ h1:).{6}", r"\1AAAAAA", sums)
    assert wrong != sums
    (module / "go.sum").write_text(wrong)
    (module / "go.mod").write_text((pinned / "go.mod").read_text())
    monkeypatch.setattr(binary, "_module_folder", lambda: module)
    monkeypatch.setenv("PATH", real_go())
    with pytest.raises(EngineError) as caught:
        binary._build(tmp_path / "bin" / "opa", lambda _: None)
    assert caught.value.remedy == "A module is not the one that go.sum pins: do not go on, find out who changed it"


@pytest.fixture
def real_go() -> Callable[[], str]:
    """Return a function that gives a PATH on which the installed Go is; skips where none is."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go >= 1.26 on PATH")
    return lambda: f"{Path(go).parent}:/usr/bin:/bin"
