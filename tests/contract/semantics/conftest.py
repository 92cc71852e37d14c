"""One running Proctor for each policy that the tests in this folder need, for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proctor.opa import soundness
from tests.contract.semantics import rules
from tests.contract.semantics.worlds import World, world


@pytest.fixture(scope="session")
def provided(opa_binary: Path) -> Iterator[World]:
    """A Proctor with the provided policy, profile `strict`."""
    with world(opa_binary) as made:
        yield made


@pytest.fixture(scope="session")
def packed(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Proctor whose policy has rules of the tests beside the provided ones, all of which the build accepts."""
    pack = rules.write(tmp_path_factory.mktemp("packed") / "pack", rules.SOUND)
    with world(opa_binary, {"packs": [pack], **rules.CONFIGURATION}) as made:
        yield made


@pytest.fixture(scope="session")
def careless(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Proctor with rules that the build would refuse: what is left when that line of defence is gone."""
    pack = rules.write(tmp_path_factory.mktemp("careless") / "pack", rules.CARELESS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "check", lambda *_: None)
        patch.setattr(soundness, "configuration_names", lambda _: [])
        with world(opa_binary, {"packs": [pack]}) as made:
            yield made
