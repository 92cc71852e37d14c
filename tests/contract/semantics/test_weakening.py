"""A pack may be stricter than what was there before it. Whatever is weaker needs a grant of the root configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from proctor.errors import PolicyError
from proctor.opa import bundle, weakening
from proctor.opa.annotations import RuleAnnotation
from proctor.opa.packs import Pack, PackConfiguration
from proctor.settings import PolicySettings
from tests.contract.semantics import rules
from tests.contract.semantics.worlds import ROOT

PROVIDED = ROOT / "rego" / "governance" / "config" / "provided.yaml"
REASON = "the board decided so in its meeting of 3 March"
LIMITS = "deployment.resource_limits_set"
Check = Callable[..., None]

STRICTER: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a denial where there was a warning": {
        "actions": [{"environment": "dev", "severity": "medium", "rule": LIMITS, "action": "deny"}]
    },
    "more samples": {"thresholds": {"evaluation_samples": {"low": 200, "medium": 250, "high": 900, "critical": 1000}}},
    "a smaller difference": {"thresholds": {"fairness_gap": 0.01}},
    "a shorter waiver": {"waivers": {"registration.fairness_within_limits": 7}},
    "no waiver": {"waivers": {"registration.fairness_within_limits": False}},
    "names of its own": {"thresholds": {"bank_limit": 3}, "lists": {"bank_regions": ["eu"]}},
    "a list in another order": {"lists": {"protected_attributes": ["sex", "age"]}},
}  # fmt: skip

WEAKER: dict[str, tuple[dict[str, Any], str, str]] = {
    "a warning where there was a denial": (
        {"actions": [{"rule": "deployment.image_pinned", "tier": "low", "action": "warn"}]},
        "action deployment.image_pinned", "deny becomes warn at low/dev/",
    ),
    "a dry run where there was a warning": (
        {"actions": [{"rule": LIMITS, "environment": "dev", "severity": "medium", "action": "dryrun"}]},
        "action deployment.resource_limits_set", "becomes dryrun at",
    ),
    "fewer samples at one tier": (
        {"thresholds": {"evaluation_samples": {"low": 100, "medium": 250, "high": 499, "critical": 1000}}},
        "threshold evaluation_samples", "500 becomes 499 at the tier high",
    ),
    "a larger difference": ({"thresholds": {"fairness_gap": 0.3}}, "threshold fairness_gap", "becomes 0.3"),
    "one more place for images": (
        {"lists": {"image_registries": ["docker.io/kserve", "ghcr.io/mlflow", "registry.example.com", "evil.example"]}},
        "list image_registries", "it differs in evil.example",
    ),
    "one attribute less": ({"lists": {"protected_attributes": ["age"]}}, "list protected_attributes", "differs in sex"),
    "a longer waiver": (
        {"waivers": {"registration.fairness_within_limits": 31}},
        "waiver registration.fairness_within_limits", "30 days become 31",
    ),
    "a waiver of what could not be waived": (
        {"waivers": {"deployment.risk_tier_known": 1}}, "waiver deployment.risk_tier_known", "0 days become 1",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def check(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Return what checks packs with these configurations, on top of the provided rules."""
    stage = tmp_path_factory.mktemp("provided") / "stage"
    provided = bundle.lay_out(PolicySettings(profile="strict"), opa_binary, ROOT / "rego", stage).rules

    def source_of(rule: RuleAnnotation) -> str:
        return (stage / rule.file).read_text(encoding="utf-8")

    def checked(*packs: dict[str, Any], grants: dict[str, str] | None = None) -> None:
        made = [Pack(f"pack{n}", frozenset(), PackConfiguration.model_validate(p)) for n, p in enumerate(packs, 1)]
        given = [{"pack": pack, "weakens": name, "reason": REASON} for name, pack in (grants or {}).items()]
        own = PolicySettings.model_validate({"grants": given})
        weakening.check(PROVIDED, own, made, provided, source_of)

    return checked


@pytest.mark.parametrize("pack", STRICTER.values(), ids=STRICTER.keys())
def test_what_is_stricter_needs_no_grant(pack: dict[str, Any], check: Check) -> None:
    check(pack)


@pytest.mark.parametrize(("pack", "name", "detail"), WEAKER.values(), ids=WEAKER.keys())
def test_row_07_what_is_weaker_is_refused_by_name_unless_it_is_granted(
    pack: dict[str, Any], name: str, detail: str, check: Check
) -> None:
    with pytest.raises(PolicyError) as refused:
        check(pack)
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(f"pack1 weakens {name}: ")
    assert detail in refused.value.problems[0]
    check(pack, grants={name: "pack1"})
    with pytest.raises(PolicyError, match="pack2 does not weaken"):
        check(pack, grants={name: "pack2"})


def test_a_grant_of_something_else_grants_nothing_and_is_refused_itself(check: Check) -> None:
    with pytest.raises(PolicyError) as refused:
        check(WEAKER["a larger difference"][0], grants={"threshold fairness_samples": "pack1"})
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "pack1 weakens threshold fairness_gap",
        "policy.grants",
    ]


def test_a_pack_may_not_weaken_what_another_pack_made_stricter(check: Check) -> None:
    stricter, back = {"thresholds": {"fairness_gap": 0.01}}, {"thresholds": {"fairness_gap": 0.05}}
    check(stricter, {"thresholds": {"fairness_gap": 0.005}})
    with pytest.raises(PolicyError, match=r"pack2 weakens threshold fairness_gap: 0\.01 becomes 0\.05"):
        check(stricter, back)


def test_where_nobody_can_tell_what_is_stricter_no_change_is_free(check: Check) -> None:
    own = {"thresholds": {"bank_limit": 3}}
    for value in (2, 4):
        with pytest.raises(PolicyError, match="pack2 weakens threshold bank_limit"):
            check(own, {"thresholds": {"bank_limit": value}})


def _pack(folder: Path, configuration: dict[str, Any]) -> Path:
    pack = rules.write(folder / "bank", {"later": rules.SOUND["later"]})
    (pack / "configuration.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return pack


def test_the_build_refuses_and_with_a_grant_takes_it(opa_binary: Path, tmp_path: Path) -> None:
    own_rule = {"rule": "deployment.later", "action": "warn"}
    pack = _pack(
        tmp_path,
        {"actions": [own_rule], "waivers": {"deployment.image_pinned": False}, "thresholds": {"fairness_gap": 0.3}},
    )

    def built(stage: str, **policy: Any) -> dict[str, Any]:
        settings = PolicySettings.model_validate({"packs": [pack], "profile": "strict", **policy})
        return bundle.lay_out(settings, opa_binary, ROOT / "rego", tmp_path / stage).document

    with pytest.raises(PolicyError, match="bank weakens threshold fairness_gap"):
        built("refused")
    grant = {"pack": "bank", "weakens": "threshold fairness_gap", "reason": REASON}
    document = built("granted", grants=[grant])
    assert document["grants"] == [grant]
    assert document["rules"]["deployment.image_pinned"]["waivable"] is False
    table = document["actions"]["tables"][document["actions"]["by"]["low"]["prod"]["ci"]]
    assert table["deployment.later"] == "warn", "what its own rules do is the pack's business"


@pytest.mark.parametrize(
    ("text", "problem"),
    {
        "environments: [moon]": "environments: Extra inputs are not permitted",
        "actions: [{action: off}]": "actions.0.action",
        "waivers: {deployment.image_pinned: -1}": "waivers.deployment.image_pinned",
        "thresholds: {limit: yes}": "thresholds.limit",
        "[1": "while parsing",
        "x" * 1_000_001: "larger than 1000000 bytes",
    }.items(),
    ids=["not its own", "an unknown action", "no days", "a truth as a number", "no YAML", "too large"],
)  # fmt: skip
def test_a_wrong_configuration_is_named(text: str, problem: str, opa_binary: Path, tmp_path: Path) -> None:
    pack = _pack(tmp_path, {})
    (pack / "configuration.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as refused:
        bundle.lay_out(PolicySettings(packs=[pack]), opa_binary, ROOT / "rego", tmp_path / "stage")
    assert any(line.startswith("configuration.yaml: ") and problem in line for line in refused.value.problems)
