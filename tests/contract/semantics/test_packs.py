"""A pack adds rules. Whatever would weaken a rule, a library or the aggregator is refused by the build."""

import json
from pathlib import Path

import pytest

from proctor.errors import PolicyError
from proctor.opa import bundle
from proctor.settings import PolicySettings
from tests.contract.semantics import rules
from tests.contract.semantics.worlds import ROOT

MINE = "governance/rules/deployment/later"
THEIRS = "governance/rules/deployment/model_registered"
_ALL = '\ncompliant contains ["models", i] if some i, _ in input.facts.models\n'
_REGISTERED = "package governance.rules.deployment.model_registered\n"
WEAKENING: dict[str, tuple[str, str, str]] = {
    "a second file of a provided rule": (f"{THEIRS}/more.rego", _REGISTERED + _ALL, "a rule stands at"),
    "a provided rule again": (f"{THEIRS}/model_registered.rego", _REGISTERED + _ALL, "this rule already exists"),
    "a provided rule's package in a file of its own": (f"{MINE}/later.rego", _REGISTERED + _ALL, "more than one file"),
    "a package below a provided rule": (f"{MINE}/later.rego", _REGISTERED.replace("\n", ".more\n") + _ALL, "match"),
    "the aggregator": ("governance/main/more.rego", "package governance.main\n", "a rule stands at"),
    "the aggregator in a rule's file": (
        f"{MINE}/later.rego", 'package governance.main\n\n_outcome := "allow"\n', "more than one file",
    ),
    "a library": (
        f"{MINE}/later.rego", "package governance.lib.evidence\n\nproven(_, _, _, _) := true\n", "more than one file",
    ),
    "a library of its own": (f"{MINE}/later.rego", "package governance.lib.mine\n", "does not match its folder"),
    "the configuration": (f"{MINE}/later.rego", "package governance.config\n\nlist(_) := []\n", "more than one file"),
    "the dispatch": (f"{MINE}/later.rego", "package governance.main.dispatch\n", "does not match its folder"),
    "who may ask": (f"{MINE}/later.rego", "package system.authz\n\nallow := true\n", "more than one file"),
    "what is logged": (f"{MINE}/later.rego", "package system.log\n\ndrop := true\n", "is not a package of the policy"),
    "another root": (f"{MINE}/later.rego", "package mine\n", "is not a package of the policy"),
    "data": (f"{MINE}/data.json", '{"governance": {"index": {"rules": {}}}}', "no data"),
    "data in YAML": ("data.yaml", "governance: {index: {rules: {}}}", "no data"),
    "data of the index": ("governance/index/data.json", "{}", "no data"),
    "a compiled policy": ("policy.wasm", "", "no data"),
    "a rule that its manifest does not list": (
        "governance/rules/deployment/other/other.rego",
        rules.SOUND["later"].text("other"), "does not list the root",
    ),
}  # fmt: skip


def _pack(folder: Path) -> Path:
    return rules.write(folder / "pack", {"later": rules.SOUND["later"]})


def _built(pack: Path, opa: Path, stage: Path) -> bundle.LaidOut:
    return bundle.lay_out(PolicySettings(profile="strict", packs=[pack]), opa, ROOT / "rego", stage)


def test_row_07_a_pack_that_only_adds_is_taken(opa_binary: Path, tmp_path: Path) -> None:
    assert "deployment.later" in _built(_pack(tmp_path), opa_binary, tmp_path / "stage").document["rules"]


@pytest.mark.parametrize(("file", "text", "problem"), WEAKENING.values(), ids=WEAKENING.keys())
def test_row_07_a_pack_that_touches_what_is_not_its_own_is_refused(
    file: str, text: str, problem: str, opa_binary: Path, tmp_path: Path
) -> None:
    """OPA alone takes all of these: one more rule of a package that exists is an `or`."""
    pack = _pack(tmp_path)
    path = pack / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(PolicyError, match=problem):
        _built(pack, opa_binary, tmp_path / "stage")


def test_row_07_tests_and_samples_of_a_pack_stay_out_of_the_bundle(opa_binary: Path, tmp_path: Path) -> None:
    """A test in the package of a rule would be a second body of it."""
    pack = _pack(tmp_path)
    (pack / MINE / "later_test.rego").write_text("package governance.rules.deployment.later\n" + _ALL)
    sample = pack / "samples" / "inputs" / "sample.json"
    sample.parent.mkdir(parents=True)
    sample.write_text(json.dumps({"governance": {"index": {}}}))
    _built(pack, opa_binary, tmp_path / "stage")
    names = {path.name for path in (tmp_path / "stage").rglob("*") if path.is_file()}
    assert "later.rego" in names
    assert not {"later_test.rego", "sample.json"} & names
