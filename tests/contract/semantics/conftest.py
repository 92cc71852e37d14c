"""One running Proctor for each policy that the tests in this folder need, for the whole session."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from proctor.opa import soundness
from tests.contract.semantics import rules
from tests.contract.semantics.worlds import World, world
from tests.live.server import wait_for


@pytest.fixture(scope="session")
def provided(opa_binary: Path) -> Iterator[World]:
    """Yield a Proctor with the provided policy, profile `strict`."""
    with world(opa_binary) as made:
        yield made


@pytest.fixture(scope="session")
def packed(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a Proctor with rules of the tests beside the provided ones, all of which the build accepts."""
    pack = rules.write(tmp_path_factory.mktemp("packed") / "pack", rules.SOUND)
    with world(opa_binary, {"packs": [pack], **rules.CONFIGURATION}) as made:
        yield made


@pytest.fixture(scope="session")
def careless(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a Proctor with rules that the build would refuse: what is left when that line of defence is gone."""
    pack = rules.write(tmp_path_factory.mktemp("careless") / "pack", rules.CARELESS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "check", lambda *_: None)
        patch.setattr(soundness, "configuration_names", lambda _: [])
        with world(opa_binary, {"packs": [pack]}) as made:
            patch.undo()  # the rest of the session builds with its checks
            yield made


@pytest.fixture(scope="session")
def unguarded(provided: World, opa_binary: Path) -> Iterator[str]:
    """Yield the socket of an OPA with the provided bundle that anybody may ask anything, and that is not strict."""
    with tempfile.TemporaryDirectory(prefix="prc-", dir="/tmp") as folder:  # a socket's path has at most 107 bytes
        path = Path(folder) / "opa.sock"
        command = [
            str(opa_binary), "run", "--server", "--addr", f"unix://{path}", "--bundle", str(provided.bundle.path),
            "--verification-key", str(provided.bundle.public_key_path), "--signing-alg", "ES256",
            "--skip-version-check", "--log-level", "error",
        ]  # fmt: skip
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                wait_for(path.exists, 20, (Path(folder) / "log").read_text)
                yield str(path)
            finally:
                process.kill()
                process.wait()
