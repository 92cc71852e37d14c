"""`proctor doctor mlflow`: each trap of MLflow is found, each finding has its cure, and a good server has none."""

from collections.abc import Mapping

import httpx
import pytest

from proctor.plugins import Examined
from proctor_adapters.mlflow import doctor

FERNET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
# Without a key nobody is asked; what a real server answers is tested with one (tests/contract/mlflow).
GOOD = {
    "PROCTOR_SOCKET": "/nowhere/s",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32,
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": FERNET,
    "MLFLOW_WEBHOOK_CACHE_TTL": "5",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow,mlflow:*",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def examined(environment: Mapping[str, str]) -> list[Examined]:
    return list(doctor.examine(environment))


def test_of_a_good_server_only_that_it_has_no_key_is_said() -> None:
    (found,) = [one for one in examined(GOOD) if one.state != "ok"]
    assert (found.check, found.state) == ("proctor", "broken")
    assert "--role gate" in found.fix


@pytest.mark.parametrize(
    ("variable", "value", "check", "state", "says"),
    [
        ("PROCTOR_SOCKET", None, "proctor", "broken", "PROCTOR_SOCKET"),
        ("PROCTOR_MLFLOW_AUTH", "none", "authentication", "note", "nobody"),
        ("PROCTOR_MLFLOW_AUTH", "oidc", "authentication", "broken", "basic-auth or none"),
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", None, "authentication", "broken", "MLFLOW_FLASK_SERVER_SECRET_KEY"),
        ("MLFLOW_BASIC_AUTH_FAIL_CLOSED", "false", "authentication", "note", "open to everybody"),
        ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", None, "webhooks", "note", "Fernet.generate_key"),
        ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "secret", "webhooks", "broken", "Fernet.generate_key"),
        ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "é", "webhooks", "broken", "Fernet.generate_key"),
        ("MLFLOW_WEBHOOK_CACHE_TTL", None, "webhooks", "note", "60 s"),
        ("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", None, "webhooks", "note", "private addresses"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", None, "hosts", "note", "Invalid Host header"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow, other:*", "hosts", "note", "mlflow:*"),
        ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", None, "jobs", "note", "false"),
    ],
)
def test_each_trap_is_found_with_its_cure(variable: str, value: str | None, check: str, state: str, says: str) -> None:
    environment = {name: text for name, text in GOOD.items() if name != variable}
    if value is not None:
        environment[variable] = value
    new = [one for one in examined(environment) if one not in examined(GOOD) and one.state != "ok"]
    assert [(one.check, one.state) for one in new] == [(check, state)]
    assert says in new[0].found + new[0].fix
    assert new[0].fix


def test_two_credentials_of_which_one_is_never_sent() -> None:
    both = {"MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_USERNAME": "u"}
    assert any("never sent" in one.found for one in examined(GOOD | both))


@pytest.mark.parametrize(
    ("status", "body", "state", "says"),
    [
        (403, {"error_code": "PERMISSION_DENIED", "message": "Proctor: denied: tags"}, "ok", "gated"),
        (403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}, "note", "may not try"),
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"}, "broken", "not gated"),
        (200, {}, "broken", "not gated"),
        (401, "You are not authenticated", "note", "who asks"),
        (403, "Invalid Host header - possible DNS rebinding attack detected", "broken", "Invalid Host"),
        (502, "<html>", "broken", "not gated"),
        (200, [], "broken", "not gated"),
    ],
)
def test_only_the_gates_own_refusal_is_proof_of_a_gate(status: int, body: object, state: str, says: str) -> None:
    answer = httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)
    found = doctor._probed("registry", answer, "cure")
    assert found.state == state
    assert says in found.found
