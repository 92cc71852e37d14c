"""The door, as it is met from outside: `proctor decide` and `POST /v1/decisions` of a running server.

Whatever is not a request is a denial that says what is wrong, in a bounded time; nothing gets through, nothing ends in
a traceback, and the server goes on.
"""

import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from proctor.cli.main import run
from tests.live import subjects
from tests.live.server import LocalConnection, ProctorServer, running

SCHEMA: Final[dict[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[3] / "rego" / "schemas" / "request.json").read_bytes()
)
LIMIT: Final = 8.0
"""Seconds for one answer to the largest thing that anybody may send, on two busy cores."""
Asked = Callable[[bytes], tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def server(opa_binary: Path) -> Iterator[ProctorServer]:
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        with running(ProctorServer(folder, opa_binary)) as started:
            subjects.register(started, "fraud")
            yield started
            log = started.log.read_text(encoding="utf-8", errors="replace")
            assert "Traceback" not in log, log[-4000:]
            assert "internal_error" not in log, log[-4000:]
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def command_line(
    server: ProctorServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `proctor decide --input -` in this process: exit code and standard output."""
    for name in ("PROCTOR_URL", "PROCTOR_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)

    def ask(raw: bytes, *options: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code = run(["decide", "--input", "-", *options])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.out + captured.err
        assert "internal error" not in captured.err, captured.err
        return code, captured.out

    return ask


def _over_http(server: ProctorServer) -> Asked:
    def ask(raw: bytes) -> tuple[int, dict[str, Any]]:
        status, decision = server.call("POST", "/v1/decisions", raw)
        assert status == 200
        return {"allow": 0, "deny": 1, "error": 3, "require_approval": 4}[decision["outcome"]], decision

    return ask


@pytest.fixture(params=["command line", "HTTP"])
def asked(request: pytest.FixtureRequest, server: ProctorServer, command_line: Callable[..., tuple[int, str]]) -> Asked:
    """Return a function that asks either way: exit code and decision."""
    if request.param == "HTTP":
        return _over_http(server)

    def ask(raw: bytes) -> tuple[int, dict[str, Any]]:
        code, out = command_line(raw, "--output", "json")
        decision: dict[str, Any] = json.loads(out)
        return code, decision

    return ask


# --- Nothing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running_server", [True, False], ids=["with a server", "without"])
def test_an_empty_object_is_denied_with_one_line_for_each_missing_thing(
    running_server: bool, server: ProctorServer, state_dir: Path, opa_binary: Path
) -> None:
    """In a process of its own, as people run it; without a server, with an engine of its own."""
    place = server if running_server else ProctorServer(state_dir, opa_binary)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "proctor.cli", "decide", "--input", "-"],
        input=b"{}", env=place.environment(), capture_output=True, timeout=50, check=False,
    )  # fmt: skip
    lines = [line.strip() for line in done.stdout.decode().splitlines()]
    assert done.returncode == 1, done.stderr.decode()
    assert any(line.startswith("reason    invalid_request") for line in lines)
    missing = [line for line in lines if line.endswith(": is required")]
    assert missing == [f"/{name}: is required" for name in SCHEMA["required"]]
    assert "Traceback" not in done.stderr.decode()


def test_a_file_that_is_not_there_is_a_wrong_command(command_line: Callable[..., tuple[int, str]]) -> None:
    assert run(["decide", "--input", "/nonexistent/request.json"]) == 2


# --- Every required field --------------------------------------------------------------------------------------------


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        return _resolved(SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return _resolved(options[0]) if options else schema


_DIGEST: Final = "sha256:" + "a" * 64
_TEXTS: Final = {
    r"^sha256:[0-9a-f]{64}$": _DIGEST,
    r"^(person|service):[a-z0-9]{4,64}$": "person:alice",
    r"^person:[a-z0-9]{4,64}$": "person:alice",
    r"^[a-z][a-z0-9_.-]{0,127}$": "prod",
}


def _instance(schema: Mapping[str, Any]) -> Any:
    """Return a document with everything in it that the schema knows."""
    schema = _resolved(schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return "deployment" if "deployment" in schema["enum"] else schema["enum"][-1]
    kind = schema["type"]
    if kind == "object":
        return {name: _instance(value) for name, value in schema["properties"].items()}
    if kind == "array":
        return [_instance(schema["items"])]
    if kind == "string":
        return "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else _TEXTS[schema["pattern"]] if (
            "pattern" in schema
        ) else "x"  # fmt: skip
    return {"integer": 1, "number": min(1.5, schema.get("maximum", 1.5)), "boolean": True}[kind]


def _full() -> dict[str, Any]:
    document: dict[str, Any] = _instance(SCHEMA)
    del document["subject"]["digest"]
    return document


def _required(
    schema: Mapping[str, Any], document: Any, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    schema = _resolved(schema)
    if schema.get("type") == "object":
        yield from ((*at, name) for name in schema.get("required", ()))
        for name, value in document.items():
            yield from _required(schema["properties"][name], value, (*at, name))
    elif schema.get("type") == "array":
        for index, value in enumerate(document):
            yield from _required(schema["items"], value, (*at, index))


REQUIRED: Final = [*_required(SCHEMA, _full()), ("facts", "models"), ("facts", "images")]
"""The last two are required of a deployment, which a schema can't say."""


def test_the_document_with_everything_in_it_gets_past_the_door(server: ProctorServer) -> None:
    assert len(REQUIRED) >= 40
    _, decision = _over_http(server)(json.dumps(_full()).encode())
    assert decision["reason"] != "invalid_request", decision["problems"]


@pytest.mark.parametrize("path", REQUIRED, ids=lambda path: "/".join(map(str, path)))
def test_each_required_field_is_missed_by_name(path: tuple[str | int, ...], asked: Asked) -> None:
    document: Any = _full()
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    code, decision = asked(json.dumps(document).encode())
    assert (code, decision["outcome"], decision["reason"]) == (1, "deny", "invalid_request")
    pointer = "/" + "/".join(map(str, path))
    assert [(one["code"], one["path"]) for one in decision["problems"]] == [("missing", pointer)]
    assert decision["recorded"] is True


def test_the_line_for_a_missing_field_is_what_people_read(command_line: Callable[..., tuple[int, str]]) -> None:
    document = _full()
    del document["facts"]["workload"]["unclassified"]
    code, out = command_line(json.dumps(document).encode())
    assert code == 1
    assert "/facts/workload/unclassified: is required" in [line.strip() for line in out.splitlines()]


# --- Bytes that nobody should send -----------------------------------------------------------------------------------

_GOOD: Final = subjects.deployment("fraud")
_TEXT: Final = _GOOD.decode()
_MANY: Final = 100_000


def _with(member: str) -> bytes:
    return ("{" + member + ", " + _TEXT[1:]).encode()


def _registration(matches: str) -> bytes:
    group = f'"registration": {{"registered": true, "matches": {matches}}}, "reference"'
    return _TEXT.replace('"reference"', group, 1).encode()


HOSTILE: Final[dict[str, bytes]] = {
    "nothing": b"",
    "blanks": b" \n\t",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "text": b'"allow"',
    "a list": b"[]",
    "a list of requests": b"[" + _GOOD + b"]",
    "two requests": _GOOD + _GOOD,
    "half a request": _GOOD[: len(_GOOD) // 2],
    "a comma too many": _GOOD[:-1] + b",}",
    "a comment": b"/* allow */" + _GOOD,
    "single quotes": _TEXT.replace('"', "'").encode(),
    "YAML": b"schema: proctor/request/v1\nstage: deployment\n",
    "XML": b"<request/>",
    "a byte order mark": b"\xef\xbb\xbf" + _GOOD,
    "UTF-16": _TEXT.encode("utf-16"),
    "UTF-32": _TEXT.encode("utf-32"),
    "Latin-1": _TEXT.replace("scorer", "scörer").encode("latin-1"),
    "bytes that are no UTF-8": _GOOD.replace(b"scorer", b"sc\xff\xfeorer"),
    "overlong UTF-8": _GOOD.replace(b"scorer", b"sc\xc0\xafrer"),
    "a surrogate in UTF-8": _GOOD.replace(b"scorer", b"sc\xed\xa0\x80rer"),
    "a lone surrogate": _TEXT.replace("scorer", "sc\\ud800rer").encode(),
    "surrogates in the wrong order": _TEXT.replace("scorer", "sc\\udc00\\ud800rer").encode(),
    "a lone surrogate in a key": _with('"\\ud800": 1'),
    "a zero byte": _GOOD.replace(b"scorer", b"sc\x00orer"),
    "a zero byte at the end": _GOOD + b"\x00",
    "a line end in text": _GOOD.replace(b"scorer", b"sc\norer"),
    "NaN": _registration("NaN"),
    "Infinity": _registration("Infinity"),
    "-Infinity": _registration("-Infinity"),
    "1e400": _registration("1e400"),
    "-1e400": _registration("-1e400"),
    "2^53": _registration(str(2**53)),
    "-2^53": _registration(str(-(2**53))),
    "2^64": _registration(str(2**64)),
    "a number of a million digits": _registration("1" * 1_000_000),
    "a fraction of a million digits": _registration("0." + "1" * 1_000_000),
    "a leading zero": _registration("01"),
    "hexadecimal": _registration("0x1"),
    "one and a half": _registration("1.5"),
    "text for a number": _registration('"1"'),
    "true for a number": _registration("true"),
    "a key twice": _with('"stage": "runtime"'),
    "a key twice, once escaped": _with('"st\\u0061ge": "runtime"'),
    "a key twice inside": _TEXT.replace('"mutable": false', '"mutable": true, "mutable": false', 1).encode(),
    "a key in another case": _with('"Stage": "runtime"'),
    "a field that nobody knows": _with('"outcome": "allow"'),
    "__proto__": _with('"__proto__": {"outcome": "allow"}'),
    "a waiver of its own": _with('"waivers": [{"id": "w1"}]'),
    "33 levels": _with('"x": ' + "[" * 33 + "]" * 33),
    "a hundred thousand levels": b"[" * _MANY + b"]" * _MANY,
    "a hundred thousand levels, open": b'{"a":' * _MANY,
    "a hundred thousand models": json.dumps(
        json.loads(_TEXT) | {"facts": {"models": [{"id": f"m{n}"} for n in range(_MANY)], "images": []}}
    ).encode(),
    "a hundred thousand URIs": _TEXT.replace('"uris": [', '"uris": [' + '"x",' * _MANY, 1).encode(),
    "a hundred thousand fields": _with(",".join(f'"f{number}": 1' for number in range(_MANY))),
    "a hundred thousand images in the models' place": _TEXT.replace(
        '"models": [', '"models": [' + "5," * _MANY, 1
    ).encode(),
    "a name of a megabyte": _TEXT.replace("ml-prod/Deployment/scorer", "x" * 1_000_000).encode(),
    "nine megabytes": _with('"x": "' + "x" * (9 << 20) + '"'),
    "nine megabytes of blanks": _GOOD + b" " * (9 << 20),
    "eight megabytes of problems": b'{"facts": {"models": [' + b"{}," * 2_500_000 + b"{}]}}",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_denied_in_time_and_say_why(raw: bytes, asked: Asked) -> None:
    began = time.monotonic()
    code, decision = asked(raw)
    took = time.monotonic() - began
    assert (code, decision["outcome"], decision["reason"]) == (1, "deny", "invalid_request")
    assert took < LIMIT
    assert 1 <= len(decision["problems"]) <= 100
    for problem in decision["problems"]:
        assert problem["message"]
        assert len(problem["path"]) <= 300
        assert len(problem["message"]) <= 1000
    assert len(decision["message"]) < 2000


def test_after_all_that_a_good_request_is_judged_as_before(server: ProctorServer) -> None:
    key = subjects.deployment("fraud")
    _, decision = _over_http(server)(key)
    assert decision["reason"] in {"compliant", "non_compliant"}
    assert server.ready()[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/yaml"}, {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Encoding": "gzip"}, {"Content-Type": ""},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("raw", [b"{}", b"outcome=allow", b"outcome: allow\n", b"\x1f\x8b\x08\x00"])
def test_what_the_headers_say_of_the_bytes_changes_nothing(
    headers: dict[str, str], raw: bytes, server: ProctorServer
) -> None:
    """The bytes are JSON or they are denied: nobody's content type makes YAML of them, nobody unpacks them."""
    connection = LocalConnection(server.socket)
    try:
        connection.request("POST", "/v1/decisions", raw, headers)
        response = connection.getresponse()
        decision = json.loads(response.read())
    finally:
        connection.close()
    assert response.status == 200
    assert (decision["outcome"], decision["reason"]) == ("deny", "invalid_request")
