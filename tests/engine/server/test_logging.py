import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from proctor.server import logging as logs

KEY = "prk_abcdefgh_" + "S" * 43
SECRETS = {
    "key": KEY,
    "header": f"Bearer {'T' * 40}",
    "webhook": "whsec_" + "U" * 44,
    "url": "postgresql://proctor:V0V0V0V0@db/proctor",
    "pem": "-----BEGIN PRIVATE KEY-----\nWWWW\n-----END PRIVATE KEY-----",
}
HIDDEN = ("S" * 8, "T" * 8, "U" * 8, "V0V0V0V0", "WWWW")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    found = io.StringIO()
    logs.configure(found)
    yield found
    structlog.reset_defaults()
    root.handlers, _ = before, root.setLevel(level)


def _leaks(stream: io.StringIO) -> list[str]:
    return [secret for secret in HIDDEN if secret in stream.getvalue()]


def test_lines_are_json_where_nobody_watches(stream: io.StringIO) -> None:
    structlog.get_logger("x").info("it.happened", number=1)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["number"], line["level"], line["logger"]) == ("it.happened", 1, "info", "x")
    assert line["timestamp"].endswith("Z")


def test_secrets_are_hidden_by_what_they_look_like(stream: io.StringIO) -> None:
    log = structlog.get_logger("x")
    for secret in SECRETS.values():
        log.info(
            f"event {secret}",  # noqa: G004 (what a careless caller writes)
            detail=f"found {secret} there",
            nested={"a": [{"b": (secret,)}]},
            raw=secret.encode(),
        )
    assert _leaks(stream) == []
    assert "prk_abcdefgh_[hidden]" in stream.getvalue(), "the prefix says which key it was"


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "password", "api_key", "key", "token", "opa_token", "client_secret", "pepper"],
)
def test_secrets_are_hidden_by_their_name(stream: io.StringIO, name: str) -> None:
    structlog.get_logger("x").info("event", **{name: "SSSSSSSS"}, headers={name: "SSSSSSSS"})
    assert _leaks(stream) == []


def test_tracebacks_and_libraries_are_no_way_out(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"bad header {SECRETS['header']} {KEY}")  # noqa: TRY301 (it is here to be logged)
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application %s", KEY)
    assert "ValueError" in stream.getvalue()
    assert _leaks(stream) == []


def test_requests_are_not_logged_by_the_clients(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example.com/?token=t0k3n")
    assert stream.getvalue() == ""


def test_deep_and_odd_values_do_not_break_it(stream: io.StringIO) -> None:
    deep: dict[str, object] = {}
    deep["again"] = deep
    structlog.get_logger("x").info("event", deep=deep, odd=object(), none=None, flag=True, items={1, 2})
    assert json.loads(stream.getvalue())["event"] == "event"
