import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.cli.conftest import Api

Proctor = Callable[..., tuple[int, str, str]]
URN = "urn:ol:s3%3A%2F%2Flake:payments%20%26%20more"
VIOLATION = {
    "id": "vio_0123456789abcdef", "kind": "no_longer_allowed", "key": "fraud as champion/registration/prod",
    "subject": "fraud as champion", "opened_at": "2026-03-01T12:00:00.000000Z",
    "updated_at": "2026-03-01T12:00:00.000000Z",
    "detail": {
        "allowed_by": "dec_0",
        "findings": [{"rule": "data.dataset_owned", "item": [URN], "message": "nobody answers for it"}],
    },
}  # fmt: skip


def dataset(**facts: Any) -> dict[str, Any]:
    told = {
        group: {"values": values, "observed_at": "2026-03-01T12:00:00.000000Z", "source": "x:y", "tier": "observed"}
        for group, values in facts.items()
    }
    return {"urn": URN, "namespace": "s3://lake", "name": "payments & more", "facts": told}


def test_datasets_are_listed_with_what_is_known(api: Api, proctor: Proctor) -> None:
    api.on("GET", "/v1/datasets", {"datasets": [dataset(licence={"licence": "MIT"}, legal=None)], "total": 1})
    code, out, _ = proctor("dataset", "list")
    assert code == 0
    assert "payments & more" in out
    assert "licence" in out
    assert "legal" not in out, "what was taken back is not known"
    assert json.loads(proctor("dataset", "list", "-o", "json")[1])[0]["urn"] == URN
    api.on("GET", "/v1/datasets", {"datasets": [], "total": 0})
    assert "docs/catalogs.md" in proctor("dataset", "list")[1]


def test_a_dataset_is_shown_with_who_said_what_and_when(api: Api, proctor: Proctor) -> None:
    api.on("GET", "/v1/datasets", {"datasets": [dataset(ownership={"owners": ["team:a"]}, legal=None)], "total": 1})
    code, out, _ = proctor("dataset", "show", URN)
    assert code == 0
    assert api.requests[0].url.params["urn"] == URN, "as it is, whatever it holds"
    lines = out.splitlines()
    assert lines[0] == URN
    assert any(line.split()[:3] == ["ownership", "owners", "team:a"] for line in lines)
    assert any("legal" in line and "taken back" in line for line in lines)
    assert sum("observed, x:y, 2026-03-01 12:00:00 UTC" in line for line in lines) == 2


@pytest.mark.parametrize("spelt", ["s3://lake/payments & more", "s3a://Lake/payments & more/", URN])
def test_a_dataset_is_shown_however_it_is_spelt(api: Api, proctor: Proctor, spelt: str) -> None:
    api.on("GET", "/v1/datasets", {"datasets": [dataset()], "total": 1})
    assert proctor("dataset", "show", spelt)[0] == 0
    assert api.requests[0].url.params["urn"] == URN


@pytest.mark.parametrize("spelt", ["payments", "urn:ol:S3%3A%2F%2Flake:payments", "s3://lake/payments@7"])
def test_what_names_no_dataset_is_a_usage_error_and_asks_nobody(api: Api, proctor: Proctor, spelt: str) -> None:
    code, out, err = proctor("dataset", "show", spelt)
    assert (code, out, api.requests) == (2, "", [])
    assert spelt in err


def test_an_unknown_dataset_is_an_error(api: Api, proctor: Proctor) -> None:
    code, out, err = proctor("dataset", "show", "urn:ol:x:y")
    assert code != 0
    assert out == ""
    assert "no such thing" in err


def test_violations_are_listed_open_ones_unless_all_are_wanted(api: Api, proctor: Proctor) -> None:
    api.on("GET", "/v1/violations", {"violations": [VIOLATION]})
    code, out, _ = proctor("violation", "list")
    assert code == 0
    assert {"champion", "2026-03-01", "12:00:00", "open"} <= set(out.split())
    assert api.requests[-1].url.params["open"] == "true"
    resolved = VIOLATION | {"resolved_at": "2026-03-02T00:00:00.000000Z", "resolution": "mended"}
    api.on("GET", "/v1/violations", {"violations": [resolved]})
    assert "resolved" in proctor("violation", "list", "--all")[1]
    assert "open" not in api.requests[-1].url.params
    api.on("GET", "/v1/violations", {"violations": []})
    assert "No violations" in proctor("violation", "list")[1]


def test_a_violation_says_what_is_wrong(api: Api, proctor: Proctor) -> None:
    api.on("GET", f"/v1/violations/{VIOLATION['id']}", VIOLATION)
    code, out, _ = proctor("violation", "show", str(VIOLATION["id"]))
    assert code == 0
    assert "[data.dataset_owned] nobody answers for it" in out
    assert "open, since 2026-03-01" in out
    assert "dec_0" in out
    api.on("GET", f"/v1/violations/{VIOLATION['id']}", VIOLATION | {"resolved_at": "2026", "resolution": "mended"})
    assert "resolved: mended" in proctor("violation", "show", str(VIOLATION["id"]))[1]


def test_grants_go_with_a_principal_and_replace_each_other(api: Api, proctor: Proctor) -> None:
    api.on("POST", "/v1/principals", {"id": "person:a"}, 201)
    options = ("--purpose", "fraud", "--purpose", "churn", "--data-class", "personal")
    assert proctor("principal", "add", "person", "Ada", *options)[0] == 0
    assert (api.body()["purposes"], api.body()["data_classes"]) == (["fraud", "churn"], ["personal"])
    api.on("POST", "/v1/principals/person%3Aa/grants", {"id": "person:a"})
    code, out, _ = proctor("principal", "grant", "person:a", "--purpose", "*")
    assert code == 0
    assert api.body() == {"purposes": ["*"], "data_classes": []}
    assert "may train on no data for *" in out
