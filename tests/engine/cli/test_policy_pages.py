"""`proctor policy list`, `show`, `coverage`, `facts` and `docs` on files: what is printed, and where it goes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from proctor.cli import exits, session
from proctor.policy import catalogue

ROOT = Path(__file__).resolve().parents[3]
CONSENT = """\
[ ] datasets/*/consent
      purposes: strings, status: string, withdrawn: number
      about the item, observed or stronger, unless exempt
      from catalog
      for data.consent_covers_purpose
"""
PAGE = (ROOT / "docs" / "policy-authors.md").read_text(encoding="utf-8")
Proctor = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def known() -> dict[str, catalogue.Catalogue]:
    """Keep what was read: the policy is the same for all tests of this module."""
    return {}


@pytest.fixture
def offline(
    proctor: Proctor,
    opa_binary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: dict[str, catalogue.Catalogue],
) -> Proctor:
    """Return a function that runs a command where no server may be asked."""

    def connect(*_: object) -> None:
        raise AssertionError("a server was asked")

    read = catalogue.read

    def once(*arguments: object) -> catalogue.Catalogue:
        if "read" not in known:
            known["read"] = read(*arguments)  # type: ignore[arg-type]
        return known["read"]

    monkeypatch.setattr(session, "connect", connect)
    monkeypatch.setattr(catalogue, "read", once)
    monkeypatch.setenv("PROCTOR_OPA_BIN", str(opa_binary))
    monkeypatch.setenv("PROCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    return proctor


def test_list_reads_files(offline: Proctor) -> None:
    code, out, _ = offline("policy", "list", "-o", "json")
    assert code == exits.ALLOW
    codes = [rule["code"] for rule in json.loads(out)]
    assert "deployment.model_registered" in codes
    assert codes == sorted(codes)


def test_show_says_what_a_rule_asks_and_who_can_answer(offline: Proctor) -> None:
    code, out, _ = offline("policy", "show", "registration.performance_sufficient")
    assert code == exits.ALLOW
    for line in (
        "registration.performance_sufficient: Performance is sufficient",
        "  waivable      up to 30 days",
        "  models/*/evaluation: metric (string), samples (number), value (number)",
        "    about the item, observed or stronger, at most P90D old",
        "    from mlflow",
        "  evaluation_samples: low 100, medium 250, high 500, critical 1000",
        "  eu-ai-act/15.3: Accuracy and its metrics are declared in the instructions",
        "  deny    everywhere",
    ):
        assert line in out.splitlines(), line
    assert max(map(len, out.splitlines())) <= 80


def test_show_has_the_page_and_all_of_it_as_json(offline: Proctor) -> None:
    rule = "deployment.deployer_is_not_author"
    page = (ROOT / "docs" / "rules" / "deployment" / "deployer_is_not_author.md").read_text()
    assert offline("policy", "show", rule, "-o", "markdown")[1] == page
    document = json.loads(offline("policy", "show", rule, "-o", "json")[1])
    assert [(where["tiers"], where["action"]) for where in document["actions"]] == [
        (["low", "medium"], "warn"),
        (["high", "critical"], "deny"),
    ]
    assert document["clauses"][0]["framework"] == "iso42001"


def test_show_names_the_nearest_rules(offline: Proctor) -> None:
    code, _, said = offline("policy", "show", "deployment.model_registred")
    assert code == exits.USAGE
    assert "deployment.model_registered" in said


def test_coverage_is_told_by_framework_and_day(offline: Proctor) -> None:
    code, out, said = offline("policy", "coverage", "--framework", "eu-ai-act", "--at", "2026-10-01")
    assert code == exits.ALLOW
    assert "eu-ai-act/5.1   partly      Prohibited practices (since 2025-02-02)" in out
    assert "registration.purpose_permitted" in out
    assert "eu-ai-act/9.1" not in out
    assert "eu-ai-act/9.1" in offline("policy", "coverage", "-f", "eu-ai-act", "--at", "2027-12-02")[1]
    assert "people judge" in said
    assert offline("policy", "coverage", "--at", "tomorrow")[0] == exits.USAGE
    assert offline("policy", "coverage", "-f", "nothing")[0] == exits.USAGE


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_coverage_never_says_that_anybody_complies(offline: Proctor, form: str) -> None:
    code, out, said = offline("policy", "coverage", "-o", form)
    assert code == exits.ALLOW
    assert len(out) > 5000
    assert not re.search("complian|complies|conformant", out + said, re.IGNORECASE)


def test_coverage_as_json_has_everything_that_the_clause_base_says(offline: Proctor) -> None:
    found = {one["id"]: one for one in json.loads(offline("policy", "coverage", "-o", "json")[1])}
    one = found["sr-26-2/validation"]
    assert {"framework", "clause", "title", "status", "effective_from", "supersedes", "source"} <= one.keys()
    assert one["supersedes"] == ["sr-11-7/validation"]
    assert found["sr-11-7/validation"]["in_force"] is False
    assert found["eu-ai-act/15.3"]["verdict"] == "covered"
    assert found["eu-ai-act/15.3"]["rules"][0]["code"] == "registration.performance_sufficient"


def test_facts_are_a_checklist_and_an_input_to_fill(offline: Proctor) -> None:
    code, out, said = offline("policy", "facts", "training", "--operation", "train")
    assert code == exits.ALLOW
    assert CONSENT in out
    assert "      about the item, observed or stronger\n      from catalog\n      for data.dataset_registered\n" in out
    assert "for training --kind run --operation train" in said
    empty = json.loads(offline("policy", "facts", "training", "--operation", "train", "-o", "json")[1])
    assert empty["facts"]["plan"]["commit"] is None
    assert empty["purpose"] is None
    code, _, said = offline("policy", "facts", "training", "-o", "json")
    assert code == exits.USAGE
    assert "--kind run --operation train" in said
    assert offline("policy", "facts", "training", "--for", "data.nothing")[0] == exits.USAGE


def test_docs_are_written_and_checked(offline: Proctor, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    code, out, _ = offline("policy", "docs", "--into", str(folder), "--check")
    assert code == exits.DENY
    assert "differs: " in out
    assert not folder.exists()
    assert offline("policy", "docs", "--into", str(folder))[0] == exits.ALLOW
    assert offline("policy", "docs", "--into", str(folder), "--check")[0] == exits.ALLOW
    page = folder / "rules" / "data" / "dataset_owned.md"
    page.write_text(page.read_text() + "edited\n")
    code, out, _ = offline("policy", "docs", "--into", str(folder), "--check")
    assert (code, out) == (exits.DENY, f"differs: {page}\n")


@pytest.mark.parametrize("line", re.findall(r"^proctor (policy (?:list|show|facts|coverage) ?.*)$", PAGE, re.MULTILINE))
def test_the_commands_on_the_page_work(offline: Proctor, line: str) -> None:
    code, out, _ = offline(*line.partition(" > ")[0].split())
    assert code == exits.ALLOW
    assert out


def test_there_are_commands_on_the_page() -> None:
    assert len(re.findall(r"^proctor policy", PAGE, re.MULTILINE)) >= 7
