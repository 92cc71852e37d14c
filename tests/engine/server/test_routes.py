import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proctor.errors import OpaError
from proctor.server import limits
from proctor.vocabulary.canonical import MAX_BYTES
from proctor.vocabulary.principal import PrincipalKind, Role
from tests.engine.identity.stores import START
from tests.engine.server.harness import DIGEST, Harness, bundle, harness

SUBJECT = "sha256:" + "a" * 64


@pytest.fixture
async def api(state_dir: Path) -> AsyncIterator[Harness]:
    async with harness(state_dir) as found:
        await found.person("ada", Role.REQUESTER)
        await found.person("bob", Role.APPROVER)
        await found.person("root", Role.ADMIN, kind=PrincipalKind.SERVICE)
        yield found


# --- /v1/decisions ---------------------------------------------------------------------------------------------------


BYTES = [b"", b"{}", b"null", b"{not json", b'{"a":1,"a":2}', b"\xff", b"NaN", b"[" * 100_000, b'{"a":1e999}']


async def test_any_bytes_go_to_the_door_as_they_came(api: Harness) -> None:
    for body in BYTES:
        response = await api.call("POST", "/v1/decisions", "ada", content=body)
        assert response.status_code == 200
        (raw, asking) = api.decisions.asked[-1]
        assert raw == body
        assert asking.caller.actor.id == api.people["ada"].id
        assert asking.source == f"caller:{api.people['ada'].id}"
        assert (asking.tier, asking.dry_run, asking.body_digest) == (None, False, None)
        assert asking.budget == 3.0


async def test_a_body_that_is_too_large_is_a_decision_and_nothing_of_it_is_read(api: Harness) -> None:
    body = b'{"valid": true}' + b" " * MAX_BYTES
    response = await api.call("POST", "/v1/decisions", "ada", content=body)
    assert response.status_code == 200
    (raw, _) = api.decisions.asked[-1]
    assert len(raw) == MAX_BYTES + 1
    assert not raw.strip(b"\0"), "a part of a document could be a document"


async def test_the_limit_that_is_configured_counts(state_dir: Path) -> None:
    async with harness(state_dir, max_body=100) as api:
        await api.person("ada", Role.REQUESTER)
        await api.call("POST", "/v1/decisions", "ada", content=b"x" * 100)
        await api.call("POST", "/v1/decisions", "ada", content=b"{}" + b" " * 99)
        assert [len(raw) for raw, _ in api.decisions.asked] == [100, MAX_BYTES + 1]


async def test_the_decision_comes_back_whole_and_is_in_the_ledger(api: Harness) -> None:
    decided = (await api.call("POST", "/v1/decisions", "ada", content=b"{}")).json()
    assert decided["outcome"] == "deny"
    assert decided.pop("recorded") is True
    read = await api.call("GET", f"/v1/decisions/{decided['id']}", "ada")
    assert read.json() == decided
    listed = (await api.call("GET", "/v1/decisions?limit=5", "ada")).json()["decisions"]
    assert listed == [decided]
    text = await api.call("GET", f"/v1/decisions/{decided['id']}/explanation", "ada")
    assert text.headers["content-type"].startswith("text/plain")
    assert decided["id"] in text.text
    as_json = await api.call(
        "GET", f"/v1/decisions/{decided['id']}/explanation", "ada", headers={"Accept": "application/json"}
    )
    assert as_json.json()["decision"] == decided


async def test_a_dry_run_is_not_recorded(api: Harness) -> None:
    decided = (await api.call("POST", "/v1/decisions?dry_run=true", "ada", content=b"{}")).json()
    assert (decided["dry_run"], decided["recorded"]) == (True, False)
    assert (await api.call("GET", f"/v1/decisions/{decided['id']}", "ada")).status_code == 404


@pytest.mark.parametrize("query", ["dry_run=1", "dry_run=True", "dry_run="])
async def test_a_flag_is_true_or_false(api: Harness, query: str) -> None:
    response = await api.call("POST", f"/v1/decisions?{query}", "ada", content=b"{}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert api.decisions.asked == []


async def test_limits_are_numbers_in_bounds(api: Harness) -> None:
    for limit in ("0", "1001", "-1", "1e3", "٣", "9" * 50, "", "1.0"):
        response = await api.call("GET", "/v1/decisions", "ada", params={"limit": limit})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), limit


async def test_only_decisions_are_read_as_decisions(api: Harness) -> None:
    for name in ("dec_x", "dec_" + "0" * 26, "policy_r1", "%00", "..%2f..%2fetc", "wvr_1"):
        for suffix in ("", "/explanation"):
            response = await api.call("GET", f"/v1/decisions/{name}{suffix}", "ada")
            assert (response.status_code, response.json()["code"]) == (404, "not_found"), name


# --- Bodies of the other routes --------------------------------------------------------------------------------------

POSTS = ["/v1/waivers", "/v1/models", "/v1/principals", "/v1/principals/person:0000/aliases", "/v1/keys",
         "/v1/models/a/b/allowance"]  # fmt: skip


NO_BODIES = [b"", b"{", b"[]", b"null", b'"x"', b"NaN", b'{"name":"a","name":"b"}', b"\xff\xfe", b'{"nonsense":1}',
             b"[" * 50_000, b'{"\\ud800":1}', b"{}"]  # fmt: skip


@pytest.mark.parametrize("path", POSTS)
async def test_bodies_that_are_none_are_problems(api: Harness, path: str) -> None:
    for body in NO_BODIES:
        response = await api.call("POST", path, local=True, content=body)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), body[:40]
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert {"type", "title", "status", "code", "detail", "tried", "found", "remedy"} <= set(problem)
        assert len(response.content) < 10_000


async def test_bodies_are_bounded(api: Harness) -> None:
    for path in POSTS:
        response = await api.call("POST", path, local=True, content=b" " * (limits.SMALL_BODY + 1))
        assert (response.status_code, response.json()["code"]) == (413, "too_large")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.dictionaries(
    st.sampled_from(["principal", "kind", "roles", "points", "name", "environments", "asserts", "rule"]) | st.text(),
    one | st.lists(one)), max_leaves=8))  # fmt: skip
async def test_no_body_of_any_shape_is_a_defect(api: Harness, document: Any) -> None:
    for path in POSTS:
        response = await api.call("POST", path, local=True, content=json.dumps(document).encode())
        assert response.status_code in {403, 404, 422}, response.text


# --- /v1/waivers -----------------------------------------------------------------------------------------------------


def _wanted(**changed: Any) -> dict[str, Any]:
    return {
        "rule": "deployment.resource_limits_set",
        "subject_digest": SUBJECT,
        "environment": "prod",
        "item": [],
        "valid_from": START.isoformat().replace("+00:00", "Z"),
        "valid_until": (START + timedelta(days=3)).isoformat().replace("+00:00", "Z"),
        "reason": "the vendor ships a fix next week",
        **changed,
    }


async def test_two_people_sign_over_the_api(api: Harness) -> None:
    made = await api.call("POST", "/v1/waivers", "ada", json=_wanted())
    assert made.status_code == 201
    waiver = made.json()
    assert (waiver["state"], waiver["requested_by"]) == ("requested", api.people["ada"].id)
    own = await api.call("POST", f"/v1/waivers/{waiver['id']}/signature", "ada", content=b"{}")
    assert own.status_code == 403
    signed = await api.call("POST", f"/v1/waivers/{waiver['id']}/signature", "bob", content=b"{}")
    assert (signed.status_code, signed.json()["state"]) == (200, "signed")
    assert signed.json()["valid_until"] == "2026-03-04T12:00:00.000000Z"
    assert len(api.parts.waivers.matching(SUBJECT, "prod", START)) == 1
    revoked = await api.call("DELETE", f"/v1/waivers/{waiver['id']}", "bob")
    assert revoked.json()["state"] == "revoked"
    assert api.parts.waivers.matching(SUBJECT, "prod", START) == []
    listed = (await api.call("GET", "/v1/waivers", "ada")).json()["waivers"]
    assert [one["id"] for one in listed] == [waiver["id"]]


async def test_who_asks_is_the_key_and_never_the_body(api: Harness) -> None:
    for claim in ({"requested_by": api.people["bob"].id}, {"signed_by": api.people["bob"].id}, {"id": "wvr_1"}):
        response = await api.call("POST", "/v1/waivers", "ada", json=_wanted(**claim))
        assert response.status_code == 422


async def test_the_local_operator_is_no_person(api: Harness) -> None:
    response = await api.call("POST", "/v1/waivers", local=True, json=_wanted())
    assert (response.status_code, response.json()["code"]) == (403, "person_required")


async def test_a_rule_that_is_not_waivable_says_what_to_do_instead(api: Harness) -> None:
    response = await api.call(
        "POST", "/v1/waivers", "ada", json=_wanted(rule="deployment.model_registered", item=["m"])
    )
    assert (response.status_code, response.json()["code"]) == (422, "not_waivable")


# --- /v1/principals and /v1/keys -------------------------------------------------------------------------------------


async def test_a_principal_and_its_key_by_the_api_alone(api: Harness) -> None:
    body = {"kind": "person", "name": "Carl", "roles": ["requester"], "environments": ["prod"]}
    made = (await api.call("POST", "/v1/principals", local=True, json=body)).json()
    path = f"/v1/principals/{made['id']}/aliases"
    linked = await api.call("POST", path, local=True, json={"system": "kubernetes", "name": "carl@example.com"})
    assert linked.status_code == 201
    assert api.parts.register.resolve("kubernetes", "carl@example.com").id == made["id"]
    body = {"principal": made["id"], "roles": ["requester"], "points": ["ci"], "environments": ["prod"]}
    key = (await api.call("POST", "/v1/keys", local=True, json={**body, "expires_in_days": 1})).json()
    assert key["key"].startswith(f"prk_{key['prefix']}_")
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert (await api.call("GET", "/v1/policy", headers=headers)).status_code == 200
    listed = await api.call("GET", "/v1/keys", local=True)
    assert key["key"] not in listed.text
    assert "mac" not in listed.json()["keys"][0]
    for prefix in (key["prefix"], f"prk_{key['prefix']}"):
        assert (await api.call("DELETE", f"/v1/keys/{prefix}", local=True)).status_code == 200
    assert (await api.call("GET", "/v1/policy", headers=headers)).status_code == 401
    assert (await api.call("DELETE", f"/v1/principals/{made['id']}", local=True)).json()["active"] is False
    logins = {
        one["id"]: one["aliases"] for one in (await api.call("GET", "/v1/principals", local=True)).json()["principals"]
    }
    assert logins[made["id"]] == [{"system": "kubernetes", "name": "carl@example.com"}]


async def test_a_key_that_asserts_is_a_gate_of_a_service(api: Harness) -> None:
    body = {"principal": api.people["root"].id, "roles": ["admin"], "asserts": ["workload"]}
    made = await api.call("POST", "/v1/keys", local=True, json=body)
    assert (made.status_code, made.json()["kind"]) == (201, "gate")
    body["principal"] = api.people["ada"].id
    body["roles"] = ["requester"]
    assert (await api.call("POST", "/v1/keys", local=True, json=body)).status_code == 422


async def test_nobody_gives_themselves_a_role(api: Harness) -> None:
    body = {"principal": api.people["ada"].id, "roles": ["admin"]}
    response = await api.call("POST", "/v1/keys", local=True, json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


# --- /v1/models, /v1/ledger, /v1/policy ------------------------------------------------------------------------------


async def test_a_model_is_registered_allowed_and_withdrawn(api: Harness) -> None:
    body = {"name": "fraud", "version": "3", "digest": SUBJECT, "uris": ["models:/fraud/3"]}
    made = await api.call("POST", "/v1/models", local=True, json=body)
    assert (made.status_code, made.json()["registered_by"]) == (201, "service:localoperator")
    allowed = await api.call("POST", "/v1/models/fraud/3/allowance", local=True, json={"environments": ["prod"]})
    assert allowed.status_code == 200
    assert [one["name"] for one in allowed.json()["environments"]] == ["prod"]
    assert len((await api.call("GET", "/v1/models", local=True)).json()["models"]) == 1
    assert (await api.call("DELETE", "/v1/models/fraud/3", local=True)).status_code == 200
    assert (await api.call("GET", "/v1/models", local=True)).json()["models"] == []
    assert len((await api.call("GET", "/v1/models?withdrawn=true", local=True)).json()["models"]) == 1
    assert (await api.call("DELETE", "/v1/models/nobody/3", local=True)).status_code == 404


async def test_the_checkpoint_is_a_signed_note(api: Harness) -> None:
    text = await api.call("GET", "/v1/ledger/checkpoint", "ada")
    assert text.text.splitlines()[0] == "proctor"
    both = await api.call("GET", "/v1/ledger/checkpoint", "ada", headers={"Accept": "application/json"})
    assert both.json()["size"] == api.parts.ledger.head().size > 0


async def test_the_policy_in_force_is_shown(api: Harness) -> None:
    shown = (await api.call("GET", "/v1/policy", "ada")).json()
    assert (shown["revision"], shown["digest"], shown["profile"]) == ("r1", DIGEST, "starter")
    assert [rule["code"] for rule in shown["rules"]] == sorted(rule["code"] for rule in shown["rules"])


async def test_the_bundle_has_the_digest_for_an_etag(api: Harness) -> None:
    first = await api.call("GET", "/v1/policy/bundle")
    assert first.content == b"bundle r1"
    assert first.headers["content-type"] == "application/vnd.openpolicyagent.bundles"
    etag = first.headers["etag"]
    assert etag.strip('"') == DIGEST
    for known in (etag, DIGEST, f"W/{etag}"):
        assert (await api.call("GET", "/v1/policy/bundle", headers={"If-None-Match": known})).status_code == 304
    assert (await api.call("GET", "/v1/policy/bundle", headers={"If-None-Match": '"other"'})).status_code == 200


async def test_long_polling_ends_with_the_change(api: Harness) -> None:
    headers = {"If-None-Match": f'"{DIGEST}"', "Prefer": "modes=snapshot,delta;wait=60"}
    waiting = asyncio.create_task(api.call("GET", "/v1/policy/bundle", headers=headers))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await api.parts.adopt(bundle(api.parts.settings.state_dir, "r2", "sha256:" + "e" * 64))
    response = await asyncio.wait_for(waiting, 2)
    assert (response.status_code, response.content) == (200, b"bundle r2")
    short = {**headers, "If-None-Match": response.headers["etag"], "Prefer": "wait=0"}
    assert (await api.call("GET", "/v1/policy/bundle", headers=short)).status_code == 304


async def test_a_policy_that_opa_does_not_take_changes_nothing(api: Harness) -> None:
    api.opa.down = OpaError("switching", "it is refused")
    with pytest.raises(OpaError):
        await api.parts.adopt(bundle(api.parts.settings.state_dir, "r2", "sha256:" + "e" * 64))
    assert (await api.call("GET", "/v1/policy", "ada")).json()["revision"] == "r1"


async def test_what_stands_is_told_of_a_policy_once_it_is_in_force(api: Harness) -> None:
    told: list[str] = []
    policy = api.parts.policy
    policy.on_adopt = lambda: told.append(policy.bundle.revision)
    stricter = bundle(api.parts.settings.state_dir, "r2", "sha256:" + "e" * 64)
    api.opa.down = OpaError("switching", "it is refused")
    with pytest.raises(OpaError):
        await api.parts.adopt(stricter)
    assert told == []
    api.opa.down = None
    await api.parts.adopt(stricter)
    policy.end()
    assert told == ["r2"]
