"""`proctor policy replay` and `diff`, as people and CI use them: on the state of a real server, and on exports."""

import html
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proctor.cli.main import run
from tests.contract.replay import exports
from tests.contract.replay.conftest import Kept
from tests.live import subjects
from tests.live.server import ProctorServer, running

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.timeout(180)  # processes start, and on a busy machine that takes its time


@pytest.fixture(scope="module")
def server(opa_binary: Path) -> Iterator[ProctorServer]:
    """Return the server of a state directory with three decisions; it has been stopped."""
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        with running(ProctorServer(folder, opa_binary)) as started:
            key = subjects.register(started, "fraud")
            for names in (("fraud",), ("stranger",), ("fraud",)):
                assert started.call("POST", "/v1/decisions", subjects.deployment(*names), key=key)[0] == 200
            assert started.call("POST", "/v1/decisions", b"{}", key=key)[0] == 200
        yield started
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def proctor(server: ProctorServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs a command on that state: exit code, standard output, standard error."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)

    def ask(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        captured = capfd.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    return ask


def test_what_a_server_decided_reproduces(proctor: Command) -> None:
    code, out, _ = proctor("policy", "replay", "--workers", "0", "--output", "json")
    assert code == 0, out
    assert json.loads(out)["states"] == {"replayable": 3, "unjudged": 1}
    assert json.loads(out)["differences"] == []


def test_an_export_with_cases_reproduces_elsewhere(proctor: Command, tmp_path: Path) -> None:
    code, _, err = proctor("ledger", "export", str(tmp_path / "bare"))
    code, _, err = proctor("policy", "replay", "--from", str(tmp_path / "bare"))
    assert code == 2
    assert "ledger export --cases" in err
    code, _, err = proctor("ledger", "export", str(tmp_path / "export"), "--cases")
    assert code == 0
    assert "3 replayable" in err
    assert (tmp_path / "export" / "cases.jsonl").stat().st_mode & 0o077 == 0
    code, out, _ = proctor("policy", "replay", "--from", str(tmp_path / "export"), "--workers", "0")
    assert code == 0
    assert "all 3 came out as they were recorded" in out
    code, out, _ = proctor("ledger", "verify", str(tmp_path / "export"))
    assert code == 0, "cases beside it leave the export what it was"
    cases = (tmp_path / "export" / "cases.jsonl").read_text()
    (tmp_path / "export" / "cases.jsonl").write_text(cases.replace("fraud", "fraxd"))
    code, _, err = proctor("policy", "replay", "--from", str(tmp_path / "export"), "--workers", "0")
    assert code == 3
    assert "its digest is not the one that the record names" in err


@pytest.fixture(scope="module")
def stricter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a policy that allows other registries, calls one rule by another severity, and has one rule less."""
    folder = tmp_path_factory.mktemp("stricter") / "rego"
    shutil.copytree(ROOT / "rego", folder)
    provided = folder / "governance" / "config" / "provided.yaml"
    text = provided.read_text()
    assert "registry.example.com" in text
    provided.write_text(text.replace("registry.example.com", "registry.elsewhere.example"))
    rule = folder / "governance" / "rules" / "deployment" / "image_pinned" / "image_pinned.rego"
    text = rule.read_text()
    assert "severity: critical" in text or "severity: high" in text
    rule.write_text(text.replace("severity: critical", "severity: low").replace("severity: high", "severity: low"))
    shutil.rmtree(folder / "governance" / "rules" / "data" / "dataset_owned")
    return folder


def test_a_difference_is_told_with_what_flips(proctor: Command, stricter: Path, tmp_path: Path) -> None:
    markdown = tmp_path / "diff.md"
    code, out, _ = proctor(
        "policy", "diff", ".", str(stricter), "--replay", "--workers", "0", "-o", "json", "-o", f"markdown={markdown}"
    )
    assert code == 1, out
    found = json.loads(out)
    changes = {(change["kind"], change["of"]): change for change in found["changes"]}
    assert changes["rule", "data.dataset_owned"]["after"] == ""
    assert changes["severity", "deployment.image_pinned"]["after"] == "low"
    registries = changes["list", "image_registries"]
    assert (registries["before"], registries["after"]) == ("registry.example.com", "registry.elsewhere.example")
    (flip,) = found["replay"]["flips"]
    assert (flip["change"], flip["rule"], flip["count"]) == ("allow -> deny", "deployment.image_registry_allowed", 2)
    assert flip["example"].startswith("dec_")
    assert "registry" in flip["message"]
    text = html.unescape(markdown.read_text()).replace("\\", "")
    assert "| allow -> deny | deployment.image_registry_allowed | 2 |" in text
    assert "### Decisions that flip" in text


def test_what_is_configured_is_what_the_server_has_in_force(server: ProctorServer, proctor: Command) -> None:
    (bundle,) = (server.state_dir / "bundles").glob("*.tar.gz")
    code, out, _ = proctor("policy", "diff", ".", str(bundle))
    assert code == 0
    assert "no differences" in out


def test_without_a_difference_nothing_flips(proctor: Command) -> None:
    code, out, _ = proctor("policy", "diff", ".", ".", "--replay", "--workers", "0")
    assert code == 0
    assert "no differences" in out
    assert "none of 3 flips" in out


def test_a_candidate_is_held_against_what_was_recorded(proctor: Command, stricter: Path) -> None:
    code, out, _ = proctor("policy", "replay", "--against", str(stricter), "--workers", "0")
    assert code == 1, out
    assert "2 of 3 come out differently" in out


@pytest.mark.parametrize("named", ["no-such-thing", "--exec=x", ""])
def test_a_policy_that_nothing_is_called_is_refused(named: str, proctor: Command) -> None:
    code, _, err = proctor("policy", "diff", "--", ".", named)
    assert code == 2
    assert "looking for" in err


def test_options_of_a_replay_need_one(proctor: Command) -> None:
    code, _, err = proctor("policy", "diff", ".", ".", "--resume")
    assert (code, "Add --replay" in err) == (2, True)


# --- Interrupted -----------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_no_process_and_a_place_to_go_on(kept: Kept, opa_binary: Path, tmp_path: Path) -> None:
    export = exports.write(tmp_path / "export", kept, 900)
    state = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROCTOR_")}
    environment |= {"PROCTOR_STATE_DIR": str(state), "PROCTOR_OPA_BIN": str(opa_binary)}
    command = [sys.executable, "-m", "proctor.cli", "policy", "replay", "--from", str(export), "--workers", "2"]
    try:
        with subprocess.Popen(
            command, env=environment, start_new_session=True, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            assert "entries/s" in process.stderr.readline()  # it is at work
            family = _family(process.pid)
            assert len(family) > 3
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "--resume goes on" in err
        assert _gone(family)
        (left,) = (state / "replays").iterdir()
        done = json.loads(left.read_text())["tally"]["counts"]["replayable"]
        assert 0 < done < 900
        resumed = subprocess.run(
            [*command, "--resume"], env=environment, capture_output=True, text=True, timeout=170, check=False
        )
        assert resumed.returncode == 0, resumed.stderr
        assert f"{done} decisions are done" in resumed.stderr
        assert "all 900 came out as they were recorded" in resumed.stdout
        assert not list((state / "replays").iterdir())
    finally:
        shutil.rmtree(state)


def _family(pid: int) -> list[int]:
    """Return a process's descendants, whatever session they are in."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _gone(pids: list[int]) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_killed_worker_is_told_and_leaves_no_opa(kept: Kept, opa_binary: Path, tmp_path: Path) -> None:
    export = exports.write(tmp_path / "export", kept, 900)
    state = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROCTOR_")}
    environment |= {"PROCTOR_STATE_DIR": str(state), "PROCTOR_OPA_BIN": str(opa_binary)}
    command = [sys.executable, "-m", "proctor.cli", "policy", "replay", "--from", str(export), "--workers", "2"]
    try:
        with subprocess.Popen(
            command, env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            assert "entries/s" in process.stderr.readline()
            family = _family(process.pid)
            opas = [pid for pid in family if b"--bundle" in _command(pid)]
            workers = [pid for pid in family if b"spawn_main" in _command(pid)]
            assert opas
            os.kill(workers[0], signal.SIGKILL)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        assert "a worker process ended" in err
        assert _gone(family)
    finally:
        shutil.rmtree(state)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_another_question_is_not_gone_on_with(proctor: Command, server: ProctorServer) -> None:
    code, _, err = proctor("policy", "replay", "--resume")
    assert code == 2
    assert "no such replay was interrupted" in err
