import json
import subprocess
from pathlib import Path

import pytest

from proctor.cli import scaffold
from proctor.errors import UsageError
from proctor.opa import bundle
from proctor.settings import PolicySettings


def test_a_rule_in_a_pack_claims_its_root_beside_the_others(tmp_path: Path) -> None:
    scaffold.write(tmp_path, "deployment", "one_rule", pack=True)
    files = scaffold.write(tmp_path, "deployment", "another_rule", pack=True)
    assert [path.relative_to(tmp_path).as_posix() for path in files] == [
        "governance/rules/deployment/another_rule/another_rule.rego",
        "governance/rules/deployment/another_rule/another_rule_test.rego",
        ".manifest",
    ]
    roots = json.loads((tmp_path / ".manifest").read_text())["roots"]
    assert roots == ["governance/rules/deployment/another_rule", "governance/rules/deployment/one_rule"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    scaffold.write(tmp_path, "deployment", "one_rule", pack=False)
    with pytest.raises(UsageError, match="exists"):
        scaffold.write(tmp_path, "deployment", "one_rule", pack=False)
    assert not (tmp_path / ".manifest").exists()


@pytest.mark.parametrize("name", ["", "A", "1x", "a-b", "../x", "a/b", "a" * 65, "a b", "x\n"])
def test_names_that_are_no_rule_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        scaffold.write(tmp_path, "deployment", name, pack=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", ["", "nonsense", "../x"])
def test_a_stage_without_facts_is_refused(tmp_path: Path, stage: str) -> None:
    with pytest.raises(UsageError, match="no facts"):
        scaffold.write(tmp_path, stage, "one_rule", pack=False)


@pytest.mark.parametrize("stage", scaffold.STAGES)
def test_the_templates_build_and_pass_their_own_tests(tmp_path: Path, opa_binary: Path, stage: str) -> None:
    scaffold.write(tmp_path / "pack", stage, "one_rule", pack=True)
    settings, policy = PolicySettings(packs=[tmp_path / "pack"]), tmp_path / "policy"
    laid_out = bundle.lay_out(settings, opa_binary, bundle.policy_dir(None), policy)
    assert f"{stage}.one_rule" in laid_out.document["rules"]
    done = subprocess.run(
        [opa_binary, "test", policy, *(tmp_path / "pack").rglob("*_test.rego")],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert "PASS: 3/3" in done.stdout, done.stdout + done.stderr
    formatted = subprocess.run(
        [opa_binary, "fmt", "--list", tmp_path / "pack"], capture_output=True, text=True, check=False, timeout=30
    )
    assert formatted.stdout == ""


def test_a_pack_gets_a_sample_of_the_stage_and_keeps_its_own(tmp_path: Path) -> None:
    samples = bundle.policy_dir(None) / "samples" / "inputs"
    files = scaffold.write(tmp_path, "training", "one_rule", pack=True, samples=samples)
    sample = tmp_path / "samples" / "inputs" / "one_rule.json"
    assert files[-1] == sample
    assert sample.read_bytes() == (samples / "training.json").read_bytes()
    (tmp_path / "samples" / "inputs" / "two_rule.json").write_text("{}")
    scaffold.write(tmp_path, "training", "two_rule", pack=True, samples=samples)
    assert (tmp_path / "samples" / "inputs" / "two_rule.json").read_text() == "{}"
