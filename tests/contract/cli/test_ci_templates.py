"""The workflow templates in deploy/ci: each command for Proctor is run, in a repository such as it is meant for.

What the templates do around them (checking out, installing) is the platform's, and is not tried here.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live import subjects
from tests.live.server import ProctorServer, running

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((ROOT / "deploy/ci").glob("*.yml"))}
POD: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "ml-prod"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "docker.io/library/nginx:latest"}]},
        },
    },
}


def _lines(template: Any) -> Iterator[str]:
    """Yield the shell lines of a template, in order."""
    for job in template.get("jobs", {}).values():
        yield from (step["run"] for step in job["steps"] if "run" in step)
    for job in template.values():
        if isinstance(job, dict) and "script" in job:
            yield from (*job.get("before_script", ()), *job["script"])


def commands(name: str) -> list[list[str]]:
    """Return what a template gives to Proctor, but for the installation."""
    own = [shlex.split(line) for line in _lines(TEMPLATES[name]) if line.startswith("proctor ")]
    return [line[1:] for line in own if line[1:3] != ["opa", "install"]]


def _run(arguments: list[str], folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "proctor.cli", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "PROCTOR_STATE_DIR": str(folder.parent / "state"), **environment},
    )  # fmt: skip


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    command = ["git", *who, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def repository(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone of a repository with a pack, on a branch that adds a rule."""
    origin = tmp_path_factory.mktemp("origin") / "bank"
    origin.mkdir()
    opa = {"PROCTOR_OPA_BIN": str(opa_binary)}
    assert _run(["policy", "new", "deployment/first_rule", "--pack", "pack"], origin, **opa).returncode == 0
    (origin / "proctor.yaml").write_text("policy: {packs: [pack]}\n", encoding="utf-8")
    _git(origin, "init", "--initial-branch", "main")
    _git(origin, "add", ".")
    _git(origin, "commit", "--message", "The first rule")
    clone = tmp_path_factory.mktemp("clone") / "bank"
    _git(origin, "clone", str(origin), str(clone))
    assert _run(["policy", "new", "training/second_rule", "--pack", "pack"], clone, **opa).returncode == 0
    return clone


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["github-policy", "gitlab-policy"])
def test_the_commands_for_a_repository_of_policy_work(
    name: str, repository: Path, opa_binary: Path, regal_binary: Path
) -> None:
    tools = {"PROCTOR_OPA_BIN": str(opa_binary), "PROCTOR_REGAL_BIN": str(regal_binary), "CI": "true"}
    assert [arguments[1] for arguments in commands(name)] == ["lint", "test", "mutate", "diff"]
    for arguments in commands(name):
        done = _run(arguments, repository, PROCTOR_CONFIG="proctor.yaml", **tools)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    told = (repository / "diff.md").read_text(encoding="utf-8")
    assert "training.second\\_rule" in told.replace("training.second_rule", "training.second\\_rule")
    assert "deployment.first_rule" not in told
    assert "second_rule" in (repository / "policy.xml").read_text(encoding="utf-8")


@pytest.mark.timeout(200)
def test_the_commands_for_a_repository_of_models_find_what_is_wrong(opa_binary: Path, tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "web.json").write_text(json.dumps(POD), encoding="utf-8")
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    with running(ProctorServer(folder, opa_binary)) as server:
        subjects.register(server, "fraud")
        for name in ("github-models", "gitlab-models"):
            ((command),) = commands(name)
            done = _run(command, tmp_path, PROCTOR_STATE_DIR=str(folder))
            assert done.returncode == 1, done.stdout + done.stderr
            assert "image_pinned" in done.stdout
    assert "deployment.image_pinned" in (tmp_path / "proctor.sarif").read_text(encoding="utf-8")
    assert "deployment.image_pinned" in (tmp_path / "proctor.xml").read_text(encoding="utf-8")
