import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.cli.conftest import Api
from tests.engine.cli.decisions import ID, decision, finding

Proctor = Callable[..., tuple[int, str, str]]
CHECK = "/v1/adapters/kubernetes/check"


@pytest.mark.parametrize(("outcome", "code"), [("allow", 0), ("deny", 1), ("error", 3), ("require_approval", 4)])
def test_decide_sends_the_bytes_untouched(api: Api, proctor: Proctor, tmp_path: Path, outcome: str, code: int) -> None:
    raw = b'{"a": 1.0, "a": NaN}\xff'
    (tmp_path / "request").write_bytes(raw)
    api.on("POST", "/v1/decisions", decision(outcome))
    assert proctor("decide", "--input", str(tmp_path / "request"))[0] == code
    assert api.requests[0].content == raw


def test_decide_from_standard_input_lists_every_problem(
    api: Api, proctor: Proctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [{"code": "missing", "path": f"/{n}", "message": "is required"} for n in ("stage", "facts")]
    refused = decision("deny", reason="invalid_request", findings=[], problems=problems)
    api.on("POST", "/v1/decisions", refused)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}\n")))
    code, out, _ = proctor("decide", "--input", "-")
    assert code == 1
    assert "invalid_request" in out
    assert [line.strip() for line in out.splitlines() if "is required" in line] == [
        "/stage: is required",
        "/facts: is required",
    ]
    assert api.requests[0].content == b"{}\n"


def test_several_outputs_at_once(api: Api, proctor: Proctor, tmp_path: Path) -> None:
    api.on("POST", "/v1/decisions", decision())
    (tmp_path / "in").write_text("{}")
    files = {form: tmp_path / form for form in ("sarif", "junit", "github", "markdown", "table")}
    named = [part for form, file in files.items() for part in ("-o", f"{form}={file}")]
    code, out, _ = proctor("decide", "-i", str(tmp_path / "in"), "-o", "json", *named)
    assert code == 1
    assert json.loads(out) == decision()
    assert all("image_pinned" in file.read_text().replace("\\", "") for file in files.values())


@pytest.mark.parametrize("outputs", [["-o", "json", "-o", "table"], ["-o", "yaml"], ["-o", "json="], ["-o", ""]])
def test_bad_outputs_are_refused_before_anything_is_asked(
    api: Api, proctor: Proctor, tmp_path: Path, outputs: list[str]
) -> None:
    (tmp_path / "in").write_text("{}")
    assert proctor("decide", "-i", str(tmp_path / "in"), *outputs)[0] == 2
    assert not api.requests


def test_an_output_that_can_not_be_written_is_no_pass(api: Api, proctor: Proctor, tmp_path: Path) -> None:
    api.on("POST", "/v1/decisions", decision("allow"))
    (tmp_path / "in").write_text("{}")
    assert proctor("decide", "-i", str(tmp_path / "in"), "-o", f"json={tmp_path}/no/where")[0] == 2


def _manifests(tmp_path: Path) -> str:
    (tmp_path / "all.yaml").write_text("kind: Deployment\n---\nkind: Service\n---\nkind: Pod\n")
    return str(tmp_path / "all.yaml")


def test_check_joins_decisions_and_lines(api: Api, proctor: Proctor, tmp_path: Path) -> None:
    reply = {"decisions": [decision("allow"), decision()], "skipped": [{"index": 1, "why": "it runs nothing"}]}
    api.on("POST", CHECK, reply)
    code, out, err = proctor(
        "check", "deployment", "-f", _manifests(tmp_path), "-e", "prod", "-n", "ml", "-o", "github"
    )
    assert code == 1
    assert ",line=1," in out.splitlines()[0]
    assert ",line=5," in out.splitlines()[1]
    assert "all.yaml:3: not judged: it runs nothing" in err
    assert api.body() == {
        "manifests": [{"kind": "Deployment"}, {"kind": "Service"}, {"kind": "Pod"}],
        "environment": "prod",
        "namespace": "ml",
    }


@pytest.mark.parametrize("decisions", [[], [decision("allow")], [decision("allow")] * 3])
def test_check_never_takes_a_missing_decision_for_a_pass(
    api: Api, proctor: Proctor, tmp_path: Path, decisions: list[Any]
) -> None:
    api.on("POST", CHECK, {"decisions": decisions, "skipped": [{"index": 1, "why": "it runs nothing"}]})
    code, out, err = proctor("check", "deployment", "-f", _manifests(tmp_path))
    assert (code, out) == (3, "")
    assert f"{len(decisions)} decisions for 2 of them" in err


def test_check_asks_in_batches(api: Api, proctor: Proctor, tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text("---\n".join("kind: Pod\n" for _ in range(250)))

    def reply(request: httpx.Request) -> httpx.Response:
        count = len(json.loads(request.content)["manifests"])
        return httpx.Response(200, json={"decisions": [decision("allow")] * count, "skipped": []})

    api.on("POST", CHECK, reply)
    code, out, _ = proctor("check", "deployment", "-f", str(tmp_path))
    assert (code, len(api.requests)) == (0, 3)
    assert "250 decisions: 250 allow" in out


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, {"code": "forbidden", "tried": "POST /x", "found": "no role", "remedy": "Ask"}, 1),
        (422, {"code": "invalid_request", "detail": "bad"}, 2),
        (503, {"code": "unavailable", "found": "OPA is gone"}, 3),
        (500, None, 3),
        (302, None, 3),
    ],
)
def test_refusals_of_the_api_have_codes_and_no_traceback(
    api: Api, proctor: Proctor, tmp_path: Path, status: int, body: Any, code: int
) -> None:
    answer = httpx.Response(status, json=body) if body else httpx.Response(status, text="<h1>")
    api.on("GET", "/v1/models", lambda _: answer)
    got, out, err = proctor("model", "list")
    assert (got, out) == (code, "")
    assert "Traceback" not in err
    assert (body or {}).get("found", "") in err


def test_an_answer_that_is_no_json_is_an_engine_error(api: Api, proctor: Proctor, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("{}")
    for text in ("<html>", '["not", "a decision"]', '{"id": 1, "outcome": "allow"}', "{}", "null"):
        api.on("POST", "/v1/decisions", lambda _, text=text: httpx.Response(200, text=text))
        code, out, err = proctor("decide", "-i", str(tmp_path / "in"))
        assert (code, out) == (3, ""), text
        assert "internal error" not in err


def test_names_can_not_lead_elsewhere(api: Api, proctor: Proctor) -> None:
    for name in ("../keys", "..", "a/b?c#d"):
        proctor("model", "withdraw", name, "1")
    paths = [request.url.raw_path for request in api.requests]
    assert paths == [b"/v1/models/..%2Fkeys/1", b"/v1/models/%2E%2E/1", b"/v1/models/a%2Fb%3Fc%23d/1"]


def test_key_is_shown_once_on_standard_output(api: Api, proctor: Proctor) -> None:
    api.on("POST", "/v1/keys", {"prefix": "abcdefgh", "key": "prk_abcdefgh_secret"}, 201)
    code, out, err = proctor("key", "create", "person:abcd", "--role", "approver", "--assert", "models/*/reference")
    assert (code, out) == (0, "prk_abcdefgh_secret\n")
    assert "secret" not in err
    assert api.body()["asserts"] == ["models/*/reference"]


def test_waiver_from_a_decision_takes_subject_environment_and_item(api: Api, proctor: Proctor) -> None:
    api.on("GET", f"/v1/decisions/{ID}", decision())
    api.on("POST", "/v1/waivers", {"id": "wvr_1"}, 201)
    code, out, _ = proctor(
        "waiver", "request", "--decision", ID, "--rule", "deployment.image_pinned", "--for", "7d",
        "--reason", "because of x",
    )  # fmt: skip
    assert code == 0
    assert "wvr_1" in out
    body = api.body()
    assert body["subject_digest"] == decision()["subject"]["digest"]
    assert (body["environment"], body["item"]) == ("prod", ["docker.io/library/nginx:1"])
    assert body["valid_from"] < body["valid_until"]
    assert body["valid_until"].endswith("Z")


@pytest.mark.parametrize(
    "findings",
    [[], [finding(status="not_evaluable")], [finding(), finding(item=["other"])]],
    ids=["no failure", "not evaluable", "two items"],
)
def test_waiver_from_a_decision_needs_one_failure(api: Api, proctor: Proctor, findings: list[Any]) -> None:
    api.on("GET", f"/v1/decisions/{ID}", decision(findings=findings))
    arguments = ("--rule", "deployment.image_pinned", "--for", "7d", "--reason", "because of x")
    assert proctor("waiver", "request", "--decision", ID, *arguments)[0] == 2
    assert len(api.requests) == 1


@pytest.mark.parametrize("length", ["", "7", "d", "0d", "-1d", "7 d", "1e3d", "9999999d"])
def test_lengths_of_time_are_read_strictly(api: Api, proctor: Proctor, length: str) -> None:
    arguments = ("--rule", "r", "--reason", "x", "--subject", "s", "-e", "prod", "--for", length)
    assert proctor("waiver", "request", *arguments)[0] == 2
    assert not api.requests


def test_lists_are_tables_json_and_markdown(api: Api, proctor: Proctor) -> None:
    model = {
        "name": "fraud|x",
        "version": "7",
        "digest": f"sha256:{'a' * 64}",
        "environments": [{"name": "prod", "allowed_by": "person:x", "allowed_at": "2026"}],
    }
    api.on("GET", "/v1/models", {"models": [model]})
    assert "prod" in proctor("model", "list")[1]
    assert json.loads(proctor("model", "list", "-o", "json")[1])[0]["version"] == "7"
    assert "fraud\\|x" in proctor("model", "list", "-o", "markdown")[1]
    assert proctor("model", "list", "-o", "sarif")[0] == 2
    api.on("GET", "/v1/models", {"models": []})
    assert "No models yet" in proctor("model", "list")[1]


def test_policy_show_knows_only_rules_in_force(api: Api, proctor: Proctor) -> None:
    rules = [{"code": "deployment.image_pinned", "title": "Image is pinned", "severity": "high"}]
    api.on("GET", "/v1/policy", {"revision": "r", "profile": "starter", "rules": rules})
    assert "Image is pinned" in proctor("policy", "show", "deployment.image_pinned", "--server")[1]
    assert "Image is pinned" in proctor("policy", "list", "--server")[1]
    assert proctor("policy", "show", "deployment.nothing", "--server")[0] == 2
    assert proctor("policy", "list", "--server", "--pack", "bank")[0] == 2
