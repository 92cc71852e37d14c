"""What every test can rely on: a real OPA and Regal, a private state directory, and rules about sockets.

Unit tests open no sockets but Unix ones. Tests below `tests/contract`, `tests/faults`, `tests/bench` and `tests/e2e`
get the marker of their folder and may talk to this machine over loopback, and to nothing else.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import spreading
from tests.live import postgres

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = ["127.0.0.1", "::1"]
FOLDER_MARKERS = {"contract": "contract", "faults": "faults", "bench": "bench", "e2e": "e2e"}
SOCKET_MARKERS = (*FOLDER_MARKERS.values(), "docker")
EACH_DATABASE = tuple(
    f"engine/{name}" for name in ("alerts", "audit", "identity", "inventory", "ledger", "oversight", "store")
)
"""Folders whose tests with a `state_dir` run on SQLite and on PostgreSQL, but for those marked `sqlite`."""

# Two busy cores make time limits for single examples meaningless; pytest-timeout watches whole tests. In CI the
# examples are the same in every run, so that a red run can be repeated.
hypothesis.settings.register_profile("proctor", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("proctor")


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the marker of its folder, and sockets to those that may have them."""
    if hasattr(config, "workerinput"):  # one of several processes
        spreading.longest_first(items)
    misplaced = []
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0] if item.path.is_relative_to(ROOT / "tests") else ""
        if folder in FOLDER_MARKERS:
            item.add_marker(FOLDER_MARKERS[folder])
        elif any(item.get_closest_marker(name) for name in SOCKET_MARKERS):
            misplaced.append(item.nodeid)
        if any(item.get_closest_marker(name) for name in SOCKET_MARKERS):
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))
    if misplaced:
        raise pytest.UsageError(
            "These tests carry a marker that opens sockets outside the folders that are for it "
            f"({', '.join(FOLDER_MARKERS)}): " + ", ".join(misplaced)
        )


@pytest.hookimpl(optionalhook=True)  # `-p no:xdist` is allowed
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep together what shares its fixtures, whatever --dist says."""
    return spreading.scheduler(config, log)


@pytest.fixture(scope="session")
def opa_binary() -> Path:
    """Path of a real OPA of the pinned version: `PROCTOR_OPA_BIN`, else `.cache/bin/opa`, else PATH. Never skips."""
    return _tool("opa")


@pytest.fixture(scope="session")
def regal_binary() -> Path:
    """Path of a real Regal, looked for like `opa_binary`. An empty `PROCTOR_REGAL_BIN` says that there is none."""
    if os.environ.get("PROCTOR_REGAL_BIN") == "":
        pytest.skip("Regal is neither on PATH nor can it be built: install Go >= 1.26 or Regal")
    return _tool("regal")


def _tool(name: str) -> Path:
    variable = f"PROCTOR_{name.upper()}_BIN"
    built = ROOT / ".cache" / "bin" / name
    path = os.environ.get(variable) or (str(built) if built.exists() else shutil.which(name))
    if path is None:
        pytest.fail(f"No {name}: {variable} is not set, {built} does not exist, PATH has none. Run `make {name}`.")
    pinned = re.search(rf"/{name} v(\S+)", (ROOT / "tools" / name / "go.mod").read_text(encoding="utf-8"))
    assert pinned is not None, f"tools/{name}/go.mod names no version"
    version = subprocess.run([path, "version"], capture_output=True, text=True, timeout=20, check=True).stdout
    found = re.search(r"^Version:\s+(\S+)", version, re.MULTILINE)
    # A Regal that was built without our linker flag calls itself "unknown".
    if found is None or found[1] not in {pinned[1], f"v{pinned[1]}", "unknown"}:
        pytest.fail(
            f"{path} is {found[1] if found else 'no'} {name}; the tests hold for {pinned[1]}. Run `make {name}`."
        )
    return Path(path)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """Return a PostgreSQL server that hands out databases; started when the first test needs it."""
    with postgres.serving() as server:
        yield server


@pytest.fixture
def state_dir(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return an empty state directory, private to this user, with a path short enough for Unix sockets (107 bytes).

    `tests.live.postgres.url_of` tells which database belongs to it.
    """
    path = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # TMPDIR may be long
    try:
        if getattr(request, "param", "sqlite") == "sqlite":
            yield path
        else:
            server: postgres.Server = request.getfixturevalue("postgresql")
            with server.database() as url, postgres.beside(path, url):
                yield path
    finally:
        shutil.rmtree(path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let tests of what is stored run on each database."""
    folder = metafunc.definition.path.parent
    wanted = folder.is_relative_to(ROOT / "tests") and str(folder.relative_to(ROOT / "tests")) in EACH_DATABASE
    marked = metafunc.definition.get_closest_marker
    if "state_dir" in metafunc.fixturenames and not marked("sqlite") and (wanted or marked("each_database")):
        metafunc.parametrize("state_dir", ["sqlite", "postgresql"], indirect=True)
