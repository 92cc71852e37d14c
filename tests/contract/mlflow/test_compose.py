"""docker-compose.yml's MLflow, without a container engine: its very commands, with its environment, as processes.

Paths of volumes become folders here, names of services loopback, and published ports free ones. The rest is as written,
against a real Proctor behind TLS with the certificate that the file makes.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from tests.contract.lifecycle import test_catalog as catalog
from tests.live.server import ProctorServer, free_port, running

ROOT: Final = Path(__file__).resolve().parents[3]
SERVICES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
CONFIGURATION: Final = (ROOT / "deploy" / "docker" / "proctor.yaml").read_text(encoding="utf-8")
PASSWORD: Final = "a password of the admin's"
LIMIT: Final = 90.0


@dataclass(frozen=True)
class Machine:
    """Where the containers' volumes and addresses are on this machine."""

    folder: Path
    port: int
    proctor: str = ""

    def place(self, source: str) -> Path:
        """Return the folder of a named volume."""
        return self.folder / source

    def here(self, service: str, text: str) -> str:
        """Return a text of a service as compose reads it, with this machine's paths and addresses."""
        text = re.sub(r"\$\{MLFLOW_AUTH_ADMIN_PASSWORD:\?[^}]*\}", PASSWORD, text).replace("$$", "$")
        for volume in sorted(SERVICES[service]["volumes"], key=len, reverse=True):
            source, target = volume.split(":")[:2]
            if source.startswith("./"):
                place = self.folder / Path(source).name
                if target in text:
                    place.write_text(self.here(service, (ROOT / source).read_text(encoding="utf-8")), encoding="utf-8")
            else:
                place = self.place(source)
            text = re.sub(rf"(?<![\w.-]){re.escape(target)}(?![\w-])", str(place), text)
        text = text.replace("https://proctor:8420", self.proctor)
        return text.replace("--host 0.0.0.0 --port 5000", f"--host 127.0.0.1 --port {self.port}")

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a container of the service: its own variables, and nothing of this process."""
        stated: Mapping[str, str] = SERVICES[service].get("environment", {})
        own = {name: self.here(service, value) for name, value in stated.items()}
        image = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return image | {"PROCTOR_STATE_DIR": str(self.place("state"))} | own

    def command(self, service: str) -> list[str]:
        """Return what the container runs."""
        return [self.here(service, word) for word in (*SERVICES[service]["entrypoint"], *SERVICES[service]["command"])]

    def once(self, service: str) -> None:
        """Run a service that ends."""
        done = subprocess.run(
            self.command(service), env=self.environment(service), cwd=self.folder, capture_output=True, text=True,
            timeout=LIMIT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{service}: {done.stderr}"


@pytest.fixture(scope="module")
def machine(opa_binary: Path) -> Iterator[tuple[Machine, ProctorServer]]:
    """Return the machine with everything up on which the service `mlflow` depends."""
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        made = Machine(folder, free_port())
        for volume in ("state", "trust", "mlflow", "mlflow-secrets"):
            made.place(volume).mkdir()
        made.once("certificate")
        stated = yaml.safe_load(CONFIGURATION.replace("/state/", f"{made.place('state')}/"))
        tls = {name: stated["server"][name] for name in ("tls_certificate", "tls_key")}
        with running(ProctorServer(made.place("state"), opa_binary, {"server": tls})) as proctor:
            made = Machine(folder, made.port, catalog.url(proctor).replace("127.0.0.1", "localhost"))
            made.once("trust")
            made.once("mlflow-key")
            yield made, proctor
    finally:
        shutil.rmtree(folder)


@contextmanager
def serving(machine: Machine) -> Iterator[str]:
    """Yield the address of the service `mlflow`, started in an empty folder that it must leave empty."""
    cwd = machine.folder / "elsewhere"
    cwd.mkdir()
    log = machine.folder / "mlflow.log"
    environment = machine.environment("mlflow")
    del environment["PROCTOR_STATE_DIR"]  # the image of MLflow has none
    with log.open("wb") as output:
        process = subprocess.Popen(
            machine.command("mlflow"), env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{machine.port}"
    try:
        until = time.monotonic() + LIMIT
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield url
        assert list(cwd.iterdir()) == [], "the container's file system is read-only"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def test_the_key_is_made_once_and_for_the_registry_alone(machine: tuple[Machine, ProctorServer]) -> None:
    made, proctor = machine
    secrets = made.place("mlflow-secrets")
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(before) == {"api-key", "flask-secret"}
    assert {path.stat().st_mode & 0o077 for path in secrets.iterdir()} == {0}
    made.once("mlflow-key")
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    _, found = proctor.call("GET", "/v1/keys")
    (key,) = [one for one in found["keys"] if one["prefix"] in before["api-key"]]
    assert (key["roles"], key["points"], key["asserts"]) == (["gate"], ["mlflow-registry"], [])


@pytest.mark.timeout(180)
def test_the_service_is_a_gated_registry_behind_a_login(machine: tuple[Machine, ProctorServer]) -> None:
    made, proctor = machine
    with serving(made) as url, httpx.Client(base_url=url, timeout=20) as anybody:
        path = "/api/2.0/mlflow/experiments/create"
        assert anybody.post(path, json={"name": "x"}).status_code == 401
        admin = ("admin", PASSWORD)
        experiment = anybody.post(path, json={"name": "x"}, auth=admin)
        assert experiment.status_code == 200, experiment.text
        run = {"experiment_id": experiment.json()["experiment_id"]}
        refused = anybody.post("/api/2.0/mlflow/runs/create", json=run, auth=admin)
        assert refused.status_code == 403
        assert "[training.preflight_valid]" in refused.json()["message"], "Proctor has answered, over TLS"
        models = "/api/2.0/mlflow/registered-models/create"
        assert anybody.post(models, json={"name": "fraud"}, auth=admin).status_code == 200
        forged = {"name": "forged", "tags": [{"key": "governance.status", "value": "approved"}]}
        assert anybody.post(models, json=forged, auth=admin).status_code == 403, "the registry's store is the gated one"
    assert {path.name for path in made.place("mlflow").iterdir()} >= {"mlflow.db", "auth.db"}
    _, found = proctor.call("GET", "/v1/decisions?limit=10")
    assert {(one["point"], one["outcome"]) for one in found["decisions"]} == {("mlflow-registry", "deny")}
