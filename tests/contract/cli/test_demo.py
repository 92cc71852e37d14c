"""`proctor demo` as a newcomer runs it: everything comes out as it should, nothing is silent, nothing stays behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proctor.alerts import signature
from proctor.cli.demo import run
from proctor.cli.demo.narrator import Narrator
from proctor.cli.demo.sink import VARIABLE, Sink
from proctor.errors import SettingsError

SERVERS = ("proctor", "opa", "mlflow", "uvicorn")
SILENCE = 5.0
"""Seconds without a line that a newcomer bears."""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder:  # TMPDIR may be long
        yield Path(folder)


def _start(place: Path, opa: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "proctor.cli", "demo", *options],
        env={**os.environ, "TMPDIR": str(place), "PROCTOR_OPA_BIN": str(opa), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # What runs in a shell's background inherits that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (nothing else runs before exec)
    )


def _left(place: Path) -> list[str]:
    """Return what is left of the demo: processes that know its folder, and files in it."""
    found = [str(path) for path in place.iterdir()]
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(place).encode() in environment.read_bytes() and environment.parent.name != str(os.getpid()):
                found.append((environment.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended, or is not ours
            continue
    return found


def _until(demo: subprocess.Popen[bytes], sign: str) -> str:
    """Read what the demo says until it has said `sign`."""
    assert demo.stdout is not None
    said = []
    for raw in demo.stdout:
        said.append(raw.decode())
        if sign in said[-1]:
            return "".join(said)
    pytest.fail(f"it ended without having said {sign!r}:\n{''.join(said)}")


SCENES = {
    "Data": (
        "missing data.dataset_owned", "missing data.lawful_basis_recorded", "the evidence is too weak", "ALLOW",
    ),
    "Training": (
        "[Alice] mlflow.start_run()", "[training.preflight_valid] not_evaluable", "own false",
        "HTTP 403 PERMISSION_DENIED",
        "RUN ", "started by alice", "client.create_registered_model", "client.set_tag", "client.delete_tag",
        "tags that begin with governance. are written by",
    ),
    "Registration and promotion": (
        "[registration.card_complete] not_evaluable, deny", "[registration.validator_independent] not_evaluable, deny",
        "[registration.validator_independent] fail, deny", "on 50 samples", "ALLOW", "version 2 is",
    ),
    "Deployment": (
        "[deployment.model_reference_immutable] fail, deny", "[deployment.model_registered] fail, deny",
        "[deployment.model_digest_allowed] fail, deny", "ALLOW",
    ),
    "A waiver": ("waived by wvr_", "you requested it yourself"),
    "OPA is killed": ("engine_unavailable", "recovered by itself"),
    "What changes later": (
        "opened.v1: artifact_changed, cheques/1", "resolved.v1: artifact_changed, cheques/1",
        "would be denied today: data.dataset_owned", "opened.v1: no_longer_allowed", "resolved.v1: no_longer_allowed",
        "(signature verified)",
    ),
    "The ledger": ("the ledger is whole", "THE LEDGER WAS CHANGED"),
}  # fmt: skip
"""What each chapter shows. The demo itself compares each answer with what it should be, and counts surprises."""


@pytest.mark.timeout(180)
def test_demo_comes_out_as_it_should_stays_up_when_asked_and_leaves_nothing(place: Path, opa_binary: Path) -> None:
    lines: list[str] = []
    silences = [0.0]
    spoke = time.monotonic()
    with _start(place, opa_binary, "--keep") as demo:
        for raw in demo.stdout or ():
            silences.append(time.monotonic() - spoke)
            spoke = time.monotonic()
            lines.append(raw.decode())
            if "Ctrl-C ends it and removes" in lines[-1]:
                _look_around("".join(lines))
                demo.send_signal(signal.SIGINT)
    text = "".join(lines)
    assert demo.returncode == 0, text
    assert "NOT AS EXPECTED" not in text
    chapters = {
        title.partition(":")[0]: part
        for title, _, part in (chapter.partition("\n") for chapter in re.split(r"\n\d+\. ", text))
    }
    for chapter, needed in SCENES.items():
        for words in needed:
            assert words in " ".join(chapters[chapter].split()), (words, text)
    assert max(silences) < SILENCE, text
    assert _left(place) == []


def _look_around(text: str) -> None:
    """Use what the demo prints: MLflow with a login, and a command on Proctor."""
    url, name, password = re.search(r"MLflow +(http://\S+)\n +login +(\S+) / (\S+)", text).groups()  # type: ignore[union-attr]
    assert httpx.get(f"{url}/api/2.0/mlflow/users/get?username=alice", timeout=10).status_code == 401
    known = httpx.get(f"{url}/api/2.0/mlflow/users/get?username=alice", auth=(name, password), timeout=10)
    assert known.status_code == 200, known.text
    settings = re.search(r"\. (\S+/operator\.env)", text)
    assert settings is not None
    shell = f". {settings[1]} && {sys.executable} -P -m proctor.cli ledger verify"
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
    assert "the ledger is whole" in done.stdout, done


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGINT, "2. Data"), (signal.SIGTERM, "RUN ")],
    ids=["while MLflow starts", "while MLflow serves"],
)
def test_an_interrupted_demo_leaves_nothing(place: Path, opa_binary: Path, number: signal.Signals, moment: str) -> None:
    with _start(place, opa_binary) as demo:
        _until(demo, moment)
        demo.send_signal(number)
        assert demo.stdout is not None
        rest = demo.stdout.read().decode()
    assert demo.returncode == 130, rest
    assert "Traceback" not in rest
    assert _left(place) == []


def test_a_killed_demo_takes_its_servers_along(place: Path, opa_binary: Path) -> None:
    with _start(place, opa_binary) as demo:
        _until(demo, "[Alice] import mlflow")
        demo.kill()
    until = time.monotonic() + 15
    while any(name in line for line in _left(place) if not line.startswith(str(place)) for name in SERVERS):
        assert time.monotonic() < until, _left(place)
        time.sleep(0.1)


def test_without_its_peers_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_spec", lambda module: None if module == "mlflow" else object())
    with pytest.raises(SettingsError, match=r"not installed: MLflow(?s:.*)make demo"):
        run.run(keep=False)


DENIED = {"outcome": "deny", "findings": [{"rule": "data.dataset_owned", "effect": "deny"}]}


@pytest.mark.parametrize(
    "expected",
    [
        {"expected": "allow"},
        {"expected": "deny", "rule": "data.dataset_registered"},
        {"expected": "deny", "blocking": ()},
        {"expected": "deny", "blocking": ("data.dataset_owned", "data.dataset_registered")},
    ],
)
def test_each_difference_is_a_surprise_that_fails_the_demo(expected: dict[str, Any]) -> None:
    narrator = Narrator()
    narrator.check("x", DENIED, expected="deny", rule="data.dataset_owned", blocking=("data.dataset_owned",))
    assert run.end(narrator, "", ()) == 0
    narrator.check("x", DENIED, **expected)
    assert run.end(narrator, "", ()) == 1


def test_the_receiver_takes_what_is_signed_and_current_and_nothing_else() -> None:
    sink = Sink()
    try:
        key, now, body = signature.secret_bytes(sink.secret, VARIABLE), int(time.time()), b'{"type": "x"}'
        assert sink.take(signature.headers(key, "msg_1", now, body), body)
        for headers, sent in (
            ({}, body),
            (signature.headers(key, "msg_1", now, body), b'{"type": "y"}'),
            (signature.headers(b"x" * 32, "msg_1", now, body), body),
            (signature.headers(key, "msg_1", now - 3600, body), body),
            ({**signature.headers(key, "msg_1", now, body), "webhook-id": "msg_2"}, body),
        ):
            assert not sink.take(headers, sent)
        assert (len(sink.alerts), sink.refused) == (1, 5)
    finally:
        sink.close()
