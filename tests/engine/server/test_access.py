import ast
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse, Response

from proctor.errors import OpaError, RefusedError
from proctor.plugins import Adapter
from proctor.server import access, problems
from proctor.server.app import create_app
from proctor.server.local import LOCAL
from proctor.server.permissions import Permissions
from proctor.server.routes import routers
from proctor.settings import Settings
from proctor.vocabulary.principal import PrincipalKind, Role
from tests.engine.server.harness import DIGEST, Harness, bundle, harness

ROOT = Path(__file__).resolve().parents[3]


def _sample(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "some-thing", path)


@pytest.fixture
async def api(state_dir: Path) -> AsyncIterator[Harness]:
    async with harness(state_dir) as found:
        yield found


def test_the_table_is_exactly_what_fastapi_has() -> None:
    served = {
        (route.name, method, route.path)
        for router in routers()
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert served == {(route.name, route.method, route.path) for route in access.ROUTES}


def test_rego_names_every_route_and_no_other() -> None:
    source = (ROOT / "rego" / "authz" / "authz.rego").read_text(encoding="utf-8")
    written = set(re.findall(r'^\t"([a-z.]+)": \{"method": "([A-Z]+)"', source, re.MULTILINE))
    assert written == {(route.name, route.method) for route in access.authorised_routes()}


def test_what_is_open_is_written_down_with_a_reason() -> None:
    assert [(route.name, bool(route.open)) for route in access.ROUTES if route.open] == [("policy.bundle", True)]


def test_every_code_that_is_raised_is_in_the_closed_set() -> None:
    raised = set()
    for path in [*(ROOT / "engine").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RefusedError" and node.args:
                code, status = node.args[0], node.args[1]
                if isinstance(code, ast.Constant) and isinstance(status, ast.Constant):
                    raised.add((code.value, status.value))
    assert len(raised) > 10
    assert raised <= {(str(code), status) for code, status in problems.STATUS.items()}


CLOSED = [route for route in access.ROUTES if not route.open]


async def test_no_route_answers_without_a_credential(api: Harness) -> None:
    for route in CLOSED:
        response = await api.call(route.method, _sample(route.path), content=b"{not json")
        assert response.status_code == 401, f"{route.name}: before anything of the body is read"
        assert response.headers["content-type"] == problems.MEDIA_TYPE
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["code"] == "unauthenticated"


async def test_no_route_answers_a_role_that_rego_denies(state_dir: Path) -> None:
    async with harness(state_dir, allows=lambda _: False) as api:
        await api.person("ada", *Role)
        for route in CLOSED:
            response = await api.call(route.method, _sample(route.path), "ada", content=b"{not json")
            assert (response.status_code, response.json()["code"]) == (403, "forbidden"), route.name


async def test_each_route_is_asked_about_by_its_own_name(state_dir: Path) -> None:
    async with harness(state_dir, allows=lambda asked: asked["route"] == "keys.list") as api:
        await api.person("ada", Role.AUDITOR)
        answers = {
            route.name: (await api.call(route.method, _sample(route.path), "ada", content=b"{}")).status_code
            for route in CLOSED
        }
        assert {name for name, status in answers.items() if status != 403} == {"keys.list"}


async def test_what_is_not_in_the_table_does_not_exist(api: Harness) -> None:
    await api.person("root", *Role)
    for path in (
        "/", "/v1", "/v1/", "/v1/decisions/", "/v1//decisions", "/v1/decisions/a/b", "/v1/keys%0A", "/docs",
        "/openapi.json", "/redoc", "/metrics", "/health/live", "/v1/adapters", "/v1/adapters/", "/v1/adapters/nobody/x",
        "/V1/decisions", "/v1/decisions;x",
    ):  # fmt: skip
        for method in ("GET", "POST"):
            response = await api.call(method, path, "root")
            assert (response.status_code, response.json()["code"]) == (404, "not_found"), path


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/keys"), ("HEAD", "/v1/policy"), ("DELETE", "/v1/decisions")])
async def test_other_methods_are_named(api: Harness, method: str, path: str) -> None:
    response = await api.call(method, path)
    assert response.status_code == 405
    assert response.headers["allow"]


async def test_a_route_that_only_fastapi_knows_is_not_reached(api: Harness) -> None:
    reached: list[str] = []

    @api.app.get("/v1/backdoor")
    async def backdoor() -> str:
        reached.append("backdoor")
        return "open"

    assert (await api.call("GET", "/v1/backdoor", local=True)).status_code == 404
    assert reached == []


async def test_the_local_operator_is_an_admin_only_through_the_wrapper(api: Harness) -> None:
    assert (await api.call("GET", "/v1/keys", local=True)).status_code == 200
    for headers in ({LOCAL: "true"}, {"X-Forwarded-For": "127.0.0.1"}, {"proctor.local": "1"}):
        assert (await api.call("GET", "/v1/keys", headers=headers, address="127.0.0.1")).status_code == 401


async def test_over_the_socket_a_key_still_says_who_it_is(api: Harness) -> None:
    await api.person("ada", Role.REQUESTER)
    headers = {"Authorization": f"Bearer {api.keys['ada']}"}
    response = await api.call("POST", "/v1/decisions", local=True, headers=headers, content=b"{}")
    assert response.json()["actor"] == api.people["ada"].id
    wrong = {"Authorization": "Bearer nonsense"}
    assert (await api.call("GET", "/v1/keys", local=True, headers=wrong)).status_code == 401


async def test_until_opa_has_been_asked_nobody_may_do_anything(state_dir: Path) -> None:
    async with harness(state_dir, learn=False) as api:
        for local in (True, False):
            await api.person("ada", *Role)
            response = await api.call("GET", "/v1/policy", "ada", local=local)
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert response.json()["reason"] == "engine_unavailable"


async def test_permissions_stay_when_opa_is_down(api: Harness) -> None:
    await api.person("ada", Role.AUDITOR)
    api.opa.down = OpaError("asking", "it is dead")
    assert (await api.call("GET", "/v1/policy", "ada")).status_code == 200


async def test_permissions_are_asked_once_for_each_policy(api: Harness) -> None:
    asked = len(api.opa.asked)
    assert asked == len(access.authorised_routes()) * len(Role)
    assert all(len(one["roles"]) == 1 for one in api.opa.asked)
    await api.parts.permissions.learn(DIGEST)
    assert len(api.opa.asked) == asked
    api.opa.allows = lambda one: one["roles"] == ["auditor"]
    other = bundle(api.parts.settings.state_dir, "r2", "sha256:" + "e" * 64)
    await api.parts.adopt(other)
    assert len(api.opa.asked) == asked * 2
    await api.person("ada", Role.ADMIN)
    assert (await api.call("GET", "/v1/policy", "ada")).status_code == 403
    assert (await api.call("GET", "/v1/policy/bundle")).content == b"bundle r2"


@pytest.mark.parametrize("answer", [{}, {"allow": "true"}, {"allow": 1}, {"allow": True, "more": 1}, {"result": True}])
async def test_an_answer_of_another_shape_is_no_permission(answer: dict[str, Any]) -> None:
    class Odd:
        async def evaluate(self, *_: object) -> dict[str, Any]:
            return answer

    permissions = Permissions(Odd())  # type: ignore[arg-type]
    with pytest.raises(OpaError):
        await permissions.learn(DIGEST)
    assert permissions.digest is None


def _adapter(router: APIRouter) -> Adapter:
    return Adapter(name="toy", router=router, unauthenticated=("/open", "/open/{kind}"))


def _toy() -> APIRouter:
    router = APIRouter()

    async def echo(request: Request) -> Response:
        state = request.state
        return PlainTextResponse(f"{getattr(state, 'caller', None) is not None} {getattr(state, 'over_limit', False)}")

    async def broken() -> Response:
        raise RuntimeError("prk_abcdefgh_" + "s" * 43)

    async def refusing() -> Response:
        raise RefusedError("invalid_request", 422, "reading", "nonsense")

    for path in ("/open", "/open/{kind}", "/closed", "/open/{kind}/secret"):
        router.add_api_route(path, echo, methods=["POST", "GET"])
    router.add_api_route("/broken", broken, methods=["POST"])
    router.add_api_route("/refusing", refusing, methods=["POST"])
    return router


async def test_adapters_are_closed_but_for_what_they_list(state_dir: Path) -> None:
    async with harness(state_dir, adapters=(_adapter(_toy()),)) as api:
        await api.person("gate", Role.GATE, kind=PrincipalKind.SERVICE)
        mount = "/v1/adapters/toy"
        assert (await api.call("POST", f"{mount}/open")).text == "False False"
        assert (await api.call("POST", f"{mount}/open/x")).text == "False False"
        for path in ("/closed", "/open/x/secret", "/opens", "/open/", "/open/x/"):
            assert (await api.call("POST", f"{mount}{path}")).status_code == 401
        assert (await api.call("POST", f"{mount}/closed", "gate")).text == "True False"
        assert (await api.call("GET", f"{mount}/open")).status_code == 405


async def test_paths_that_a_producer_fixes_need_a_credential_and_a_permission(state_dir: Path) -> None:
    fixed = APIRouter()

    async def echo(request: Request) -> Response:
        return PlainTextResponse(request.state.caller.actor.id)

    fixed.add_api_route("/api/v1/lineage", echo, methods=["POST", "GET"])
    asked: list[Any] = []

    def allows(question: dict[str, Any]) -> bool:
        asked.append(question)
        return "gate" in str(question)

    async with harness(state_dir, allows=allows, adapters=(Adapter(name="toy", fixed=fixed),)) as api:
        await api.person("gate", Role.GATE, kind=PrincipalKind.SERVICE)
        await api.person("auditor", Role.AUDITOR)
        path = "/api/v1/lineage"
        assert (await api.call("POST", path)).status_code == 401
        wrong = {"Authorization": "Bearer prk_abcdefgh_" + "s" * 43}
        assert (await api.call("POST", path, headers=wrong)).status_code == 401
        assert (await api.call("POST", path, "auditor")).status_code == 403
        assert (await api.call("POST", path, "gate")).text == api.people["gate"].id
        assert (await api.call("GET", path, "gate")).status_code == 405, "whatever the router would answer"
        for other in ("/api/v1/lineage/", "/api/v1/lineages", "/api/v1", "/v1/adapters/toy/lineage"):
            assert (await api.call("POST", other, "gate")).status_code == 404


def test_a_path_that_somebody_has_is_nobody_elses() -> None:
    table = access.AccessTable()
    table.add_fixed(["/api/v1/lineage"])
    for path in ("/api/v1/lineage", "/v1/decisions", "/v1/adapters/other/open", "/v1/new", "/api/{anything}"):
        with pytest.raises(ValueError, match="belongs to"):
            table.add_fixed([path])
    assert table.find("POST", "/api/v1/lineage").route is access.ADAPTER_CALL
    assert table.find("POST", "/api/x").route is None


async def test_an_adapters_error_is_a_problem_without_a_traceback(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with harness(state_dir, adapters=(_adapter(_toy()),)) as api:
        await api.person("gate", Role.GATE, kind=PrincipalKind.SERVICE)
        broken = await api.call("POST", "/v1/adapters/toy/broken", "gate")
        assert (broken.status_code, broken.json()["code"]) == (500, "internal")
        assert "prk_" not in broken.text
        assert "RuntimeError" not in broken.text
        assert broken.headers["x-request-id"]
        refused = await api.call("POST", "/v1/adapters/toy/refusing", "gate")
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert "server.internal_error" in "".join(capsys.readouterr())


async def test_open_routes_are_rate_limited_by_client(state_dir: Path) -> None:
    async with harness(state_dir, adapters=(_adapter(_toy()),), unauthenticated_per_second=3) as api:
        bundles = [(await api.call("GET", "/v1/policy/bundle")).status_code for _ in range(5)]
        assert bundles == [200, 200, 200, 429, 429]
        limited = await api.call("GET", "/v1/policy/bundle")
        assert limited.json()["code"] == "rate_limited"
        assert "retry-after" not in limited.headers
        assert (await api.call("GET", "/v1/policy/bundle", address="10.0.0.2")).status_code == 200
        # An adapter says no in its peer's own words: an API server would take a 429 for a failed call.
        assert (await api.call("POST", "/v1/adapters/toy/open")).text == "False True"


async def test_other_adapters_and_names_are_not_reached(state_dir: Path) -> None:
    async with harness(state_dir, adapters=(_adapter(_toy()),)) as api:
        for path in ("/v1/adapters/toys/open", "/v1/adapters/toy", "/v1/adapters//toy/open"):
            assert (await api.call("POST", path)).status_code == 404


async def test_before_the_parts_are_there_everything_is_unavailable() -> None:
    app: FastAPI = create_app(Settings(state_dir=Path("/nonexistent")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://proctor") as client:
        response = await client.get("/v1/policy")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize("given", ["abc-123", "x" * 65, "a b", "ä", ""])
async def test_every_answer_has_a_request_id(api: Harness, given: str) -> None:
    response = await api.call("GET", "/v1/nothing", headers={"X-Request-Id": given.encode()})
    returned = response.headers["x-request-id"]
    assert returned == given if given == "abc-123" else re.fullmatch(r"[0-9a-f]{16}", returned)
