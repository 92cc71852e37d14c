"""What a real OPA with our policy lets anybody do: the two queries, health and status, and nothing else.

Requests are written to the socket byte by byte, because a client library would tidy up the tricks.
"""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from proctor.opa import process
from tests.contract.opa.conftest import Policies
from tests.contract.opa.leavings import wait_until

STRICT: Final = "?strict-builtin-errors=true"
DECISION: Final = "/v1/data/governance/main/decision"
PERMISSION: Final = "/v1/data/authz/decision"
BODY: Final = b'{"input":{}}'
ALLOW_ALL: Final = b"package system.authz\n\nallow := true\n"


@dataclass(frozen=True)
class Opa:
    """A running OPA."""

    socket: Path

    def ask(self, method: str, target: str, body: bytes = b"", *headers: str) -> tuple[int, bytes]:
        """Send one request and return status and body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: opa", "Connection: close", f"Content-Length: {len(body)}"]
        if not any(line.startswith("Content-Type") for line in headers):
            lines.append("Content-Type: application/json")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body)
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, content = reply.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), content


@contextmanager
def running(binary: Path, policies: Policies, folder: Path, without: tuple[str, ...] = ()) -> Iterator[Opa]:
    """Run OPA as the engine does, on the command line of the engine, less what is named."""
    command = process.command(binary, policies.first, folder / "opa.sock")
    for option in without:
        place = command.index(option)
        del command[place : place + 2]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        found = Opa(folder / "opa.sock")
        try:
            wait_until(found.socket.exists, 20)
            began = time.monotonic()
            while True:
                try:
                    found.ask("GET", "/health")
                except OSError:
                    assert time.monotonic() - began < 20
                else:
                    break
            yield found
        finally:
            child.terminate()


@pytest.fixture(scope="module")
def opa(opa_binary: Path, policies: Policies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opa]:
    with running(opa_binary, policies, policies.first.path.parent) as found:
        yield found


@pytest.mark.parametrize(
    ("method", "target", "answer"),
    [
        ("POST", DECISION + STRICT, b'{"result":{'),
        ("POST", PERMISSION + STRICT, b'{"result":{"allow":false}}'),
        ("GET", "/health", b"{}"),
        # Allowed, and not there: a managed OPA has no bundle plugin that could have a status.
        ("GET", "/v1/status", b"status plugin not enabled"),
    ],
)
def test_what_the_engine_sends_passes(opa: Opa, method: str, target: str, answer: bytes) -> None:
    status, body = opa.ask(method, target, BODY if method == "POST" else b"")
    assert status == (500 if "status" in target else 200)
    assert answer in body


METHODS = ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "QUERY", "POSTX"]
WAYS = [
    "/", "*", "/v1", "/v1/", "/v1/data", "/v1/data/", "/v1/data/governance", "/v1/data/governance/main",
    "/v1/data/governance/config", "/v1/data/governance/index", "/v1/data/system", "/v1/data/system/authz/allow",
    "/v1/data/authz", f"{DECISION}/outcome", f"{DECISION}/", f"/{DECISION}", f"/v1//data{DECISION[8:]}",
    "/v1/data/governance//main/decision", "/v1/data/./governance/main/decision",
    "/v1/data/governance/main/../main/decision", "/v1/data/x/../governance/main/decision",
    "/v1/data/governance/main/decision/..", "/V1/data/governance/main/decision", "/v1/DATA/governance/main/decision",
    "/v1/data/governance%2Fmain/decision", "/v1/data/governance/main%2Fdecision", "/v1/data%2Fgovernance/main/decision",
    "/v1%2Fdata/governance/main/decision", f"{DECISION}%2F", f"{DECISION}%00", f"{DECISION}%20", f"{DECISION};x",
    "/v0/data/governance/main/decision", "/v2/data/governance/main/decision", "/data/governance/main/decision",
    "/v1/query", "/v1/compile", "/v1/compile/governance/main/decision", "/v1/policies", "/v1/policies/x",
    "/v1/batch/data/governance/main/decision", "/v1/config", "/metrics", "/debug/pprof/cmdline", "/health",
    "/v1/status",
]  # fmt: skip
PARAMETERS = [
    "", "?", "?strict-builtin-errors", "?strict-builtin-errors=", "?strict-builtin-errors=false",
    "?strict-builtin-errors=True", "?strict-builtin-errors=1", "?strict-builtin-errors=true%20",
    f"{STRICT}&strict-builtin-errors=true", f"{STRICT}&strict-builtin-errors=false", f"{STRICT}&pretty",
    f"{STRICT}&explain=full", f"{STRICT}&instrument=true", f"{STRICT}&metrics=true", f"{STRICT}&provenance=true",
    f"{STRICT}&x=y", f"{STRICT};pretty", f"{STRICT}%26pretty=true", f"{STRICT}#x", "?STRICT-BUILTIN-ERRORS=true",
    "?strict_builtin_errors=true",
]  # fmt: skip
READS = [
    "/health/", "/health/live", "/health/ready", "/health?bundles", "/health?bundles=true", "/health?plugins",
    "/health?exclude-plugin=bundle", "/health/..", "/Health", "/v1/status/", "/v1/status?pretty", "/v1/status/x",
    "/v1/config", "/metrics", "/v1/policies", "/v1/policies/x", "/v1/data", f"{DECISION}{STRICT}", "/v1/query?q=data",
    "/v1/query?q=1==1", "/v1/compile", "/debug/pprof", "/debug/pprof/heap", "/debug/pprof/profile", "/", "/index.html",
    "/v0/data", "//health", "/%2e%2e/health", "/v1/health", "/health;x", "/health%00", "/v1%2Fstatus",
]  # fmt: skip
REFUSED = {301, 400, 401, 404, 405}
"""301 points at the tidy path and has done nothing; no case of ours follows it (`allow_redirects`)."""


@pytest.mark.parametrize("method", METHODS)
def test_no_other_method_passes(opa: Opa, method: str) -> None:
    for target in (DECISION + STRICT, PERMISSION + STRICT, DECISION, "/v1/policies/x", "/v1/data/x"):
        status, body = opa.ask(method, target, BODY)
        assert status in REFUSED, (target, status)
        assert b"result" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("target", ["/health", "/v1/status"])
def test_what_is_read_is_only_read(opa: Opa, method: str, target: str) -> None:
    assert opa.ask(method, target)[0] == 401, "refused by the policy, before OPA looks whether it has such a route"


@pytest.mark.parametrize("target", WAYS)
def test_no_other_path_passes(opa: Opa, target: str) -> None:
    for parameters in (STRICT, ""):
        status, body = opa.ask("POST", target + parameters, BODY)
        assert status in REFUSED, status
        assert b"result" not in body


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_no_other_parameters_pass(opa: Opa, parameters: str) -> None:
    for target in (DECISION, PERMISSION):
        status, body = opa.ask("POST", target + parameters, BODY)
        assert status == 401, status
        assert b"result" not in body


@pytest.mark.parametrize("target", READS)
def test_nothing_else_can_be_read(opa: Opa, target: str) -> None:
    status, body = opa.ask("GET", target)
    assert status in REFUSED, status
    assert b"result" not in body
    assert b"governance" not in body


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"])
def test_no_header_makes_another_call_of_it(opa: Opa, header: str) -> None:
    value = "PUT" if "Method" in header else "/v1/policies/x"
    assert opa.ask("POST", DECISION + STRICT, BODY, f"{header}: {value}")[0] == 200, "it is the question that it was"
    assert opa.ask("GET", "/v1/policies", b"", f"{header}: {DECISION}")[0] == 401


@pytest.mark.parametrize(
    "target", [f"http://elsewhere{DECISION}{STRICT}", f"/v1/data/%67overnance/main/decision{STRICT}"]
)
def test_another_spelling_of_the_question_gets_the_same_answer(opa: Opa, target: str) -> None:
    assert opa.ask("POST", target, BODY) == opa.ask("POST", DECISION + STRICT, BODY)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"Input":{}}', b'{"inputs":{}}', b'{"input":null}'])
def test_a_question_without_an_input_is_no_allow(opa: Opa, body: bytes) -> None:
    status, reply = opa.ask("POST", DECISION + STRICT, body)
    assert b'"outcome":"allow"' not in reply
    assert status != 200 or b'"outcome":"error"' in reply


def _dechunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        found, body = found + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return found


WRITES = [
    ("PUT", "/v1/policies/x", b"package x\n\nallow := true\n"),
    ("PUT", "/v1/policies/authz", ALLOW_ALL),
    ("PUT", "/v1/policies/governance/main/main.rego", b'package governance.main\n\ndecision := "allow"\n'),
    ("DELETE", "/v1/policies/governance/main/main.rego", b""),
    ("PUT", "/v1/data", b"{}"),
    ("PUT", "/v1/data/x", b"1"),
    ("PUT", "/v1/data/governance/index", b"{}"),
    ("PUT", "/v1/data/governance/config/values", b"{}"),
    ("PATCH", "/v1/data", b'[{"op":"add","path":"/x","value":1}]'),
    ("PATCH", "/v1/data/governance/index", b'[{"op":"remove","path":"/rules"}]'),
    ("DELETE", "/v1/data/governance", b""),
    ("DELETE", "/v1/data/governance/index", b""),
]


@pytest.mark.parametrize(("method", "target", "body"), WRITES)
def test_nothing_can_be_written(opa: Opa, method: str, target: str, body: bytes) -> None:
    kind = "Content-Type: text/plain" if target.startswith("/v1/policies") else "Content-Type: application/json"
    before = opa.ask("POST", DECISION + STRICT, BODY)
    for parameters in ("", STRICT):
        assert opa.ask(method, target + parameters, body, kind)[0] == 401
    assert opa.ask("POST", DECISION + STRICT, BODY) == before


def test_nothing_can_be_written_where_somebody_forgot_the_authorisation(
    opa_binary: Path, policies: Policies, state_dir: Path
) -> None:
    with running(opa_binary, policies, state_dir, without=("--authorization",)) as opa:
        assert opa.ask("GET", "/v1/policies")[0] == 200, "nobody authorises here"
        before = opa.ask("POST", DECISION + STRICT, BODY)
        for method, target, body in WRITES:
            kind = "Content-Type: text/plain" if target.startswith("/v1/policies") else "Content-Type: application/json"
            status, reply = opa.ask(method, target, body, kind)
            # The one root of the bundle is everything, and what a bundle owns nobody else writes.
            assert status == 404 or (status == 400 and b"bundle" in reply), (method, target, status, reply)
        for policy in json.loads(_dechunked(opa.ask("GET", "/v1/policies")[1]))["result"]:
            assert opa.ask("DELETE", f"/v1/policies/{quote(policy['id'], safe='')}")[0] == 400
        assert opa.ask("POST", DECISION + STRICT, BODY) == before
