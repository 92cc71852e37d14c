"""`proctor check training|model|dataset`: what is asked, and what the shell is told."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proctor.notebook import plan
from proctor.vocabulary.datasets import canonical
from proctor.vocabulary.request import DecisionRequest
from tests.engine.cli.conftest import Api
from tests.engine.cli.decisions import decision

Proctor = Callable[..., tuple[int, str, str]]
MODEL = "/v1/adapters/mlflow/check"
PAYMENTS = canonical("s3://lake", "payments")
CODES = {"allow": 0, "deny": 1, "error": 3, "require_approval": 4}
COMMANDS = {
    "training": ("training", "--purpose", "fraud", "-d", "s3://lake/payments@7"),
    "dataset": ("dataset", "s3://lake/payments@7", "--purpose", "fraud"),
    "model": ("model", "fraud", "3", "--alias", "champion"),
}


def answer(api: Api, outcome: str = "allow", **reply: Any) -> None:
    api.on("POST", "/v1/decisions", decision(outcome))
    api.on("POST", MODEL, {"decisions": [decision(outcome)], "notes": []} | reply)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("outcome", "code"), CODES.items())
def test_each_check_has_the_exit_codes_and_outputs_of_all(
    api: Api, proctor: Proctor, command: str, outcome: str, code: int, tmp_path: Path
) -> None:
    answer(api, outcome)
    forms = [f"{form}={tmp_path / form}" for form in ("json", "junit", "sarif", "github", "markdown")]
    got, out, err = proctor("check", *COMMANDS[command], *(word for form in forms for word in ("-o", form)))
    assert (got, out) == (code, ""), err
    assert all((tmp_path / form.partition("=")[0]).stat().st_size for form in forms)
    got, out, _ = proctor("check", *COMMANDS[command])
    assert got == code
    assert "dec_" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_but_a_decision_counts_as_one(api: Api, proctor: Proctor, command: str) -> None:
    api.on("POST", "/v1/decisions", {"outcome": "allow"})
    api.on("POST", MODEL, {"decisions": [{"outcome": "allow"}]})
    assert proctor("check", *COMMANDS[command])[0] == 3
    api.on("POST", MODEL, {"allowed": True})
    if command == "model":
        assert proctor("check", *COMMANDS[command])[0] == 3


def test_a_training_is_asked_about_as_the_notebook_asks_but_at_ci(api: Api, proctor: Proctor, tmp_path: Path) -> None:
    answer(api)
    git = ["git", "-c", "user.email=a@example.com", "-c", "user.name=a", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    planned = ("--environment", "staging", "--seed", "7", "--folder", str(tmp_path), "--name", "nightly")
    assert proctor("check", *COMMANDS["training"], "-d", "s3://lake/accounts", *planned)[0] == 0
    asked = api.body()
    DecisionRequest.model_validate_json(json.dumps(asked))
    notebook = plan.request(
        purpose="fraud", datasets=[plan.dataset(one) for one in ("s3://lake/payments@7", "s3://lake/accounts")],
        environment="staging", name="nightly", around=plan.surroundings(7, tmp_path),
    )  # fmt: skip
    assert asked == notebook | {"point": "ci"}
    assert notebook["point"] == "notebook"
    assert asked["facts"]["plan"]["clean"] is True
    assert asked["facts"]["plan"]["seeded"] is True
    proctor("check", *COMMANDS["training"])
    assert api.body()["facts"]["plan"]["seeded"] is False


@pytest.mark.parametrize("spelt", ["s3a://Lake/payments/@7", f"{PAYMENTS.urn}@7", "s3://lake/payments"])
def test_a_dataset_is_asked_about_for_a_purpose(api: Api, proctor: Proctor, spelt: str) -> None:
    answer(api)
    assert proctor("check", "dataset", spelt, "--purpose", "fraud", "-e", "prod")[0] == 0
    asked = api.body()
    DecisionRequest.model_validate_json(json.dumps(asked))
    version = "7" if "@" in spelt else None
    assert asked["facts"] == {"datasets": [PAYMENTS.item(version)]}
    assert (asked["stage"], asked["operation"], asked["point"]) == ("data", "ingest", "ci")
    assert (asked["subject"]["kind"], asked["purpose"], asked["environment"]) == ("dataset", "fraud", "prod")


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (["--environment", "prod"], {"environment": "prod"}),
        (["--alias", "champion"], {"target": "alias:champion"}),
        (["--stage", "Production"], {"target": "stage:Production"}),
    ],
)
def test_a_model_is_asked_about_by_where_it_would_be_used(
    api: Api, proctor: Proctor, options: list[str], body: dict[str, str]
) -> None:
    answer(api, notes=["Proctor knows no version fraud/3"])
    code, _, err = proctor("check", "model", "fraud", "3", *options)
    assert code == 0
    assert api.body() == {"name": "fraud", "version": "3"} | body
    assert "fraud/3: Proctor knows no version fraud/3" in err


@pytest.mark.parametrize("options", [[], ["--alias", "champion", "-e", "prod"], ["--alias", "a", "--stage", "b"]])
def test_a_model_is_asked_about_for_exactly_one_place(api: Api, proctor: Proctor, options: list[str]) -> None:
    code, _, err = proctor("check", "model", "fraud", "3", *options)
    assert (code, api.requests) == (2, [])
    assert "exactly one" in err


@pytest.mark.parametrize("arguments", [("dataset", "payments", "--purpose", "x"), ("dataset", "s3://lake/payments"),
                                       ("training", "-d", "s3://lake/x"), ("training", "--purpose", "x")])  # fmt: skip
def test_what_is_left_out_or_misspelt_is_a_usage_error(api: Api, proctor: Proctor, arguments: tuple[str, ...]) -> None:
    assert proctor("check", *arguments)[0] == 2
    assert api.requests == []
