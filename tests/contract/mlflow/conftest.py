"""One Proctor and one gated MLflow for the folder: both take seconds to start."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proctor.notebook import environment
from tests.contract.lifecycle import test_catalog as catalog
from tests.engine.notebook import sites
from tests.live.registry import ADMIN, MlflowServer, running_mlflow
from tests.live.server import ProctorServer, running

_RISK = {"exposure": "internal", "autonomy": "supervised"}
CONFIGURATION = {"policy": {"profile": "starter", "purposes": {"fraud-detection": _RISK, "cheque-reading": _RISK}}}
"""Two purposes: the tests' own, and that of examples/notebook.ipynb. Rules on what no adapter delivers only warn."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the story come first of this folder: it begins with an empty catalog, and the server is one for all."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if here in item.path.parents]
    ordered = sorted((items[place] for place in places), key=lambda item: item.path.name != "test_story.py")
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@dataclass
class World:
    """Everything that a data scientist meets, and the people who do."""

    proctor: ProctorServer
    mlflow: MlflowServer
    repository: Path
    gate: str
    """Principal of MLflow's own key."""
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def person(self, name: str, **grants: Any) -> None:
        """Add a person with an MLflow login and an API key."""
        self.link(name, **grants)
        self.mlflow.user(name)

    def link(self, name: str, **grants: Any) -> None:
        """Add a person with an API key who is `name` in MLflow."""
        grants = {"purposes": ["*"], "data_classes": ["*"]} | grants
        body = {"kind": "person", "name": name.title(), "roles": ["requester"], **grants}
        self.ids[name] = self.proctor.made("/v1/principals", body)["id"]
        self.proctor.made(f"/v1/principals/{self.ids[name]}/aliases", {"system": "mlflow", "name": name})
        key = {"principal": self.ids[name], "roles": ["requester"], "points": ["*"], "environments": ["*"]}
        self.keys[name] = self.proctor.made("/v1/keys", key)["key"]

    @contextmanager
    def as_user(self, name: str) -> Iterator[None]:
        """Be `name` for MLflow's client and for Proctor's notebook API."""
        values = self.mlflow.credentials(name)
        values |= {"PROCTOR_URL": catalog.url(self.proctor), "PROCTOR_API_KEY": self.keys.get(name, "")}
        before = {key: os.environ.get(key) for key in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for key, value in before.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})

    def plan(self, **changes: Any) -> dict[str, Any]:
        """Return the arguments of `proctor.training`."""
        plan = {
            "purpose": "fraud-detection", "datasets": ["s3://lake/payments@7"], "seed": 7, "folder": self.repository
        }  # fmt: skip
        return plan | changes

    def violations(self) -> dict[str, Any]:
        """Return the open violations by kind."""
        _, found = self.proctor.call("GET", "/v1/violations?open=true")
        return {one["kind"]: one for one in found["violations"]}

    def emit(self, **facets: Any) -> None:
        """Let the catalog speak, now."""
        catalog.client(self.proctor, self.keys["catalog"]).emit(catalog.event(datetime.now(UTC), **facets))


@pytest.fixture(scope="package", autouse=True)
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let trainings run in an environment that can be installed again, which a developer's own mostly can't."""
    site = tmp_path_factory.mktemp("site")
    sites.install(site, "scikit-learn", "1.7.2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "distributions", lambda: sites.found(site))
        yield


@pytest.fixture(scope="package")
def world(opa_binary: Path) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as name:
        folder = Path(name)
        state = folder / "p"
        state.mkdir()
        proctor = ProctorServer(state, opa_binary, CONFIGURATION)
        with running(proctor):
            gate = proctor.made("/v1/principals", {"kind": "service", "name": "mlflow", "roles": ["gate"]})["id"]
            key = {"principal": gate, "roles": ["gate"], "points": ["mlflow-registry"], "environments": ["*"]}
            environment = {
                "PROCTOR_SOCKET": proctor.socket, "PROCTOR_API_KEY": proctor.made("/v1/keys", key)["key"],
                "PROCTOR_REVERIFY_SECONDS": "1",
            }  # fmt: skip
            with running_mlflow(MlflowServer(folder / "m", environment)) as mlflow:
                repository = folder / "source"
                repository.mkdir()
                git = ["git", "-c", "user.email=a@example.com", "-c", "user.name=a", "-C", str(repository)]
                subprocess.run([*git, "init", "-q"], check=True)
                subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
                found = World(proctor, mlflow, repository, gate)
                for person in ("alice", "victor", "mallory"):
                    found.person(person)
                _catalog(found)
                yield found


def _catalog(world: World) -> None:
    made = world.proctor.made
    service = made("/v1/principals", {"kind": "service", "name": "catalog", "roles": ["gate"]})["id"]
    olga = made("/v1/principals", {"kind": "person", "name": "Olga"})["id"]
    made(f"/v1/principals/{olga}/aliases", {"system": "catalog", "name": "team:payments"})
    asserts = [f"datasets/*/{group}" for group in catalog.GROUPS]
    key = {"principal": service, "roles": ["gate"], "kind": "catalog", "asserts": asserts}
    world.keys["catalog"] = made("/v1/keys", key)["key"]


@dataclass(frozen=True)
class Data:
    """Data for a real training: two clouds that a line tells apart, mostly."""

    features: Any
    labels: Any


@pytest.fixture(scope="package")
def data() -> Data:
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 2, 800)
    features = generator.normal(size=(800, 4)) + labels[:, None] * 1.5
    return Data(features, labels)


__all__ = ["ADMIN"]
