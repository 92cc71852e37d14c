"""docs/api.md says what the code says: routes, roles and problem codes."""

import json
import re
import subprocess
from pathlib import Path

from proctor.server import access, problems
from proctor.vocabulary.principal import Role

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_page_names_every_route_and_no_other() -> None:
    written = set(re.findall(r"^\| `([A-Z]+) (\S+)` \| ([a-z.]+) \|", PAGE, re.MULTILINE))
    routes = [*access.ROUTES, access.ADAPTER_CALL]
    assert written == {(route.method, route.path, route.name) for route in routes}


def test_the_page_names_the_roles_that_rego_lets_in(opa_binary: Path) -> None:
    written = dict(re.findall(r"^\| `[^`]+` \| ([a-z.]+) \| ([^|]+) \|", PAGE, re.MULTILINE))
    questions = [
        {"route": route.name, "method": route.method, "roles": [str(role)]}
        for route in access.authorised_routes()
        for role in Role
    ]
    done = subprocess.run(
        [opa_binary, "eval", "--format", "raw", "--stdin-input", "--data", ROOT / "rego" / "authz",
         "[d | some q in input; d := data.authz.decision with input as q]"],
        input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    allowed: dict[str, set[str]] = {}
    for question, answer in zip(questions, json.loads(done.stdout), strict=True):
        if answer["allow"]:
            allowed.setdefault(question["route"], set()).update(question["roles"])
    for route in access.authorised_routes():
        assert set(written[route.name].split(", ")) == allowed[route.name], route.name
    for route in access.ROUTES:
        assert (written[route.name] == "*open*") is bool(route.open), route.name


def test_the_page_names_every_problem_with_its_status() -> None:
    written = {code: int(status) for code, status in re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", PAGE, re.MULTILINE)}
    assert written == {str(code): status for code, status in problems.STATUS.items()}
