import dataclasses
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proctor.errors import LedgerError, NotFoundError, RefusedError
from proctor.identity import people
from proctor.identity.people import Register
from proctor.identity.principals import Principal
from proctor.vocabulary.principal import PrincipalKind, Role
from proctor.vocabulary.words import Point
from tests.engine.identity.stores import Stores, stores
from tests.live.postgres import everything

BY = "service:localoperator"


@pytest.fixture
async def at(state_dir: Path) -> AsyncIterator[Stores]:
    async with stores(state_dir) as found:
        yield found


@pytest.fixture
async def register(at: Stores) -> Register:
    found = at.register()
    await found.load()
    return found


async def _person(register: Register, name: str = "Ada", roles: tuple[Role, ...] = (Role.REQUESTER,)) -> Principal:
    return await register.add(PrincipalKind.PERSON, name, roles, ["prod"], BY)


async def _key(register: Register, principal: Principal, **more: object) -> str:
    given = {"roles": principal.roles, "points": ["ci"], "environments": ["prod"], "by": BY}
    _, text = await register.create_key(principal.id, **{**given, **more})  # type: ignore[arg-type]
    return text


async def test_minted_ids_say_nothing_and_differ(register: Register) -> None:
    one, other = await _person(register), await _person(register)
    assert re.fullmatch(r"person:[0-9a-f]{16}", one.id)
    assert one.id != other.id


async def test_a_key_authenticates_its_principal(register: Register) -> None:
    ada = await _person(register)
    caller = register.authenticate(f"Bearer {await _key(register, ada)}", "10.0.0.1")
    assert caller.actor.id == ada.id
    assert caller.actor.kind is PrincipalKind.PERSON
    assert caller.actor.authenticated_by == "api-key"
    assert caller.roles == {Role.REQUESTER}
    assert caller.may_ask(Point.CI, "prod")
    assert not caller.may_ask(Point.CI, "staging")
    assert not caller.may_ask(Point.KUBERNETES_ADMISSION, "prod")


async def test_keys_look_as_documented_and_the_secret_is_nowhere(register: Register, at: Stores) -> None:
    text = await _key(register, await _person(register, "Ada Lovelace"))
    assert re.fullmatch(r"prk_[a-z2-7]{8}_[A-Za-z0-9_-]{43}", text)
    secret = text.split("_", 2)[2]
    recorded = json.dumps([entry.record for kind in ("principal", "key") for entry in at.ledger.recent(kind, 100)])
    assert secret not in recorded
    assert "Ada Lovelace" not in recorded, "names are about people and stay out of the ledger"
    await at.ledger.close()
    assert secret.encode() not in everything(at.path)
    assert secret not in repr(register.issued())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: None,
        lambda _: "",
        lambda _: "Bearer ",
        lambda key: key,
        lambda key: f"Basic {key}",
        lambda key: f"Bearer {key}x",
        lambda key: f"Bearer {key[:-1]}",
        lambda key: f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}",
        lambda key: f"Bearer prk_{'a' * 8}_{key.split('_', 2)[2]}",
        lambda key: f"Bearer {key}, Bearer {key}",
        lambda key: f"Bearer {key}" + " " * 400,
    ],
)
async def test_anything_but_the_key_is_refused(register: Register, spoil: object) -> None:
    text = await _key(register, await _person(register))
    with pytest.raises(RefusedError) as refused:
        register.authenticate(spoil(text), "10.0.0.1")  # type: ignore[operator]
    assert (refused.value.code, refused.value.status) == ("unauthenticated", 401)
    assert text not in str(refused.value)


async def test_unknown_wrong_expired_and_revoked_look_alike(register: Register, at: Stores) -> None:
    ada = await _person(register)
    expired = await _key(register, ada, days=1)
    at.hands.advance(days=2)
    revoked = await _key(register, ada)
    await register.revoke_key(revoked.split("_")[1], BY)
    good = await _key(register, ada)
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    answers = set()
    for text in (expired, revoked, wrong, f"prk_aaaaaaaa_{'x' * 43}"):
        with pytest.raises(RefusedError) as refused:
            register.authenticate(f"Bearer {text}", "10.0.0.1")
        answers.add((refused.value.code, str(refused.value)))
    assert len(answers) == 1
    assert register.authenticate(f"Bearer {good}", "10.0.0.1").actor.id == ada.id


async def test_expiry_is_half_open(register: Register, at: Stores) -> None:
    text = await _key(register, await _person(register), days=1)
    at.hands.advance(86400 - 0.000001)
    register.authenticate(f"Bearer {text}", "c")
    at.hands.advance(0.000001)
    with pytest.raises(RefusedError):
        register.authenticate(f"Bearer {text}", "c")


async def test_comparison_is_constant_time_and_made_for_unknown_prefixes_too(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    class Recording:
        def __getattr__(self, name: str) -> object:
            return getattr(__import__("hmac"), name)

        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((len(one), len(other)))
            return one == other

    monkeypatch.setattr(people, "hmac", Recording())
    text = await _key(register, await _person(register))
    register.authenticate(f"Bearer {text}", "c")
    with pytest.raises(RefusedError):
        register.authenticate(f"Bearer prk_aaaaaaaa_{'x' * 43}", "c")
    assert compared == [(32, 32), (32, 32)]


async def test_an_inactive_principal_is_nobody(register: Register) -> None:
    ada = await _person(register)
    await register.link(ada.id, "kubernetes", "ada@example.com", BY)
    text = await _key(register, ada)
    await register.deactivate(ada.id, BY)
    assert register.resolve("kubernetes", "ada@example.com").kind is PrincipalKind.UNRESOLVED
    with pytest.raises(RefusedError):
        register.authenticate(f"Bearer {text}", "c")
    with pytest.raises(NotFoundError):
        await _key(register, ada)


async def test_logins_lead_to_one_principal_for_ever(register: Register) -> None:
    ada, bob = await _person(register), await _person(register, "Bob")
    await register.link(ada.id, "kubernetes", "ada@example.com", BY)
    await register.link(ada.id, "kubernetes", "ada@example.com", BY)
    with pytest.raises(RefusedError) as refused:
        await register.link(bob.id, "kubernetes", "ada@example.com", BY)
    assert refused.value.code == "conflict"
    assert register.resolve("kubernetes", "ada@example.com").id == ada.id
    stranger = register.resolve("mlflow", "ada@example.com")
    assert (stranger.id, stranger.kind) == ("unresolved:mlflow", PrincipalKind.UNRESOLVED)
    assert register.resolve("kubernetes", "Ada@example.com").kind is PrincipalKind.UNRESOLVED


async def test_a_restart_knows_everything(register: Register, at: Stores) -> None:
    ada = await _person(register)
    await register.link(ada.id, "git", "ada", BY)
    kept, revoked = await _key(register, ada), await _key(register, ada)
    await register.revoke_key(revoked.split("_")[1], BY)
    again = at.register()
    await again.load()
    assert again.principals() == register.principals()
    assert again.resolve("git", "ada").id == ada.id
    assert again.authenticate(f"Bearer {kept}", "c").actor.id == ada.id
    with pytest.raises(RefusedError):
        again.authenticate(f"Bearer {revoked}", "c")


async def test_every_change_is_in_the_ledger(register: Register, at: Stores) -> None:
    ada = await _person(register)
    await register.link(ada.id, "git", "ada", BY)
    text = await _key(register, ada)
    prefix = text.split("_")[1]
    await register.revoke_key(prefix, BY)
    await register.deactivate(ada.id, BY)
    assert [entry.record["change"] for entry in at.ledger.history(ada.id)] == ["added", "linked", "deactivated"]
    history = at.ledger.history(f"prk_{prefix}")
    assert [(entry.record["change"], entry.record["by"]) for entry in history] == [("created", BY), ("revoked", BY)]
    assert "mac" not in history[0].record


async def test_a_change_that_is_not_recorded_did_not_happen(register: Register, at: Stores) -> None:
    ada = await _person(register)
    await at.ledger.close()
    with pytest.raises(LedgerError):
        await _person(register, "Bob")
    with pytest.raises(LedgerError):
        await register.link(ada.id, "git", "ada", BY)
    with pytest.raises(LedgerError):
        await _key(register, ada)
    assert [principal.id for principal, _ in register.principals()] == [ada.id]
    assert register.issued() == []
    assert register.resolve("git", "ada").kind is PrincipalKind.UNRESOLVED


async def test_taking_away_counts_even_when_it_can_not_be_recorded(register: Register, at: Stores) -> None:
    text = await _key(register, await _person(register))
    await at.ledger.close()
    with pytest.raises(LedgerError):
        await register.revoke_key(text.split("_")[1], BY)
    with pytest.raises(RefusedError):
        register.authenticate(f"Bearer {text}", "c")


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": [Role.ADMIN]},
        {"roles": []},
        {"points": ["everywhere"]},
        {"environments": ["PROD"]},
        {"asserts": ["models/*/reference"]},
        {"asserts": ["models/*/reference"], "kind": "gate"},
        {"kind": "root"},
        {"days": 0},
        {"days": 100_000},
    ],
)
async def test_a_key_never_exceeds_its_principal(register: Register, wrong: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as refused:
        await _key(register, await _person(register), **wrong)
    assert refused.value.code == "invalid_request"
    assert register.issued() == []


async def test_a_gate_asserts_named_groups(register: Register) -> None:
    gate = await register.add(PrincipalKind.SERVICE, "admission", [Role.GATE], [], BY)
    text = await _key(register, gate, kind="gate", asserts=["models/*/reference", "workload"])
    assert register.authenticate(f"Bearer {text}", "c").asserts == {"models/*/reference", "workload"}
    for wrong in ("../secrets", "models/*/risk@s3://lake", "datasets/*/legal@", "datasets/*/legal@a b"):
        with pytest.raises(RefusedError):
            await _key(register, gate, kind="gate", asserts=[wrong])
    await _key(register, gate, kind="catalog", asserts=["datasets/*/legal@s3://lake"])


async def test_the_ledger_shows_a_login_as_its_principal_or_as_nobody_can_guess(register: Register) -> None:
    ada = await _person(register)
    await register.link(ada.id, "catalog", "ada@example.com", BY)
    assert register.shown("catalog", "ada@example.com") == ada.id
    shown = register.shown("catalog", "bob@example.com")
    assert shown.startswith("hmac-sha256:")
    assert shown != register.shown("catalog", "eve@example.com")


async def test_a_role_that_the_principal_lost_is_lost_to_its_keys(register: Register, at: Stores) -> None:
    ada = await _person(register, roles=(Role.REQUESTER, Role.APPROVER))
    text = await _key(register, ada)
    register._principals[ada.id] = dataclasses.replace(ada, roles=(Role.REQUESTER,))
    assert register.authenticate(f"Bearer {text}", "c").roles == {Role.REQUESTER}


async def test_bootstrap_makes_one_admin_key_and_only_the_first_time(register: Register) -> None:
    text = await register.bootstrap()
    assert text is not None
    caller = register.authenticate(f"Bearer {text}", "c")
    assert caller.roles == {Role.ADMIN}
    assert caller.actor.kind is PrincipalKind.SERVICE
    assert await register.bootstrap() is None
    await register.revoke_key(text.split("_")[1], BY)
    assert await register.bootstrap() is None, "a revoked key is no reason for a new one"


@pytest.mark.parametrize("name", ["", " ada", "ada\n", "a" * 513, "a\u202eb"])
async def test_names_are_printable_and_bounded(register: Register, name: str) -> None:
    with pytest.raises(RefusedError):
        await _person(register, name)


async def test_failures_lock_out_the_client_and_nobody_else(register: Register, at: Stores) -> None:
    text = await _key(register, await _person(register))
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    for _ in range(10):
        with pytest.raises(RefusedError) as refused:
            register.authenticate(f"Bearer {wrong}", "10.0.0.1")
        assert refused.value.code == "unauthenticated"
    with pytest.raises(RefusedError) as refused:
        register.authenticate(f"Bearer {text}", "10.0.0.1")
    assert (refused.value.code, refused.value.status) == ("locked_out", 429)
    register.authenticate(f"Bearer {text}", "10.0.0.2")
    other = await _key(register, await _person(register, "Bob"))
    register.authenticate(f"Bearer {other}", "10.0.0.1")
    at.hands.advance(60)
    register.authenticate(f"Bearer {text}", "10.0.0.1")


async def test_inventing_prefixes_does_not_evade_the_lock_out(register: Register) -> None:
    codes = []
    for number in range(12):
        with pytest.raises(RefusedError) as refused:
            register.authenticate(f"Bearer prk_{'abcdefghijkl'[number] * 8}_{'x' * 43}", "10.0.0.1")
        codes.append(refused.value.code)
    assert codes == ["unauthenticated"] * 10 + ["locked_out"] * 2


# --- Grants ----------------------------------------------------------------------------------------------------------


async def test_grants_replace_each_other_and_are_recorded_and_survive_a_restart(register: Register, at: Stores) -> None:
    ada = await register.add(
        PrincipalKind.PERSON, "Ada", [], [], BY, purposes=["fraud", "fraud"], data_classes=["personal"]
    )
    assert (ada.purposes, ada.data_classes) == (("fraud",), ("personal",))
    await register.grant(ada.id, purposes=["churn"], data_classes=["*"], by="service:admin")
    again = at.register()
    await again.load()
    for found in (register, again):
        granted = found.principal(ada.id)
        assert granted is not None
        assert (granted.purposes, granted.data_classes) == (("churn",), ("*",))
    records = [entry.record for entry in at.ledger.history(ada.id)]
    assert [(one["change"], one["purposes"], one["data_classes"]) for one in records] == [
        ("added", ["fraud"], ["personal"]),
        ("granted", ["churn"], ["*"]),
    ]
    assert records[1]["by"] == "service:admin"


@pytest.mark.parametrize(
    "grants",
    [
        {"purposes": ["Fraud"]},
        {"purposes": [""]},
        {"purposes": ["fraud "]},
        {"purposes": ["**"]},
        {"purposes": [f"p{number}" for number in range(101)]},
        {"data_classes": ["persnal"]},
        {"data_classes": ["Personal"]},
        {"data_classes": ["public", ""]},
    ],
)
async def test_a_grant_that_can_mean_nothing_is_refused(register: Register, grants: dict[str, list[str]]) -> None:
    given = {"purposes": ["*"], "data_classes": ["public"], **grants}
    ada = await _person(register)
    with pytest.raises(RefusedError) as refused:
        await register.grant(ada.id, **given, by=BY)
    assert refused.value.status == 422
    with pytest.raises(RefusedError):
        await register.add(PrincipalKind.PERSON, "Bob", [], [], BY, **given)
    assert register.principal(ada.id) == ada
    assert len(register.principals()) == 1


async def test_nobody_is_granted_anything_who_is_nobody(register: Register) -> None:
    ada = await _person(register)
    await register.deactivate(ada.id, BY)
    for unknown in (ada.id, "person:0123456789abcdef"):
        with pytest.raises(NotFoundError):
            await register.grant(unknown, purposes=["*"], data_classes=["*"], by=BY)


async def test_a_grant_that_was_not_recorded_is_none(register: Register, at: Stores) -> None:
    ada = await _person(register)
    await at.ledger.close()
    with pytest.raises(LedgerError):
        await register.grant(ada.id, purposes=["*"], data_classes=["*"], by=BY)
    assert register.principal(ada.id) == ada


async def test_who_became_somebody_or_nobody_is_told_once_that_is_on_disk(register: Register, at: Stores) -> None:
    told: list[str | None] = []
    register.on_change = told.append
    ada = await _person(register)
    await register.link(ada.id, "catalog", "team:payments", BY)
    await register.link(ada.id, "catalog", "team:payments", BY)
    await register.deactivate(ada.id, BY)
    assert told == ["catalog", None]
    bob = await _person(register)
    await at.ledger.close()
    for change in (register.link(bob.id, "catalog", "team:risk", BY), register.deactivate(bob.id, BY)):
        with pytest.raises(LedgerError):
            await change
    assert told == ["catalog", None]
