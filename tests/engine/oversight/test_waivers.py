import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from proctor.errors import LedgerError, NotFoundError, RefusedError
from proctor.ledger.outbox import OutboxMessage
from proctor.oversight.provider import WaiverFacts
from proctor.oversight.waivers import MAX_OPEN, Policy, Waivers
from proctor.plugins import Question
from proctor.store import tables
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.waiver import Waiver, WaiverRequest
from tests.engine.identity.stores import START, Stores, stores

SUBJECT = "sha256:" + "a" * 64
RULE = "deployment.resource_limits_set"
POLICY = Policy(
    rules={
        RULE: {"waivable": {"max_days": 30}, "item_id": []},
        "deployment.image_pinned": {"waivable": {"max_days": 7}, "item_id": ["id"]},
        "deployment.model_registered": {"waivable": False, "item_id": ["id"], "remediation": "Register it"},
    },
    environments=["dev", "prod"],
)


def caller(name: str, *roles: Role, kind: PrincipalKind = PrincipalKind.PERSON) -> Caller:
    return Caller(
        actor=Actor(f"{kind}:{name}", kind, "api-key"),
        roles=frozenset(roles),
        points=frozenset({"*"}),
        environments=frozenset({"*"}),
    )


ADA = caller("ada0", Role.REQUESTER)
BOB = caller("bob0", Role.APPROVER)
EVE = caller("eve0", Role.APPROVER)


def wanted(**changed: Any) -> WaiverRequest:
    return WaiverRequest(
        **{
            "rule": RULE,
            "subject_digest": SUBJECT,
            "environment": "prod",
            "item": [],
            "valid_from": START,
            "valid_until": START + timedelta(days=10),
            "reason": "the vendor ships a fix next week",
            **changed,
        }
    )


class Desk:
    """Waivers over real stores, with a policy that can be changed."""

    def __init__(self, at: Stores) -> None:
        self.at = at
        self.policy = POLICY
        self.told: list[tuple[str, str]] = []
        self.waivers = self.opened()

    def opened(self) -> Waivers:
        return Waivers(
            database=self.at.database,
            ledger=self.at.ledger,
            clock=self.at.hands,
            policy=lambda: self.policy,
            events_for=self._events,
        )

    def _events(self, change: str, waiver: Waiver) -> list[OutboxMessage]:
        self.told.append((change, waiver.id))
        return [OutboxMessage("pager", f"proctor.waiver.{change}.v1", waiver.id, b"{}", f"{waiver.id}.{change}")]

    def ids(self, now: datetime | None = None, subject: str = SUBJECT, environment: str = "prod") -> list[str]:
        return [one["id"] for one in self.waivers.matching(subject, environment, now or self.at.hands.now())]


@pytest.fixture
async def desk(state_dir: Path) -> AsyncIterator[Desk]:
    async with stores(state_dir) as at:
        yield Desk(at)


async def test_two_people_make_a_waiver(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    assert desk.ids() == [], "one person's waiver covers nothing"
    signed = await desk.waivers.sign(waiver.id, BOB)
    assert (signed.requested_by, signed.signed_by) == ("person:ada0", "person:bob0")
    assert desk.waivers.matching(SUBJECT, "prod", START) == [
        {
            "id": waiver.id,
            "rule": RULE,
            "subject_digest": SUBJECT,
            "environment": "prod",
            "item": [],
            "from": "2026-03-01T12:00:00.000000Z",
            "until": "2026-03-11T12:00:00.000000Z",
            "requested_by": "person:ada0",
            "signed_by": "person:bob0",
        }
    ]


async def test_it_covers_its_subject_environment_and_half_open_interval_only(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(valid_from=START + timedelta(days=1)), ADA)
    await desk.waivers.sign(waiver.id, BOB)
    begins, ends = START + timedelta(days=1), START + timedelta(days=10)
    moment = timedelta(microseconds=1)
    assert desk.ids(begins - moment) == []
    assert desk.ids(begins) == [waiver.id]
    assert desk.ids(ends - moment) == [waiver.id]
    assert desk.ids(ends) == []
    assert desk.ids(begins, subject="sha256:" + "b" * 64) == []
    assert desk.ids(begins, environment="dev") == []


@pytest.mark.parametrize("signer", [caller("ada0", Role.APPROVER, Role.REQUESTER)])
async def test_nobody_signs_their_own(desk: Desk, signer: Caller) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    with pytest.raises(RefusedError) as refused:
        await desk.waivers.sign(waiver.id, signer)
    assert refused.value.code == "same_person"
    assert desk.ids() == []


@pytest.mark.parametrize(
    ("signer", "code"),
    [
        (caller("bob0", Role.REQUESTER, Role.ADMIN, Role.OPERATOR), "forbidden"),
        (caller("bob0"), "forbidden"),
        (caller("robot", Role.APPROVER, kind=PrincipalKind.SERVICE), "person_required"),
        (caller("localoperator", Role.ADMIN, kind=PrincipalKind.SERVICE), "person_required"),
        (caller("kubernetes", Role.APPROVER, kind=PrincipalKind.UNRESOLVED), "person_required"),
    ],
)
async def test_only_an_approving_person_signs(desk: Desk, signer: Caller, code: str) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    with pytest.raises(RefusedError) as refused:
        await desk.waivers.sign(waiver.id, signer)
    assert refused.value.code == code
    assert desk.ids() == []


async def test_services_and_other_roles_request_nothing(desk: Desk) -> None:
    for who in (caller("robot", Role.REQUESTER, kind=PrincipalKind.SERVICE), caller("carl", Role.ADMIN)):
        with pytest.raises(RefusedError):
            await desk.waivers.request(wanted(), who)
    assert desk.waivers.waivers() == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"rule": "deployment.model_registered", "item": ["m"]}, "not_waivable"),
        ({"rule": "deployment.unheard_of"}, "invalid_request"),
        ({"environment": "moon"}, "invalid_request"),
        ({"item": ["image"]}, "invalid_request"),
        ({"rule": "deployment.image_pinned"}, "invalid_request"),
        ({"rule": "deployment.image_pinned", "item": ["a"]}, "invalid_request"),
        ({"valid_until": START + timedelta(days=30, microseconds=1)}, "invalid_request"),
        ({"valid_until": START}, "invalid_request"),
        ({"valid_until": START - timedelta(days=1)}, "invalid_request"),
        ({"valid_from": START - timedelta(days=20), "valid_until": START}, "invalid_request"),
        (
            {"valid_from": START + timedelta(days=366), "valid_until": START + timedelta(days=367)},
            "invalid_request",
        ),
    ],
)
async def test_what_the_policy_does_not_permit_is_refused(desk: Desk, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await desk.waivers.request(wanted(**changed), ADA)
    assert refused.value.code == code
    assert desk.waivers.waivers() == []


async def test_exactly_the_longest_interval_is_fine(desk: Desk) -> None:
    await desk.waivers.request(wanted(valid_until=START + timedelta(days=30)), ADA)


async def test_a_policy_that_became_stricter_stops_the_signature(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    desk.policy = Policy({RULE: {"waivable": False, "item_id": []}}, ["prod"])
    with pytest.raises(RefusedError) as refused:
        await desk.waivers.sign(waiver.id, BOB)
    assert refused.value.code == "not_waivable"
    assert desk.ids() == []


async def test_an_ended_request_is_not_signed(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    desk.at.hands.advance(days=10)
    with pytest.raises(RefusedError):
        await desk.waivers.sign(waiver.id, BOB)


async def test_revoking_ends_it_at_once_and_for_good(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    await desk.waivers.sign(waiver.id, BOB)
    revoked = await desk.waivers.revoke(waiver.id, EVE)
    assert revoked.revoked_by == "person:eve0"
    assert desk.ids() == []
    with pytest.raises(RefusedError):
        await desk.waivers.sign(waiver.id, EVE)
    assert await desk.waivers.revoke(waiver.id, BOB) == revoked


async def test_requesters_revoke_their_own_only(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    with pytest.raises(RefusedError) as refused:
        await desk.waivers.revoke(waiver.id, caller("carl", Role.REQUESTER))
    assert refused.value.code == "forbidden"
    await desk.waivers.revoke(waiver.id, ADA)


async def test_signing_again_changes_nothing_and_a_third_person_is_refused(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    signed = await desk.waivers.sign(waiver.id, BOB)
    desk.at.hands.advance(5)
    assert await desk.waivers.sign(waiver.id, BOB) == signed
    with pytest.raises(RefusedError):
        await desk.waivers.sign(waiver.id, EVE)


async def test_every_change_is_an_entry_with_its_row_and_its_event(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    await desk.waivers.sign(waiver.id, BOB)
    await desk.waivers.revoke(waiver.id, BOB)
    records = [entry.record for entry in desk.at.ledger.history(waiver.id)]
    assert [(one["change"], one["by"]) for one in records] == [
        ("requested", "person:ada0"),
        ("signed", "person:bob0"),
        ("revoked", "person:bob0"),
    ]
    assert records[1]["waiver"]["signed_by"] == "person:bob0"
    assert [change for change, _ in desk.told] == ["requested", "signed", "revoked"]
    (row,) = desk.at.database.read(select(tables.waivers))
    assert row.document["revoked_by"] == "person:bob0"
    assert len(desk.at.database.read(select(tables.outbox))) == 3


async def test_a_restart_knows_them(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    await desk.waivers.sign(waiver.id, BOB)
    again = desk.opened()
    await again.load()
    assert again.matching(SUBJECT, "prod", START) == desk.waivers.matching(SUBJECT, "prod", START)
    assert again.waivers() == desk.waivers.waivers()


async def test_what_is_not_recorded_does_not_cover(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    await desk.at.ledger.close()
    with pytest.raises(LedgerError):
        await desk.waivers.sign(waiver.id, BOB)
    assert desk.ids() == []
    with pytest.raises(LedgerError):
        await desk.waivers.request(wanted(), ADA)
    assert len(desk.waivers.waivers()) == 1


async def test_a_revocation_counts_even_when_it_can_not_be_recorded(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    await desk.waivers.sign(waiver.id, BOB)
    await desk.at.ledger.close()
    with pytest.raises(LedgerError):
        await desk.waivers.revoke(waiver.id, BOB)
    assert desk.ids() == []


async def test_there_is_a_limit_for_each_subject(desk: Desk) -> None:
    for _ in range(MAX_OPEN):
        await desk.waivers.request(wanted(), ADA)
    with pytest.raises(RefusedError) as refused:
        await desk.waivers.request(wanted(), ADA)
    assert refused.value.code == "limit_reached"
    await desk.waivers.request(wanted(environment="dev"), ADA)


async def test_unknown_ids_are_not_found(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        await desk.waivers.sign("wvr_none", BOB)
    with pytest.raises(NotFoundError):
        await desk.waivers.revoke("wvr_none", BOB)


async def test_a_tampered_row_with_one_person_covers_nothing(desk: Desk) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    await desk.waivers.sign(waiver.id, BOB)
    (row,) = desk.at.database.read(select(tables.waivers))
    document = {**row.document, "signed_by": "person:ada0"}
    desk.at.database.write(tables.waivers.update().values(document=document))
    again = desk.opened()
    await again.load()
    assert again.matching(SUBJECT, "prod", START) == []
    assert json.dumps(document)


@pytest.mark.parametrize(("days", "state"), [(0, "signed"), (10, "expired")])
async def test_states(desk: Desk, days: float, state: str) -> None:
    waiver = await desk.waivers.request(wanted(), ADA)
    assert desk.waivers.state(waiver) == "requested"
    signed = await desk.waivers.sign(waiver.id, BOB)
    desk.at.hands.advance(days=days)
    assert desk.waivers.state(signed) == state
    assert desk.waivers.state(await desk.waivers.revoke(waiver.id, BOB)) == "revoked"


async def test_the_provider_counts_what_is_in_force(desk: Desk) -> None:
    provider = WaiverFacts(desk.waivers)

    def question() -> Question:
        return Question(
            stage="deployment", operation="deploy", environment="prod", purpose=None, actor=ADA.actor,
            subject_digest=SUBJECT, items={}, now=desk.at.hands.now(),
        )  # fmt: skip

    (group,) = await provider.gather(question())
    assert group.values == {"active": 0, "oldest_days": 0}
    for _ in range(2):
        waiver = await desk.waivers.request(wanted(), ADA)
        await desk.waivers.sign(waiver.id, BOB)
    await desk.waivers.request(wanted(), ADA)
    desk.at.hands.advance(days=3.5)
    (group,) = await provider.gather(question())
    assert group.values == {"active": 2, "oldest_days": 3}
    assert (group.about, group.observed_at) == (SUBJECT, desk.at.hands.now())
