"""Two servers on one PostgreSQL database: what one changes, the other knows before it answers."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from proctor.errors import LedgerError, RefusedError, StateError
from proctor.identity.people import Register
from proctor.inventory.datasets import Datasets
from proctor.inventory.deployments import Deployments
from proctor.inventory.models import Inventory
from proctor.inventory.standing import StandingDecisions
from proctor.ledger.clock import Clock
from proctor.ledger.writer import Ledger
from proctor.oversight.waivers import Policy, Waivers
from proctor.plugins import DatasetAliases, DatasetFact, Ended
from proctor.store import following
from proctor.store.database import Database
from proctor.store.leadership import Leadership
from proctor.store.tables import register_changes, register_versions
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.waiver import WaiverRequest
from proctor.vocabulary.words import EvidenceTier
from tests.engine.identity.stores import START, Hands
from tests.engine.inventory import test_standing as standing
from tests.live import postgres

BY = "service:localoperator"
DIGEST = "sha256:" + "a" * 64


class Server:
    """The registers of one server, without the server."""

    def __init__(self, url: str, state_dir: Path) -> None:
        self.hands = Hands()
        self.database = Database.open(url)
        self.following = self.database.following
        self.ledger = Ledger.open(self.database, state_dir, clock=Clock())
        self.people = Register(
            database=self.database, ledger=self.ledger, clock=self.hands, pepper=b"p" * 32,
            monotonic=self.hands.monotonic,
        )  # fmt: skip
        self.waivers = Waivers(
            database=self.database, ledger=self.ledger, clock=self.hands,
            policy=lambda: Policy({"a.rule": {"waivable": {"max_days": 30}, "item_id": []}}, ["prod"]),
        )  # fmt: skip

    async def load(self) -> "Server":
        await self.people.load()
        await self.waivers.load()
        self.models = Inventory.load(self.database, self.ledger, self.hands.now)
        self.datasets = Datasets.load(self.database, self.ledger, self.hands.now)
        self.deployments = Deployments.load(self.database, self.hands.now)
        return self

    async def close(self) -> None:
        await self.ledger.close()
        self.database.close()


@pytest.fixture
async def servers(tmp_path: Path, postgresql: postgres.Server) -> AsyncIterator[tuple[Server, Server]]:
    with postgresql.database() as url:
        one = await Server(url, tmp_path / "one").load()
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        two = await Server(url, tmp_path / "two").load()
        try:
            yield one, two
        finally:
            await one.close()
            await two.close()


def person(name: str, *roles: Role) -> Caller:
    actor = Actor(f"person:{name}", PrincipalKind.PERSON, "api-key")
    every = frozenset({"*"})
    return Caller(actor, frozenset(roles), every, every, frozenset(), "prk")


def wanted() -> WaiverRequest:
    return WaiverRequest(
        rule="a.rule", subject_digest=DIGEST, environment="prod", item=[], reason="because it has to be",
        valid_from=START, valid_until=START + timedelta(days=1),
    )  # fmt: skip


async def test_a_revoked_key_and_a_deactivated_principal_are_refused_everywhere(servers: tuple[Server, Server]) -> None:
    one, two = servers
    ada = await one.people.add(PrincipalKind.PERSON, "Ada", [Role.ADMIN], [], BY)
    made = {"roles": [Role.ADMIN], "points": ["*"], "environments": ["*"], "by": BY}
    keys = [await one.people.create_key(ada.id, **made) for _ in range(2)]  # type: ignore[arg-type]
    with pytest.raises(RefusedError):
        two.people.authenticate(f"Bearer {keys[0][1]}", "b")
    await two.following.look()
    for _, text in keys:
        assert two.people.authenticate(f"Bearer {text}", "b").actor.id == ada.id
    told: list[str | None] = []
    two.people.on_change = told.append
    await one.people.revoke_key(keys[0][0].prefix, BY)
    await two.following.look()
    with pytest.raises(RefusedError):
        two.people.authenticate(f"Bearer {keys[0][1]}", "b")
    assert two.people.authenticate(f"Bearer {keys[1][1]}", "b")
    assert told == [], "a key that ends changes nothing that holds"
    await one.people.deactivate(ada.id, BY)
    await two.following.look()
    with pytest.raises(RefusedError):
        two.people.authenticate(f"Bearer {keys[1][1]}", "b")
    assert told == [None], "whoever judges again is told"


async def test_waivers_and_models_and_deployments_that_another_server_changed_are_known(
    servers: tuple[Server, Server],
) -> None:
    one, two = servers
    waiver = await one.waivers.request(wanted(), person("joejoe", Role.REQUESTER))
    await two.waivers.sign(waiver.id, person("eveeve", Role.APPROVER))  # a change looks first
    await one.following.look()
    assert len(one.waivers.matching(DIGEST, "prod", START)) == 1
    await two.waivers.revoke(waiver.id, person("eveeve", Role.APPROVER))
    await one.following.look()
    assert one.waivers.matching(DIGEST, "prod", START) == []

    await one.models.register(name="fraud", version="1", digest=DIGEST, by=BY)
    await two.following.look()
    assert two.models.digest_for("models:/fraud/1") == DIGEST
    await two.models.withdraw("fraud", "1", by=BY)
    with pytest.raises(RefusedError, match="withdrawn"):
        await one.models.allow("fraud", "1", ["prod"], by=BY)
    assert one.models.digest_for("models:/fraud/1") is None


async def test_what_catalogs_say_reaches_every_server_and_whoever_judges_again(servers: tuple[Server, Server]) -> None:
    one, two = servers
    told: list[frozenset[str]] = []
    two.datasets.on_change = told.append

    def fact(data_class: str, minutes: int) -> DatasetFact:
        values = {"personal": False, "special": False, "data_class": data_class}
        return DatasetFact(
            "file", "/data/a", "sensitivity", values, START + timedelta(minutes=minutes), "catalog",
            EvidenceTier.OBSERVED,
        )  # fmt: skip

    await one.datasets.record([fact("public", 1)])
    (urn,) = one.datasets._facts
    await two.following.look()
    assert two.datasets.data_class([urn]) == one.datasets.data_class([urn])
    await two.datasets.record([fact("special", 2)])
    await one.datasets.record([fact("public", 1)])  # an older word from another server
    for server in servers:
        await server.following.look()
        worst = server.datasets.data_class([urn])
        assert worst is not None
        assert worst[0] == "special"
    assert told
    assert all(urn in urns for urns in told)

    linked = DatasetAliases("file", "/data/a", [("file", "/data/b")], START, "catalog")
    await one.datasets.link([linked])
    await two.following.look()
    assert two.datasets.names(urn) == one.datasets.names(urn)
    assert len(two.datasets.names(urn)) == 2
    await one.datasets.link([DatasetAliases("file", "/data/a", [], START + timedelta(minutes=1), "catalog")])
    await two.following.look()
    assert two.datasets._names.all() == []


async def test_what_rests_on_something_that_was_changed_meanwhile_is_not_written(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock can be lost with its connection: then two servers are at the same waiver at the same time."""
    one, two = servers
    waiver = await one.waivers.request(wanted(), person("joejoe", Role.REQUESTER))
    await two.following.look()
    lose_locks(monkeypatch)
    changes = one.waivers._changes
    async with changes.writing():  # one has looked, and is about to write
        await two.waivers.revoke(waiver.id, person("eveeve", Role.APPROVER))
        signed = one.waivers.get(waiver.id).model_copy(update={"signed_by": "person:eveeve", "signed_at": START})
        with pytest.raises(LedgerError, match="another server has changed the register of waivers"):
            await one.waivers._record(signed, "signed", "person:eveeve", START, select(1))
    await one.following.look()
    assert one.waivers.state(one.waivers.get(waiver.id)) == "revoked"
    assert one.ledger.healthy


def lose_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    take = following.Following._take

    def lost(self: following.Following, name: str) -> object:
        connection = take(self, name)
        connection.rollback()
        return connection

    monkeypatch.setattr(following.Following, "_take", lost)


async def test_many_changes_at_once_on_both_servers_all_count(servers: tuple[Server, Server]) -> None:
    names = [(server, f"m{number}") for number in range(12) for server in servers]
    await asyncio.gather(
        *(server.models.register(name=name, version=str(servers.index(server)), digest=DIGEST, by=BY)
          for server, name in names)
    )  # fmt: skip
    for server in servers:
        await server.following.look()
        assert len(server.models.list()) == len(names)


async def test_a_look_sees_everything_that_was_confirmed_before_it_was_asked_for(
    servers: tuple[Server, Server],
) -> None:
    one, two = servers
    stop = asyncio.Event()

    async def crowd() -> None:
        while not stop.is_set():
            await two.following.look()

    crowding = [asyncio.create_task(crowd()) for _ in range(20)]
    try:
        for number in range(30):
            await one.deployments.remember(f"w{number}", {"number": number}, _decision())
            await two.following.look()
            assert two.deployments.known(f"w{number}") == {"number": number}
    finally:
        stop.set()
        await asyncio.gather(*crowding)


def _decision() -> object:
    class Decided:
        subject = None
        id = "dec_1"

    return Decided()


async def test_who_comes_while_a_look_is_under_way_waits_for_the_next(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = servers
    read, has_read, go_on = two.following._read, threading.Event(), threading.Event()

    def slow() -> object:
        found = read()
        has_read.set()
        go_on.wait(following.LIMIT / 2)
        return found

    monkeypatch.setattr(two.following, "_read", slow)
    early = asyncio.create_task(two.following.look())
    await asyncio.to_thread(has_read.wait, 10)
    await one.deployments.remember("w", {"number": 1}, _decision())
    late = asyncio.create_task(two.following.look())
    await asyncio.sleep(0)
    go_on.set()
    await early
    assert two.deployments.known("w") is None
    await late
    assert two.deployments.known("w") == {"number": 1}


async def test_a_call_that_arrived_while_nobody_could_tell_decides_nothing_even_later(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, two = servers
    looks: list[str] = []
    read = two.following._read

    def broken() -> object:
        raise StateError("looking", "on purpose")

    def counted() -> object:
        looks.append("look")
        return read()

    async def call(*, late: bool = False) -> None:
        monkeypatch.setattr(two.following, "_read", broken if not looks else counted)
        await two.following.arrive()
        monkeypatch.setattr(two.following, "_read", counted)
        if late:
            monkeypatch.setattr(following, "FRESH", 0.0)
            await asyncio.sleep(0.001)
        await two.following.require()

    with pytest.raises(StateError, match="on purpose"):
        await asyncio.create_task(call())
    assert looks == [], "who called was found out without the database"
    await asyncio.create_task(two.following.require())
    assert looks == ["look"], "what nobody's call has brought about looks by itself"
    await asyncio.create_task(call())
    assert len(looks) == 2, "the look at the arrival is good for the decision"
    await asyncio.create_task(call(late=True))
    assert len(looks) == 4, "but not for long"


async def test_who_is_far_behind_reads_everything(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = servers
    monkeypatch.setattr(following, "_KEPT", 2)
    for number in range(6):
        await one.deployments.remember(f"w{number}", {"number": number}, _decision())
    assert one.following.forget() == 4
    left = select(func.count()).select_from(register_changes).where(register_changes.c.register == "deployments")
    assert one.database.read(left) == [(2,)]
    await two.following.look()
    assert [two.deployments.known(f"w{number}") for number in range(6)] == [{"number": n} for n in range(6)]


async def test_a_database_that_does_not_answer_leaves_nothing_to_rest_on_and_comes_back(
    servers: tuple[Server, Server],
) -> None:
    _, two = servers
    with blocking(two.database, "register_versions"):
        with pytest.raises(StateError, match=r"did not answer|statement timeout"):
            await two.following.look()
        assert two.following.trouble is not None
    async with asyncio.timeout(10):
        while True:
            try:
                await two.following.look()
            except StateError:
                continue
            break
    assert two.following.trouble is None


@contextmanager
def blocking(database: Database, table: str) -> Iterator[None]:
    with postgres.connect(database.engine.url) as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
        yield


async def test_a_lost_connection_is_made_again_by_the_look_that_finds_it_lost(servers: tuple[Server, Server]) -> None:
    _, two = servers
    await two.following.look()
    with postgres.connect(two.database.engine.url) as other:
        found = other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE '%register_versions' AND pid <> pg_backend_pid()"
        ).fetchall()
    assert found
    await two.following.look()


async def test_one_server_leads_and_another_goes_on_when_it_is_gone(servers: tuple[Server, Server]) -> None:
    leading: list[str] = []

    async def work(name: str) -> None:
        leading.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            leading.remove(name)

    first, second = (
        asyncio.create_task(Leadership(server.database.engine, "test").run(lambda name=name: work(name)))
        for server, name in zip(servers, ("one", "two"), strict=True)
    )
    await until(lambda: len(leading) == 1)
    await asyncio.sleep(1.2)
    assert len(leading) == 1
    (leader,) = leading
    gone, other = (first, second) if leader == "one" else (second, first)
    gone.cancel()
    await asyncio.wait({gone})
    await until(lambda: len(leading) == 1 and leading != [leader])
    with postgres.connect(servers[0].database.engine.url) as connection:  # the lock goes with its connection
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    await until(lambda: not leading)
    await until(lambda: len(leading) == 1)
    other.cancel()
    await asyncio.wait({other})


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (what is waited for happens in a thread)
            await asyncio.sleep(0.01)


async def test_sqlite_pays_nothing(state_dir: Path) -> None:
    url = postgres.url_of(state_dir)
    server = await Server(url, state_dir).load()
    await server.models.register(name="fraud", version="1", digest=DIGEST, by=BY)
    found = server.database.read(select(register_versions.c.register, register_versions.c.version))
    assert found == [] if url.startswith("sqlite") else ("models", 1) in found
    await server.close()


def subjects(known: StandingDecisions) -> list[str]:
    return [one.key[0] for one in known.all()]


async def test_what_one_server_is_told_was_taken_out_of_use_holds_on_no_other(servers: tuple[Server, Server]) -> None:
    one, two = servers
    ended: list[str] = []
    first, second = (StandingDecisions.load(at.database, at.ledger, at.hands.now) for at in servers)
    second.on_end = lambda held: ended.append(held.key[0])
    for subject in ("stays", "goes"):
        await first.remember(standing.request(subject), standing.asking(), standing.decision())
    await two.following.look()
    assert subjects(second) == ["goes", "stays"]
    told = Ended("goes", "registration", "prod", "models:/fraud/7", "person:00000000000a11ce", START, "alias deleted")
    await first.end(told)
    await two.following.look()
    assert subjects(second) == ["stays"]
    assert ended == ["goes"]
    await one.following.look()
    assert subjects(first) == ["stays"]


async def test_what_was_allowed_anew_on_another_server_is_not_ended(servers: tuple[Server, Server]) -> None:
    first, second = (StandingDecisions.load(at.database, at.ledger, at.hands.now) for at in servers)
    await first.remember(standing.request("a"), standing.asking(), standing.decision())
    servers[1].hands.time += timedelta(seconds=20)
    await second.remember(standing.request("a"), standing.asking(), standing.decision())
    late = Ended("a", "registration", "prod", "models:/fraud/7", "person:00000000000a11ce", START, "alias deleted")
    await first.end(late)
    assert subjects(first) == ["a"], "it was told late: by then the other server had allowed it anew"
