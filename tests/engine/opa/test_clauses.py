"""The clause base: that it is whole, that what is wrong in it is refused, and that rules name only what is there."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from proctor.errors import PolicyError
from proctor.opa import bundle, clauses
from proctor.opa.clauses import Machine, Status
from proctor.settings import PolicySettings
from tests.engine.opa import rules
from tests.engine.policy import packs

REGO = Path(__file__).resolve().parents[3] / "rego"
BASE = clauses.load(REGO)
OF_CONTROLS = """
eu-ai-act/ 4 5.1 9.1 9.2 9.8 10.2 10.3 10.4 10.5 11.1 12.1 13.3 14.1 14.4 15.1 15.3 15.4 15.5 17.1 18.1 19.1 20.1
eu-ai-act/ 25.1 26.1 26.2 26.4 26.5 26.6 26.11 27.1 43.4 50.1 50.2 53.1 55.1 72.1 72.2 72.3 73.2 73.3 73.4 73.5
eu-ai-act/ annex-iv.1 annex-iv.2 annex-iv.3 annex-iv.4 annex-iv.5 annex-iv.6 annex-iv.7 annex-iv.8 annex-iv.9
gdpr/ 5.1 6.1 7.1 7.3 9.2 17.1 22.1 25.1 30.1 32.1 35.1 44
sr-26-2/ materiality development validation monitoring inventory vendor governance
"""
"""What the controls of the library point to."""


def test_every_framework_is_whole() -> None:
    counts = {name: len(framework.clauses) for name, framework in BASE.frameworks.items()}
    assert counts["nist-ai-rmf"] == 72
    assert counts["iso42001"] == 38
    assert counts["owasp-ml"] == counts["owasp-llm"] == 10
    assert set(counts) == {
        "eu-ai-act", "gdpr", "iso42001", "nist-ai-rmf", "owasp-llm", "owasp-ml", "sr-11-7", "sr-26-2",
    }  # fmt: skip
    assert sum(counts.values()) == len(BASE.clauses)


def test_subcategories_and_controls_are_those_of_the_documents() -> None:
    functions = Counter(one.clause.rstrip("0123456789.") for one in BASE.frameworks["nist-ai-rmf"].clauses)
    assert functions == {"GOVERN": 19, "MAP": 18, "MEASURE": 22, "MANAGE": 13}
    objectives = Counter(".".join(one.clause.split(".")[:2]) for one in BASE.frameworks["iso42001"].clauses)
    assert [objectives[f"A.{number}"] for number in range(2, 11)] == [3, 2, 5, 4, 9, 5, 4, 3, 3]
    for framework, prefix in (("owasp-ml", "ML"), ("owasp-llm", "LLM")):
        assert [one.clause for one in BASE.frameworks[framework].clauses] == [f"{prefix}{n:02}" for n in range(1, 11)]


def test_the_clauses_of_all_controls_are_there() -> None:
    for line in OF_CONTROLS.split("\n"):
        framework, *names = line.split() or [""]
        assert not [name for name in names if framework + name not in BASE.clauses]


def test_titles_tell_clauses_of_a_framework_apart() -> None:
    for framework in BASE.frameworks.values():
        assert not [title for title, times in Counter(one.title for one in framework.clauses).items() if times > 1]


@pytest.mark.parametrize(
    ("clause", "first", "status"),
    [
        ("eu-ai-act/5.1", "2025-02-02", Status.ENACTED),
        ("eu-ai-act/53.1", "2025-08-02", Status.ENACTED),
        ("eu-ai-act/50.1", "2026-08-02", Status.ENACTED),
        ("eu-ai-act/10.2", "2027-12-02", Status.UNVERIFIED),
        ("eu-ai-act/73.2", "2027-12-02", Status.UNVERIFIED),
        ("gdpr/6.1", "2018-05-25", Status.ENACTED),
        ("sr-26-2/validation", "2026-04-17", Status.UNVERIFIED),
    ],
)
def test_clauses_hold_from_their_first_day(clause: str, first: str, status: Status) -> None:
    day = date.fromisoformat(first)
    found = BASE.clauses[clause]
    assert (found.effective_from, found.status) == (day, status)
    assert found.in_force(day)
    assert not found.in_force(date.fromordinal(day.toordinal() - 1))


def test_high_risk_duties_come_later_for_products_and_say_why_that_is_not_sure() -> None:
    duty = BASE.clauses["eu-ai-act/9.1"]
    assert [(part.from_, part.applies_to) for part in duty.later] == [
        (date(2028, 8, 2), "systems in products of Annex I")
    ]
    assert "2026-08-02" in duty.note
    assert "not verified" in duty.note


def test_sr_11_7_ended_when_sr_26_2_began() -> None:
    for heir in BASE.frameworks["sr-26-2"].clauses:
        for name in heir.supersedes:
            former = BASE.clauses[name]
            assert former.status is Status.RESCINDED
            assert former.until == heir.effective_from == date(2026, 4, 17)
            assert not former.in_force(date(2026, 4, 17))
            assert former.in_force(date(2026, 4, 16))


def test_a_draft_never_holds() -> None:
    assert not BASE.clauses["owasp-ml/ML06"].in_force(date(2099, 1, 1))


def test_machine_says_that_people_are_needed_for_much() -> None:
    counted = Counter(one.machine for one in BASE.clauses.values())
    assert counted[Machine.FULL] < counted[Machine.HUMAN] < counted[Machine.PARTLY]


# --- What a file may not say -----------------------------------------------------------------------------------------

RIGHT: dict[str, Any] = {
    "framework": "house",
    "title": "Rules of the house",
    "source": "https://house.example/rules",
    "clauses": [
        {
            "clause": "1",
            "title": "Shoes off",
            "status": "published",
            "effective_from": date(2026, 1, 1),
            "machine": "full",
        }
    ],
}


def read(folder: Path, document: Any, name: str = "house.yaml") -> clauses.ClauseBase:
    pack = folder / "pack"
    (pack / "clauses").mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    (pack / "clauses" / name).write_text(text)
    return clauses.load(REGO, [pack])


def test_a_pack_brings_its_own_framework(tmp_path: Path) -> None:
    assert read(tmp_path, RIGHT).clauses["house/1"].source == "https://house.example/rules"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"colour": "red"}, "clauses.1.colour: Extra inputs"),
    "number as an id": ({"clause": 9.1}, "clauses.9.1.clause: Input should be a valid string"),
    "no title": ({"title": ""}, "clauses.1.title"),
    "unknown status": ({"status": "maybe"}, "clauses.1.status"),
    "unknown machine": ({"machine": "half"}, "clauses.1.machine"),
    "date as text": ({"effective_from": "2 August 2026"}, "clauses.1.effective_from"),
    "no date": ({"effective_from": None}, "a draft has no effective_from"),
    "dated draft": ({"status": "draft"}, "a draft has no effective_from"),
    "rescinded without an end": ({"status": "rescinded"}, "what was rescinded has an `until`"),
    "an end without a rescission": ({"until": date(2027, 1, 1)}, "what was rescinded has an `until`"),
    "end before the beginning": ({"status": "rescinded", "until": date(2025, 1, 1)}, "follow each other in time"),
    "later that is earlier": ({"later": [{"from": date(2025, 1, 1), "applies_to": "all"}]}, "follow each other"),
    "supersedes nothing": ({"supersedes": ["house/0"]}, "house/1 supersedes house/0, which does not exist"),
    "supersedes what holds": ({"supersedes": ["gdpr/6.1"]}, "which is enacted and not rescinded"),
    "source that is no address": ({"source": "the house"}, "clauses.1.source"),
}


@pytest.mark.parametrize(("change", "why"), WRONG.values(), ids=WRONG)
def test_a_wrong_clause_is_refused_by_name(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    with pytest.raises(PolicyError) as error:
        read(tmp_path, RIGHT | {"clauses": [RIGHT["clauses"][0] | change]})
    assert len(error.value.problems) == 1
    assert why in error.value.problems[0]


FILES: dict[str, tuple[Any, str]] = {
    "two of one id": (RIGHT | {"clauses": RIGHT["clauses"] * 2}, "clause house/1 stands twice"),
    "of another name": (RIGHT | {"framework": "home"}, "the framework home stands in home.yaml"),
    "no list": ("[]", "not a mapping"),
    "a provided framework": (RIGHT | {"framework": "gdpr"}, "the framework gdpr exists"),
    "wrong defaults": (RIGHT | {"defaults": {"machine": "full"}}, "defaults: ['machine']"),
    "a key twice": ("framework: house\nframework: house\n", "the key 'framework' stands twice"),
    "no YAML": ("{", "house.yaml: while parsing"),
}


@pytest.mark.parametrize(("document", "why"), FILES.values(), ids=FILES)
def test_a_wrong_file_is_refused(tmp_path: Path, document: Any, why: str) -> None:
    with pytest.raises(PolicyError) as error:
        read(tmp_path, document)
    assert [problem for problem in error.value.problems if why in problem]


def test_a_policy_without_clauses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"no \.yaml file"):
        clauses.load(tmp_path)


# --- What a rule may not name ----------------------------------------------------------------------------------------

NAMED: dict[str, tuple[list[str], str]] = {
    "misspelt": (["iso42001/A.6.2.9"], "clause iso42001/A.6.2.9: iso42001 has no such clause; the nearest are"),
    "in lower case": (["owasp-ml/ml06"], "the nearest are owasp-ml/ML06"),
    "with a space that others write": (["nist-ai-rmf/MAP5"], "nist-ai-rmf/MAP5.1"),
    "unknown framework": (["iso-42001/A.6.2.8"], "there is no framework iso-42001; there is iso42001"),
    "far from everything": (["gdpr/zzz"], "'proctor policy coverage --framework gdpr' lists them"),
    "twice": (["gdpr/6.1", "gdpr/6.1"], "clause gdpr/6.1 stands twice"),
    "rescinded": (
        ["sr-11-7/validation"],
        "was rescinded on 2026-04-17, superseded by sr-26-2/validation: name that",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("named", "why"), NAMED.values(), ids=NAMED)
def test_a_rule_names_only_clauses_that_there_are(named: list[str], why: str) -> None:
    (problem,) = BASE.problems(rules.annotation(clauses=named))
    assert problem.startswith("governance/rules/deployment/some_rule/some_rule.rego: ")
    assert why in problem


def test_a_rescinded_clause_may_stand_beside_its_heir() -> None:
    assert not [*BASE.problems(rules.annotation(clauses=["sr-26-2/validation", "sr-11-7/validation"]))]


def test_the_build_refuses_a_pack_that_names_a_clause_that_is_not_there(tmp_path: Path, opa_binary: Path) -> None:
    text = packs.source("right").replace("nist-ai-rmf/MANAGE1.3", "nist-ai-rmf/MANAGE1.9")
    settings = PolicySettings(packs=[packs.write(tmp_path / "pack", {"right": text})])
    with pytest.raises(
        PolicyError, match=r"right\.rego: clause nist-ai-rmf/MANAGE1\.9: .*nist-ai-rmf/MANAGE1\."
    ) as error:
        bundle.lay_out(settings, opa_binary, REGO, tmp_path / "stage")
    assert len(error.value.problems) == 1


def test_the_index_keeps_what_the_named_clauses_were(tmp_path: Path, opa_binary: Path) -> None:
    text = packs.source("right").replace("nist-ai-rmf/MANAGE1.3", "house/1")
    pack = packs.write(tmp_path / "pack", {"right": text})
    read(tmp_path, RIGHT)
    laid_out = bundle.lay_out(PolicySettings(packs=[pack]), opa_binary, REGO, tmp_path / "stage")
    named = {clause for rule in laid_out.rules for clause in rule.custom.clauses}
    assert set(laid_out.document["clauses"]) == named
    assert laid_out.document["clauses"]["house/1"] == {
        "title": "Shoes off", "status": "published", "effective_from": "2026-01-01",
    }  # fmt: skip
    assert not list((tmp_path / "stage").rglob("*.yaml"))
