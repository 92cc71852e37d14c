"""`proctor check` against a real server and a real gate: it says what they say, and opens nothing."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import mlflow
import pytest

import proctor
from proctor.cli import main
from proctor.notebook import environment
from tests.contract.lifecycle import test_catalog as catalog
from tests.contract.mlflow.conftest import Data, World
from tests.contract.mlflow.test_story import refused, rules
from tests.contract.mlflow.test_ways_around import train, versions
from tests.engine.notebook import sites

# Third parties' own deprecations are not ours to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]
NAME = "ahead"
TRAINING = ("training", "--purpose", "fraud-detection", "-d", "s3://lake/payments@7", "--seed", "7")
GATE_ONLY = {
    "registration.card_complete", "registration.performance_sufficient", "registration.validator_independent",
    "registration.lineage_complete", "registration.signature_present", "registration.preflight_allowed",
    "data.dataset_version_pinned",
}  # fmt: skip


def check(world: World, key: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `proctor check` as whoever has the key; return exit code, the decision and what was said beside it."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("PROCTOR_URL", catalog.url(world.proctor))
        patch.setenv("PROCTOR_API_KEY", key)
        code = main.run(["check", *arguments, "-o", "json"])
    found = json.loads(out.getvalue()) if out.getvalue() else None
    return code, found[0] if isinstance(found, list) else found, err.getvalue()


def blocking(decision: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["rule"]: finding for finding in decision["findings"] if finding["effect"] in {"deny", "ask"}}


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, str]:
    """Return a key of alice's for the point `ci` alone, and one for notebooks alone."""
    world.emit(ownership=catalog.owners("team:payments"), tags=catalog.tags(**catalog.GOOD))
    with world.as_user("alice"):
        catalog.eventually(lambda: proctor.preflight(**world.plan()).allowed)
    found = {}
    for point in ("ci", "notebook"):
        key = {"principal": world.ids["alice"], "roles": ["requester"], "points": [point], "environments": ["dev"]}
        found[point] = world.proctor.made("/v1/keys", key)["key"]
    return found


def test_an_allowed_check_of_a_training_starts_no_run(world: World, keys: dict[str, str]) -> None:
    folder = ("--folder", str(world.repository))
    code, decision, err = check(world, keys["ci"], *TRAINING, *folder)
    assert (code, decision["outcome"], decision["point"]) == (0, "allow", "ci"), err
    assert decision["actor"] == world.ids["alice"]
    with world.as_user("alice"):
        mlflow.set_experiment(NAME)
        text = refused(lambda: mlflow.start_run(tags={"governance.preflight": decision["id"]}))
        assert rules(text) == {"training.preflight_valid"}
        preflight = proctor.preflight(**world.plan())
        with mlflow.start_run(tags={"governance.preflight": preflight.id}):
            pass


def test_a_check_of_a_training_says_what_the_notebook_says(world: World, keys: dict[str, str]) -> None:
    folder = ("--folder", str(world.repository))
    for changes, options in (
        ({"purpose": "churn"}, ("--purpose", "churn")),
        ({"datasets": ["s3://lake/unknown@1"]}, ("-d", "s3://lake/unknown@1")),
        ({"seed": None}, ()),
    ):
        with world.as_user("alice"):
            refusal = proctor.preflight(**world.plan(**changes)).decision
        plan = ["training", "--purpose", "fraud-detection", *folder]
        plan += [] if "seed" in changes else ["--seed", "7"]
        plan += [] if "datasets" in changes else ["-d", "s3://lake/payments@7"]
        code, decision, _ = check(world, keys["ci"], *plan, *options)
        assert (code, decision["outcome"]) == (1, "deny")
        assert {rule: one["status"] for rule, one in blocking(decision).items()} == {
            rule: one["status"] for rule, one in blocking(dict(refusal)).items()
        }


def test_packages_that_can_change_stop_a_training_and_its_check_and_are_named(
    world: World, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites.install(tmp_path, "mine", origin={"url": "file:///mine", "dir_info": {}})
    monkeypatch.setattr(environment, "distributions", lambda: sites.found(tmp_path))
    with world.as_user("alice"):
        preflight = proctor.preflight(**world.plan())
    code, decision, err = check(world, keys["ci"], *TRAINING, "--folder", str(world.repository))
    assert code == 1
    assert set(blocking(decision)) == set(blocking(dict(preflight.decision))) == {"training.recipe_recorded"}
    for text in (err, str(preflight)):
        assert "mine: it was installed from a local folder" in text


def test_a_check_needs_a_credential_that_may_ask_at_ci(world: World, keys: dict[str, str]) -> None:
    for arguments in (TRAINING, ("dataset", "s3://lake/payments@7", "--purpose", "fraud-detection")):
        code, decision, _ = check(world, keys["notebook"], *arguments)
        assert (code, decision["reason"]) == (1, "not_permitted")
    code, decision, _ = check(world, keys["ci"], *TRAINING, "--environment", "prod")
    assert (code, decision["reason"]) == (1, "not_permitted")


def test_a_dataset_is_judged_by_the_rules_on_data_for_a_purpose(world: World, keys: dict[str, str]) -> None:
    for spelt, purpose, denied in (
        ("s3a://Lake/payments/@7", "fraud-detection", set()),
        (f"{catalog.PAYMENTS.urn}@7", "fraud-detection", set()),
        ("s3://lake/payments@7", "churn", {"data.consent_covers_purpose", "data.purpose_compatible"}),
        ("s3://lake/payments", "fraud-detection", {"data.dataset_version_pinned"}),
    ):
        code, decision, err = check(world, keys["ci"], "dataset", spelt, "--purpose", purpose)
        assert set(blocking(decision)) == denied, err
        assert code == (1 if denied else 0)
    code, decision, _ = check(world, keys["ci"], "dataset", "s3://lake/unknown@1", "--purpose", "fraud-detection")
    assert code == 1
    assert blocking(decision)["data.dataset_registered"]["status"] == "fail"
    assert blocking(decision)["data.dataset_owned"]["status"] == "not_evaluable"


def test_a_model_is_judged_by_what_proctor_knows_and_the_rest_is_the_gates(
    world: World, data: Data, keys: dict[str, str]
) -> None:
    _, info, _ = train(world, data, "alice", NAME)
    with world.as_user("alice"):
        version = mlflow.register_model(info.model_uri, NAME).version
    catalog.eventually(lambda: version in versions(world, NAME))
    before = versions(world, NAME)[version]
    code, decision, err = check(world, world.keys["alice"], "model", NAME, str(version), "--alias", "champion")
    assert (code, decision["outcome"], decision["environment"]) == (1, "deny", "prod"), err
    found = blocking(decision)
    assert set(found) == GATE_ONLY
    for rule, finding in found.items():
        assert finding["status"] == "not_evaluable", rule
        assert "only the gate in MLflow sees it" in finding["message"], rule
    assert {fact["group"] for fact in decision["facts"]} >= {"models/0/artifact", "datasets/0/consent"}
    assert versions(world, NAME)[version] == before, "nothing follows from a check"


def test_a_model_that_proctor_does_not_know_is_not_allowed_either(world: World, keys: dict[str, str]) -> None:
    code, decision, err = check(world, keys["ci"], "model", "nobody", "1", "--environment", "dev")
    assert (code, decision["outcome"]) == (1, "deny")
    assert "Proctor knows no version nobody/1" in err
    assert blocking(decision)["registration.files_hashed"]["status"] == "not_evaluable"
    assert "MLflow" not in blocking(decision)["registration.files_hashed"]["message"]
