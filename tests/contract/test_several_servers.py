"""Two server processes on one PostgreSQL: one ledger, one truth about people and models, one delivery of each alert."""

import asyncio
import json
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.kubernetes.doubles import deployment, review
from tests.live import postgres, records, subjects
from tests.live.load import Account, crowd, pressing
from tests.live.server import ProctorServer, running, wait_for

CALLERS = 32


class Receiver(ThreadingHTTPServer):
    """Takes alerts and counts how often each came."""

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), _Taking)


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got[self.headers["webhook-id"]] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@contextmanager
def folders(url: str, count: int) -> Iterator[list[Path]]:
    """Lend state directories that belong to one database."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))
            stack.callback(shutil.rmtree, folder)
            stack.enter_context(postgres.beside(folder, url))
            found.append(folder)
        yield found


@pytest.fixture(scope="module")
def pair(
    postgresql: postgres.Server, opa_binary: Path, receiver: Receiver
) -> Iterator[tuple[ProctorServer, ProctorServer]]:
    """Return two servers; the second has copies of the first one's keys."""
    sink = {"name": "pager", "url": f"http://127.0.0.1:{receiver.server_port}/", "secret_env": "PAGER_SECRET"}
    configuration = {"sinks": [sink], "checkpoint_every": 20}
    with postgresql.database() as url, folders(url, 2) as (first, second), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAGER_SECRET", "whsec_" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
        with running(ProctorServer(first, opa_binary, configuration)) as one:
            shutil.copytree(first / "keys", second / "keys")
            with running(ProctorServer(second, opa_binary, configuration)) as two:
                yield one, two


@pytest.fixture(scope="module")
def key(pair: tuple[ProctorServer, ProctorServer]) -> str:
    return subjects.register(pair[0], "fraud", "churn")


def bodies(callers: int, name: str = "fraud") -> list[bytes]:
    return [subjects.deployment(name, request_id=f"caller-{number}") for number in range(callers)]


async def ask(server: ProctorServer, key: str, body: bytes) -> dict[str, Any]:
    (decision,) = (await crowd(server.socket, key, [body])).decisions
    return decision


async def test_concurrent_decisions_of_both_are_one_ledger(pair: tuple[ProctorServer, ProctorServer], key: str) -> None:
    async def press(server: ProctorServer) -> Account:
        async with pressing(server.socket, key, bodies(CALLERS)) as told:
            await told.hear_more(4 * CALLERS)
        return told

    told = await asyncio.gather(*(press(server) for server in pair))
    for server, account in zip(pair, told, strict=True):
        assert set(account.reasons) == {"compliant"}
        assert records.check_nothing_lost(server, account) >= sum(len(one.decisions) for one in told)
        assert "the ledger is whole" in records.check_whole(server)
    for id_ in (told[0].decisions[0]["id"], told[1].decisions[0]["id"]):
        for server in pair:
            assert server.call("GET", f"/v1/decisions/{id_}")[0] == 200, "each knows what the other decided"


async def test_what_one_takes_away_the_other_refuses_at_once(
    pair: tuple[ProctorServer, ProctorServer], key: str
) -> None:
    one, two = pair
    for number in range(10):
        first, second = (one, two) if number % 2 else (two, one)
        made = subjects.register(first, f"model-{number}")
        body = subjects.deployment(f"model-{number}")
        assert (await ask(second, made, body))["outcome"] == "allow", "what one knows, the other knows"
        assert first.call("DELETE", f"/v1/models/model-{number}/1")[0] == 200
        assert (await ask(second, made, body))["outcome"] == "deny"
        assert first.call("DELETE", f"/v1/keys/{made.split('_')[1]}")[0] == 200
        refused = await crowd(second.socket, made, [body])
        assert [status for status, _ in refused.other] == [401]


async def test_under_load_nothing_is_allowed_after_it_was_withdrawn(
    pair: tuple[ProctorServer, ProctorServer], key: str
) -> None:
    one, two = pair
    async with pressing(two.socket, key, bodies(CALLERS, "churn")) as told:
        await told.hear_more(CALLERS)
        assert (await asyncio.to_thread(one.call, "DELETE", "/v1/models/churn/1"))[0] == 200
        position = len(told.decisions)
        await told.hear_more(4 * CALLERS)
    later: dict[str, list[str]] = {}
    for decision in told.decisions[position:]:
        later.setdefault(decision["request_id"], []).append(decision["outcome"])
    # What a caller hears first may be the answer to what it asked before. Whatever it asks after that, it asks later.
    assert {outcome for outcomes in later.values() for outcome in outcomes[1:]} == {"deny"}
    assert set(told.reasons) == {"compliant", "non_compliant"}


async def test_each_alert_comes_once(pair: tuple[ProctorServer, ProctorServer], key: str, receiver: Receiver) -> None:
    denied = [subjects.deployment("unknown", request_id=f"{number}") for number in range(40)]
    told = await asyncio.gather(*(crowd(server.socket, key, denied) for server in pair))
    ids = {decision["id"] for account in told for decision in account.decisions}
    assert len(ids) == 2 * len(denied)
    await asyncio.to_thread(
        wait_for, lambda: ids <= receiver.got.keys(), 20, lambda: f"{len(ids - receiver.got.keys())} did not come"
    )
    await asyncio.sleep(2.5)  # two more rounds of both
    assert {receiver.got[one] for one in ids} == {1}


def test_a_server_with_other_keys_is_refused(pair: tuple[ProctorServer, ProctorServer], opa_binary: Path) -> None:
    one, _ = pair
    with folders(postgres.url_of(one.state_dir), 1) as (folder,):
        stranger = ProctorServer(folder, opa_binary)
        done = stranger.command("serve")
        assert done.returncode == 3
        assert "copy the folder keys" in done.stderr
        assert not (folder / "keys" / "ledger.key").exists(), "no key is made that can't be used"
        for name in ("pepper", "ledger.key", "cases.key"):
            shutil.rmtree(folder / "keys", ignore_errors=True)
            shutil.copytree(one.state_dir / "keys", folder / "keys")
            path = folder / "keys" / name
            path.write_bytes(path.read_bytes()[:-1] + b"x")
            done = stranger.command("serve")
            assert done.returncode == 3, done.stderr
            assert name in done.stderr
    assert one.ready()[0] == 200


async def test_what_postgresql_cannot_store_is_refused_and_costs_no_defect(
    pair: tuple[ProctorServer, ProctorServer], key: str
) -> None:
    one, _ = pair
    document = json.loads(bodies(1)[0])
    document["subject"]["name"] = "ml-prod/Deployment/a\x00b"
    decision = await ask(one, key, json.dumps(document).encode())
    assert (decision["outcome"], decision["reason"]) == ("deny", "invalid_request")
    assert decision["problems"][0]["path"] == "/subject/name"
    for path, body in (
        ("/v1/principals", {"kind": "person", "name": "a\x00b"}),
        ("/v1/models", {"name": "a\x00b", "version": "1", "digest": subjects.digest("a")}),
        ("/v1/models", {"name": "a", "version": "1", "digest": subjects.digest("a"), "uris": ["oci://x/a\x00b"]}),
        ("/v1/models", {"name": "a", "version": "1", "digest": subjects.digest("a"), "purpose": "a\x00b"}),
    ):
        status, answer = one.call("POST", path, body)
        assert status in {422, 503}, answer
    assert one.call("GET", "/v1/waivers/a%00b")[0] in {404, 405}
    assert one.call("GET", "/v1/decisions/dec%00")[0] == 404
    assert one.ready()[0] == 200


async def test_one_is_killed_and_the_other_goes_on(pair: tuple[ProctorServer, ProctorServer], key: str) -> None:
    one, two = pair
    async with pressing(one.socket, key, bodies(CALLERS)) as first, pressing(two.socket, key, bodies(8)) as second:
        await first.hear_more(CALLERS)
        await second.hear_more(8)
        one.kill()
        await second.hear_more(100)
    assert first.unanswered
    assert set(second.reasons) == {"compliant"}
    assert not second.unanswered
    assert not second.other
    one.start()
    for account in (first, second):
        records.check_nothing_lost(two, account)
    records.check_whole(one)
    assert (await ask(one, key, bodies(1)[0]))["outcome"] == "allow"


async def test_without_postgresql_there_are_only_errors_and_everything_comes_back_by_itself(opa_binary: Path) -> None:
    if postgres.binaries() is None:
        pytest.skip("stopping PostgreSQL needs a server of our own: install Debian's package postgresql")
    cluster = postgres.Cluster(durable=True)
    try:
        cluster.start()
        with folders(cluster.url, 1) as (folder,), running(ProctorServer(folder, opa_binary)) as server:
            key = subjects.register(server, "fraud")
            async with pressing(server.socket, key, bodies(8), pause=0.02) as told:
                await told.hear_more(20)
                await asyncio.to_thread(cluster.stop, postgres.AT_ONCE)
                position = len(told.decisions)
                await told.hear(lambda: told.since(position)["ledger_unavailable"] >= 20)
                assert server.ready()[0] == 503
                assert server.call("GET", "/v1/keys")[0] == 503, "who may know what can't be told"
                status, answer = server.call("POST", "/v1/adapters/kubernetes/admit/core", review(deployment()))
                assert (status, answer["response"]["allowed"]) == (200, False), "a failed call could be an admission"
                assert "ledger_unavailable" in answer["response"]["status"]["message"]
                position = len(told.decisions)
                await told.hear_more(20)
                assert set(told.since(position)) == {"ledger_unavailable"}
                await asyncio.to_thread(cluster.start)
                await told.hear(lambda: told.decisions[-1]["outcome"] == "allow")
                position = len(told.decisions)
                await told.hear_more(50)
                assert set(told.since(position)) == {"compliant"}
            await asyncio.to_thread(wait_for, lambda: server.ready()[0] == 200, 10, lambda: json.dumps(server.ready()))
            assert not told.other, "every caller was told a decision"
            assert not told.unanswered
            records.check_nothing_lost(server, told)
            records.check_whole(server)
    finally:
        cluster.remove()
