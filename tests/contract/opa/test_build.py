"""The bundle as a file: the same on every machine, and never half of one."""

from pathlib import Path

import pytest

from proctor.errors import PolicyError
from proctor.opa import bundle as bundles
from proctor.settings import PolicySettings
from tests.contract.opa import archives
from tests.contract.opa.conftest import Policies


def test_nothing_of_this_machine_gets_into_the_bundle(opa_binary: Path, policies: Policies, state_dir: Path) -> None:
    again = bundles.build(
        PolicySettings(), opa_binary, bundles.policy_dir(None), state_dir / "x" / "y", state_dir / "bundle.key", None
    )
    assert (again.revision, again.digest) == (policies.first.revision, policies.first.digest)
    one, other = archives.read(policies.first.path), archives.read(again.path)
    assert "/governance/main/main.rego" in one
    assert {name for name in one if one[name] != other.get(name)} == {"/.signatures.json"}, "signed by another key"
    assert one.keys() == other.keys()
    assert not any(b"/tmp/" in content or b"/home/" in content for content in one.values())


def test_a_bundle_that_is_built_again_takes_the_place_of_the_former_at_once(
    opa_binary: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(state_dir)  # relative paths are as good as absolute ones

    def build() -> bundles.BuiltBundle:
        return bundles.build(
            PolicySettings(), opa_binary, bundles.policy_dir(None), Path("bundles"), Path("keys", "bundle.key"), None
        )

    first = build()
    content = first.path.read_bytes()
    with first.path.open("rb") as reader:
        beginning = reader.read(100)
        assert build().path == first.path
        assert beginning + reader.read() == content, "who reads the former reads it to its end"
    found = {path.name for path in Path("bundles").iterdir()}
    assert found == {f"{first.revision}.tar.gz", "capabilities.json"}


def test_a_build_that_fails_leaves_the_former_bundle(opa_binary: Path, state_dir: Path) -> None:
    source = bundles.policy_dir(None)
    work, key = state_dir / "bundles", state_dir / "bundle.key"
    built = bundles.build(PolicySettings(), opa_binary, source, work, key, None)
    content = built.path.read_bytes()
    key.write_text("no key")
    with pytest.raises(PolicyError, match="signing key"):
        bundles.build(PolicySettings(), opa_binary, source, work, key, None)
    assert built.path.read_bytes() == content
    assert {path.name for path in work.iterdir()} == {built.path.name, "capabilities.json"}
