"""An external OPA that lies in every way that HTTP and JSON allow: each is an error with its own reason, in time."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Gate
from tests.live import liar as lies
from tests.live import records, subjects
from tests.live.liar import Liar, Lie, reply, says, twists
from tests.live.server import ProctorServer, running, wait_for

OPA_TIMEOUT = 0.6
"""Seconds for one evaluation in these tests, so that those who hang cost little."""
SLACK = 0.6
"""Seconds that two busy cores may add to a deadline."""


@contextmanager
def _real_opa(opa_binary: Path, state_dir: Path) -> Iterator[Path]:
    """Yield the socket of an OPA with the bundle that the server has built."""
    (bundle,) = (state_dir / "bundles").glob("*.tar.gz")
    path = state_dir / "real.sock"
    with (state_dir / "real.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(opa_binary), "run", "--server", "--addr", f"unix://{path}", "--authorization", "basic",
                "--bundle", str(bundle), "--verification-key", str(state_dir / "keys" / "bundle.pub"),
                "--signing-alg", "ES256", "--skip-version-check", "--log-level", "error",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(path.exists, 20, (state_dir / "real.log").read_text)
            yield path
        finally:
            process.kill()
            process.wait()


@pytest.fixture
async def told(state_dir: Path, opa_binary: Path) -> AsyncIterator[tuple[Gate, Liar]]:
    """Yield a server that asks the liar, who speaks the truth so far."""
    server = ProctorServer(state_dir, opa_binary)
    with running(server):  # with an OPA of its own: builds the bundle, registers the model
        key = subjects.register(server, "fraud")
    with _real_opa(opa_binary, state_dir) as real:
        liar = Liar(state_dir / "liar.sock", real)
        await liar.open()
        server.configure({"opa": {"url": f"unix://{liar.path}", "timeout": OPA_TIMEOUT}})
        try:
            server.launch()
            await asyncio.to_thread(wait_for, server.answers, 30, server.tail)
            yield Gate(server, key), liar
        finally:
            await asyncio.to_thread(server.stop)
            server.kill()
            await liar.close()


def _counts_one_more(verdict: dict[str, Any]) -> None:
    verdict["rules"]["deployment.model_registered"]["compliant"] += 1
    verdict["rules"]["deployment.model_registered"]["places"] += 1


WHOLE = b'{"result": {"outcome": "allow"}}'
LIES: dict[str, tuple[Lie, str]] = {
    "an empty object": (says(reply(b"{}")), "engine_undefined"),
    "an array": (says(reply(b"[]")), "engine_bad_shape"),
    "null": (says(reply(b"null")), "engine_bad_shape"),
    "a bare allow": (says(reply(WHOLE)), "engine_bad_shape"),
    "true": (says(reply(b'{"result": true}')), "engine_bad_shape"),
    "a result of null": (says(reply(b'{"result": null}')), "engine_bad_shape"),
    "HTML": (says(reply(b"<html>allow</html>", kind="text/html")), "engine_not_json"),
    "HTML that says it is JSON": (says(reply(b"<html>")), "engine_not_json"),
    "NaN": (says(reply(b'{"result": NaN}')), "engine_not_json"),
    "JSON that says it is text": (says(reply(WHOLE, kind="text/plain")), "engine_not_json"),
    "nothing, with status 200": (says(reply(b"")), "engine_not_json"),
    "what was not compressed": (says(reply(WHOLE, headers="Content-Encoding: gzip\r\n")), "engine_not_json"),
    "500 in OPA's form": (
        says(reply(b'{"code": "internal_error", "message": "type error"}', status=500)), "engine_evaluation_failed",
    ),
    "500 in another form": (says(reply(b"oops", status=500)), "engine_bad_status"),
    "500 with an allow": (says(reply(WHOLE, status=500)), "engine_bad_status"),
    "404": (says(reply(WHOLE, status=404)), "engine_bad_status"),
    "a redirect": (says(reply(b"", status=301, headers="Location: /v1/data/x\r\n")), "engine_bad_status"),
    "401": (says(reply(WHOLE, status=401)), "engine_call_refused"),
    "a warning": (
        says(reply(b'{"warning": {"code": "api_usage_warning", "message": "no input"}, "result": {}}')),
        "engine_warning",
    ),
    "half a body": (says(reply(WHOLE)[:-9]), "engine_half_reply"),
    "half of the chunks": (
        says(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + WHOLE),
        "engine_half_reply",
    ),
    "no length": (says(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + WHOLE), "engine_half_reply"),
    "half a head": (says(b"HTTP/1.1 200 OK\r\nContent-Ty"), "engine_dropped"),
    "nothing": (says(b""), "engine_dropped"),
    "another protocol": (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "engine_not_http"),
    "silence": (lies.hangs, "engine_timeout"),
    "a byte now and then": (lies.drips, "engine_timeout"),
    "more than 16 MiB": (says(reply(b'{"result": "' + b"x" * (17 << 20) + b'"}')), "engine_bad_shape"),
    "another policy's verdict": (twists(lambda verdict: verdict["policy"].update(revision="older")),
                                 "engine_foreign_revision"),
    "a policy without rules": (
        twists(lambda verdict: verdict.update(
            outcome="error", findings=[], rules={}, problems=[{"code": "no_rules", "detail": "no rule applies"}]
        )),
        "engine_no_rules",
    ),
    "an allow without a rule": (twists(lambda verdict: verdict.update(rules={})), "verdict_mismatch"),
    "a rule left out": (twists(lambda verdict: verdict["rules"].popitem()), "verdict_mismatch"),
    "a place that was not asked about": (twists(_counts_one_more), "verdict_mismatch"),
    "a field that nobody knows": (twists(lambda verdict: verdict.update(override=True)), "engine_bad_shape"),
}  # fmt: skip
ABOUT_A_DENIAL: dict[str, tuple[Lie, str]] = {
    "a denial called an allow": (twists(lambda verdict: verdict.update(outcome="allow")), "verdict_mismatch"),
    "an allow, its findings thrown away": (
        twists(lambda verdict: verdict.update(outcome="allow", findings=[])), "verdict_mismatch",
    ),
    "effects that harm nobody": (
        twists(lambda verdict: (
            verdict.update(outcome="allow"), [found.update(effect="warn") for found in verdict["findings"]]
        )),
        "verdict_mismatch",
    ),
    "waived by a waiver that does not exist": (
        twists(lambda verdict: (
            verdict.update(outcome="allow"),
            [found.update(effect="waived", by="wvr_1") for found in verdict["findings"]],
        )),
        "verdict_mismatch",
    ),
}  # fmt: skip


@pytest.mark.timeout(180)
async def test_each_lie_is_an_error_of_its_own_kind_in_time_and_the_next_truth_counts(told: tuple[Gate, Liar]) -> None:
    gate, liar = told
    assert (await gate.ask())["reason"] == "compliant"
    wrong = []
    for model, table in (("fraud", LIES), ("shadow", ABOUT_A_DENIAL)):
        for name, (lie, reason) in table.items():
            liar.lie, before, began = lie, liar.asked, time.monotonic()
            decision = await gate.ask(model)
            took = time.monotonic() - began
            if (decision["outcome"], decision["reason"]) != ("error", reason) or not decision["problems"]:
                wrong.append(f"{name}: {decision['outcome']} {decision['reason']}, {decision['message']}, not {reason}")
            if took > OPA_TIMEOUT + SLACK:
                wrong.append(f"{name}: it took {took:.2f} s")
            if liar.asked - before != 1:
                wrong.append(f"{name}: OPA was asked {liar.asked - before} times, not once")
            liar.lie = None
            after = await gate.ask()
            if after["reason"] != "compliant":
                wrong.append(f"after {name}: the truth is {after['reason']}, {after['message']}")
    assert wrong == []
    recorded = records.decisions(gate.server)
    assert sum(1 for decision in recorded.values() if decision["outcome"] == "error") == len(LIES) + len(ABOUT_A_DENIAL)


async def test_a_socket_that_is_gone_is_unavailable_until_it_is_back(told: tuple[Gate, Liar]) -> None:
    gate, liar = told
    for _ in range(3):
        await liar.close()
        decision = await gate.ask()
        assert (decision["outcome"], decision["reason"]) == ("error", "engine_unavailable"), decision["message"]
        status, reasons = await asyncio.to_thread(gate.server.ready)
        assert status == 503, reasons
        await liar.open()
        assert (await gate.ask())["reason"] == "compliant"


async def test_an_opa_without_a_policy_is_undefined(told: tuple[Gate, Liar], opa_binary: Path) -> None:
    gate, liar = told
    empty = gate.server.state_dir / "empty.sock"
    process = await asyncio.create_subprocess_exec(
        str(opa_binary), "run", "--server", "--addr", f"unix://{empty}", "--log-level", "error"
    )
    try:
        await asyncio.to_thread(wait_for, empty.exists, 20, lambda: "OPA does not come up")
        liar.real = empty
        decision = await gate.ask()
    finally:
        process.kill()
        await process.wait()
    assert (decision["outcome"], decision["reason"]) == ("error", "engine_undefined"), decision["message"]
