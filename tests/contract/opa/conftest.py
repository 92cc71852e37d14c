"""Signed bundles of the provided policy, built once, and what a test needs to count what a process has left."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proctor.opa import bundle as bundles
from proctor.opa.binary import FoundBinary
from proctor.opa.bundle import BuiltBundle
from proctor.settings import PolicySettings


@dataclass(frozen=True)
class Policies:
    """Two policies signed with the same key. Both differ in what they decide; the first is the starter profile."""

    first: BuiltBundle
    second: BuiltBundle


@pytest.fixture(scope="session")
def policies(opa_binary: Path) -> Iterator[Policies]:
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))
    source = bundles.policy_dir(None)
    try:
        built = [
            bundles.build(
                PolicySettings(profile=profile), opa_binary, source, folder / "b", folder / "k" / "bundle.key", None
            )
            for profile in ("starter", "strict")
        ]
        assert built[0].revision != built[1].revision
        yield Policies(*built)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def found_binary(opa_binary: Path) -> FoundBinary:
    return FoundBinary(opa_binary, "1.22.2", "of the tests")
