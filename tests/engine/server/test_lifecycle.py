"""The routes of what catalogs have told and of what exists against policy, and what principals may train."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proctor.plugins import DatasetFact
from proctor.vocabulary.datasets import Dataset, canonical
from proctor.vocabulary.principal import PrincipalKind, Role
from proctor.vocabulary.words import EvidenceTier
from tests.engine.identity.stores import START
from tests.engine.server.harness import Harness, harness

PAYMENTS, RATES = canonical("s3://lake", "payments"), canonical("s3://lake", "rates & more/ü")


@pytest.fixture
async def api(state_dir: Path) -> AsyncIterator[Harness]:
    async with harness(state_dir) as found:
        await found.person("root", Role.ADMIN, kind=PrincipalKind.SERVICE)
        yield found


async def told(api: Harness, dataset: Dataset, group: str, values: dict[str, object] | None) -> None:
    fact = DatasetFact(
        dataset.namespace, dataset.name, group, values, START, "openlineage:service:x", EvidenceTier.OBSERVED
    )
    await api.parts.datasets.record([fact])


async def test_datasets_are_listed_with_who_said_what_and_when(api: Harness) -> None:
    await told(api, PAYMENTS, "licence", {"licence": "MIT"})
    await told(api, RATES, "licence", {"licence": "CC0-1.0"})
    found = (await api.call("GET", "/v1/datasets", "root")).json()
    assert found["total"] == 2
    assert {one["urn"] for one in found["datasets"]} == {PAYMENTS.urn, RATES.urn}
    one = next(one for one in found["datasets"] if one["urn"] == PAYMENTS.urn)
    assert (one["namespace"], one["name"]) == (PAYMENTS.namespace, PAYMENTS.name)
    assert one["facts"]["licence"] == {
        "values": {"licence": "MIT"},
        "observed_at": "2026-03-01T12:00:00.000000Z",
        "source": "openlineage:service:x",
        "tier": "observed",
    }


async def test_one_dataset_is_named_by_its_urn_whatever_is_in_it(api: Harness) -> None:
    await told(api, PAYMENTS, "licence", {"licence": "MIT"})
    await told(api, RATES, "licence", {"licence": "CC0-1.0"})
    found = await api.call("GET", "/v1/datasets", "root", params={"urn": RATES.urn})
    assert [one["urn"] for one in found.json()["datasets"]] == [RATES.urn]
    for unknown in ("", "urn:ol:x:y", PAYMENTS.urn + "x"):
        refused = await api.call("GET", "/v1/datasets", "root", params={"urn": unknown})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_what_a_catalog_took_back_is_shown_as_taken_back(api: Harness) -> None:
    await told(api, PAYMENTS, "licence", {"licence": "MIT"})
    await told(api, PAYMENTS, "licence", None)
    (one,) = (await api.call("GET", "/v1/datasets", "root")).json()["datasets"]
    assert one["facts"]["licence"]["values"] is None


async def test_violations_are_listed_open_or_all_and_read_one_by_one(api: Harness) -> None:
    violations = api.parts.violations
    await violations.open("drift", "a", "fraud/7", {"rule": "x"})
    api.hands.advance(1)
    await violations.open("drift", "b", "fraud/8", {})
    await violations.resolve("drift", "a", "mended")

    async def subjects(query: str) -> list[str]:
        response = await api.call("GET", f"/v1/violations{query}", "root")
        return [one["subject"] for one in response.json()["violations"]]

    assert await subjects("") == ["fraud/8", "fraud/7"]
    assert await subjects("?open=true") == ["fraud/8"]
    assert await subjects("?limit=1") == ["fraud/8"]
    listed = (await api.call("GET", "/v1/violations", "root")).json()["violations"][1]
    one = (await api.call("GET", f"/v1/violations/{listed['id']}", "root")).json()
    assert one == listed
    assert (one["kind"], one["key"], one["detail"], one["resolution"]) == ("drift", "a", {"rule": "x"}, "mended")
    assert (await api.call("GET", "/v1/violations/vio_0", "root")).status_code == 404
    for query in ("?open=maybe", "?limit=0", "?limit=1001"):
        assert (await api.call("GET", f"/v1/violations{query}", "root")).status_code == 422


async def test_a_principal_is_added_with_grants_and_granted_others(api: Harness) -> None:
    body = {"kind": "person", "name": "Carl", "purposes": ["fraud"], "data_classes": ["personal", "public"]}
    made = (await api.call("POST", "/v1/principals", "root", json=body)).json()
    assert (made["purposes"], made["data_classes"]) == (["fraud"], ["personal", "public"])
    path = f"/v1/principals/{made['id']}/grants"
    changed = await api.call("POST", path, "root", json={"purposes": [], "data_classes": ["*"]})
    assert (changed.json()["purposes"], changed.json()["data_classes"]) == ([], ["*"])
    principal = api.parts.register.principal(made["id"])
    assert principal is not None
    assert (principal.purposes, principal.data_classes) == ((), ("*",))
    history = api.parts.ledger.history(made["id"])
    assert history[-1].record["by"] == api.people["root"].id
    for wrong in ({}, {"purposes": []}, {"purposes": [], "data_classes": ["secret"]}, {"purposes": "*"}):
        assert (await api.call("POST", path, "root", json=wrong)).status_code == 422
    nobody = "/v1/principals/person:0123456789abcdef/grants"
    assert (await api.call("POST", nobody, "root", json={"purposes": [], "data_classes": []})).status_code == 404
