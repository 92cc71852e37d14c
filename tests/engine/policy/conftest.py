"""A small policy for tests about packs: what they prove does not need the whole library beside the pack's own rule."""

import shutil
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.engine.policy import packs

_KEPT: Final = frozenset(
    {"deployment/model_registered", "deployment/deployer_is_not_author", "registration/serialisation_safe"}
)
"""Rules to stand beside a pack's own."""


@pytest.fixture(scope="session")
def small_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the provided policy with three of its rules and one sample.

    A decision, a build and a sample each cost what the rules cost that there are; so these tests stay as fast as they
    are while the library grows.
    """
    folder = tmp_path_factory.mktemp("small") / "rego"
    shutil.copytree(packs.ROOT / "rego", folder)
    rules = folder / "governance" / "rules"
    for rule in rules.glob("*/*"):
        if rule.relative_to(rules).as_posix() not in _KEPT:
            shutil.rmtree(rule)
    for sample in (folder / "samples" / "inputs").glob("*.json"):
        if sample.stem != "deployment":
            sample.unlink()
    configured = folder / "governance" / "config" / "provided.yaml"
    document = yaml.safe_load(configured.read_text(encoding="utf-8"))
    kept = {code.replace("/", ".") for code in _KEPT}
    document["actions"] = [entry for entry in document["actions"] if entry.get("rule", "*") in {"*", *kept}]
    configured.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    assert len([*rules.glob("*/*")]) == len(_KEPT)
    return folder
