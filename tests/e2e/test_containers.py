"""What needs a container engine: OPA in a container as the external engine, and docker-compose.yml as a whole.

`make e2e-docker` runs this, and says that it is skipped where no engine answers.
"""

import asyncio
import json
import re
import secrets
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from testcontainers.compose import DockerCompose
from testcontainers.core.container import DockerContainer

from proctor.opa import bundle as bundles
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.external import ExternalOpa
from proctor.settings import OpaSettings, PolicySettings

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
_OPA = re.search(r"/opa v(\S+)", (ROOT / "tools" / "opa" / "go.mod").read_text(encoding="utf-8"))
OPA_IMAGE = f"openpolicyagent/opa:{_OPA[1] if _OPA else ''}-static"
START_LIMIT = 60.0


@pytest.fixture
def built(opa_binary: Path, state_dir: Path) -> BuiltBundle:
    found = bundles.build(
        PolicySettings(),
        opa_binary,
        bundles.policy_dir(None),
        state_dir / "bundles",
        state_dir / "keys" / "bundle.key",
        None,
    )
    # The container's user is another one than ours; these three files hold no secret.
    for path in (state_dir, found.path.parent, found.public_key_path.parent):
        path.chmod(0o755)
    for path in (found.path, found.public_key_path):
        path.chmod(0o644)
    return found


@pytest.fixture
async def engine(built: BuiltBundle, state_dir: Path) -> AsyncIterator[ExternalOpa]:
    configuration = state_dir / "opa.yaml"
    configuration.write_text(
        json.dumps(
            {
                "bundles": {"proctor": {"resource": "file:///policy.tar.gz", "signing": {"keyid": "proctor"}}},
                "keys": {"proctor": {"algorithm": bundles.SIGNING_ALGORITHM, "key": built.public_key_path.read_text()}},
                "status": {"prometheus": True},
            }
        )
    )
    configuration.chmod(0o644)
    container = (
        DockerContainer(OPA_IMAGE)
        .with_command("run --server --addr=0.0.0.0:8181 --authorization=basic --config-file=/opa.yaml")
        .with_volume_mapping(str(configuration), "/opa.yaml", "ro")
        .with_volume_mapping(str(built.path), "/policy.tar.gz", "ro")
        .with_exposed_ports(8181)
    )
    with container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8181)}"
        found = ExternalOpa(built, OpaSettings(url=url))
        await found.start()
        try:
            yield found
        finally:
            await found.close()


async def test_an_opa_container_answers_as_the_engine(engine: ExternalOpa, built: BuiltBundle) -> None:
    until = time.monotonic() + START_LIMIT
    while not (health := await engine.health()).ready:
        assert time.monotonic() < until, health.detail
        await asyncio.sleep(0.2)
    assert health.revision == built.revision
    deadline = asyncio.get_running_loop().time() + 5
    found = await engine.evaluate(ENTRYPOINT_DECISION, b"{}", deadline)
    assert found["outcome"] == "error"
    assert {problem["code"] for problem in found["problems"]} >= {"bad_schema", "bad_actor", "unknown_stage"}


@pytest.fixture
def compose() -> Iterator[DockerCompose]:
    environment = ROOT / ".env"
    assert not environment.exists(), f"{environment} is somebody's: this test writes its own, so move it away"
    names = ("PROCTOR_POSTGRES_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD")
    environment.write_text("".join(f"{name}={secrets.token_hex(24)}\n" for name in names), encoding="utf-8")
    try:
        with DockerCompose(str(ROOT), build=True, wait=True, keep_volumes=False) as found:
            yield found
    finally:
        environment.unlink()


def test_the_compose_file_is_a_whole_server(compose: DockerCompose, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["docker", "compose", *arguments],  # noqa: S607 (whichever engine the user has)
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    certificate = tmp_path / "server.crt"
    certificate.write_text(run("exec", "-T", "proctor", "cat", "/state/tls/server.crt"), encoding="utf-8")
    with httpx.Client(
        base_url="https://127.0.0.1:8420", verify=ssl.create_default_context(cafile=certificate), timeout=30
    ) as client:
        review: dict[str, Any] = yaml.safe_load(
            """
            apiVersion: admission.k8s.io/v1
            kind: AdmissionReview
            request:
              uid: 0b9e6f3a-2f6f-4a7e-9a51-6b7c8d9e0f10
              kind: {group: "", version: v1, kind: Pod}
              resource: {group: "", version: v1, resource: pods}
              namespace: ml-prod
              name: web
              operation: CREATE
              userInfo: {username: somebody}
              object:
                apiVersion: v1
                kind: Pod
                metadata: {name: web, namespace: ml-prod}
                spec: {containers: [{name: web, image: "nginx:latest"}]}
            """
        )
        until = time.monotonic() + START_LIMIT
        while True:
            answer = client.post("/v1/adapters/kubernetes/admit", json=review).json()["response"]
            assert answer["allowed"] is False
            if "image_pinned" in answer["status"]["message"]:
                break
            assert time.monotonic() < until, answer
            time.sleep(0.5)
    count = "SELECT count(*) FROM ledger_entries"
    entries = run("exec", "-T", "postgres", "psql", "--username=proctor", "--tuples-only", f"--command={count}")
    assert int(entries) > 1, "the ledger is in PostgreSQL"
    password = (ROOT / ".env").read_text(encoding="utf-8").partition("MLFLOW_AUTH_ADMIN_PASSWORD=")[2].strip()
    run_of_nobody = httpx.post(
        "http://127.0.0.1:5000/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, auth=("admin", password),
        timeout=30,
    )  # fmt: skip
    assert run_of_nobody.status_code == 403
    assert "[training.preflight_valid]" in run_of_nobody.json()["message"], "MLflow asks Proctor"
