"""What is read from a policy on files: actions, coverage, checklists, suppliers and pages. One policy for all tests."""

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import date
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import NotFoundError, SettingsError, UsageError
from proctor.opa.clauses import Machine
from proctor.policy import catalogue, checklist, coverage, pages, suppliers
from proctor.policy.catalogue import Catalogue
from proctor.policy.coverage import Verdict
from proctor.server import assembly
from proctor.settings import Settings
from proctor.vocabulary.words import EvidenceTier, Point, RiskTier
from tests.engine.opa import rules
from tests.engine.policy import packs

ROOT = Path(__file__).resolve().parents[3]
LATER = "deployment.later"
UNFED = "datasets/*/retention"
FUTURE = "2027-12-02T00:00:00Z"


@pytest.fixture(scope="module")
def read(opa_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """Return the provided policy with a pack: a right rule, one that takes effect later, one that nobody can feed."""
    everybody = [
        dataclasses.replace(one, groups=one.groups - {UNFED}) if one.groups else one for one in suppliers.suppliers()
    ]
    folder = tmp_path_factory.mktemp("reading")
    logs = "eu-ai-act/12.1"
    texts = {
        "right": packs.source("right"),
        "later": rules.source("later", title="Rule later", effective_on=FUTURE, clauses=[logs]),
        "unfed": rules.source(
            "unfed",
            '\ncompliant contains ["datasets", i] if {\n\tsome i, dataset in input.facts.datasets\n'
            '\tdataset.retention.until == "x"\n}\n',
            title="Rule unfed",
            for_each="datasets/*",
            evidence=[{"at": "retention", "fields": {"until": "timestamp"}}],
            clauses=["eu-ai-act/26.6"],
        ),
        "mild": rules.source("mild", title="Rule mild", clauses=["eu-ai-act/19.1"]),
    }
    pack = packs.write(folder / "pack", texts)
    actions = [
        {"rule": "deployment.mild", "environment": one, "action": "warn"} for one in ("dev", "staging", "prod")
    ] + [
        {"rule": "deployment.right", "point": "ci", "environment": "prod", "tier": "low", "action": "dryrun"},
        {"rule": "deployment.right", "severity": "medium", "environment": "dev", "action": "warn"},
    ]
    settings = packs.settings(folder / "state", pack, actions=actions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppliers, "suppliers", lambda: everybody)
        yield catalogue.read(settings, opa_binary)


# --- Actions ---------------------------------------------------------------------------------------------------------


def test_collapsed_actions_say_of_every_place_what_the_index_says(read: Catalogue) -> None:
    environments = read.index.environments
    for code in read.rules:
        told: dict[tuple[str, str, str], list[str]] = {}
        for where in read.actions(code):
            for tier in RiskTier if where.tiers == ("any",) else where.tiers:
                for environment in environments if where.environments == ("any",) else where.environments:
                    for point in Point if where.points == ("any",) else where.points:
                        told.setdefault((str(tier), environment, str(point)), []).append(where.action)
        assert len(told) == len(RiskTier) * len(environments) * len(Point)
        for place, actions in told.items():
            assert actions == [read.index.action(*place, code)], (code, place)


def test_actions_are_as_few_rows_as_can_be_read(read: Catalogue) -> None:
    assert len(read.actions("deployment.model_registered")) == 1
    assert len(read.actions("deployment.right")) == 5


# --- Suppliers -------------------------------------------------------------------------------------------------------


def test_an_adapter_says_the_same_of_itself_as_when_a_server_has_made_it() -> None:
    said = {one.name: one.groups for one in suppliers.suppliers()}
    stub = _Stub()
    made = assembly.load_adapters(Settings(state_dir=Path("/nowhere")), lambda _: stub)  # type: ignore[arg-type, return-value]
    assert {adapter.name for adapter in made} == {"kubernetes", "mlflow", "openlineage"}
    for adapter in made:
        assert frozenset(adapter.extras["states"]) == said.get(adapter.name, frozenset())
        assert not adapter.providers, "a provider of an adapter's would be no supplier"


class _Stub:
    """Stands for every service; none is called while an adapter is made."""

    configuration: dict[str, Any] = {}

    def __getattr__(self, name: str) -> object:
        return object()


def test_every_group_is_delivered_by_proctor_or_by_others_and_not_by_both() -> None:
    assert not [one.name for one in suppliers.suppliers() if one.name not in _OWN and one.groups & suppliers.OWNED]  # type: ignore[operator]
    assert [one.name for one in suppliers.of("models/*/registration")] == ["inventory"]
    assert suppliers.of("models/*/nothing") == []


def test_an_adapter_that_does_not_say_may_state_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("silent", "json:loads", suppliers.ENTRY_POINT_GROUP)
    monkeypatch.setattr(suppliers, "entry_points", lambda **_: [entry])
    monkeypatch.setattr(suppliers, "suppliers", suppliers.everybody)
    assert [one.name for one in suppliers.of("models/*/nothing")] == ["silent"]
    assert suppliers.delivered() is None


def test_an_adapter_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("lost", "proctor_adapters_lost:create", suppliers.ENTRY_POINT_GROUP)
    monkeypatch.setattr(suppliers, "entry_points", lambda **_: [entry])
    with pytest.raises(SettingsError, match="asking the adapter lost which facts it states"):
        suppliers.everybody()


_OWN = frozenset(provider.name for provider in suppliers.OWN)


# --- Coverage --------------------------------------------------------------------------------------------------------


def _verdicts(read: Catalogue, **options: Any) -> dict[str, coverage.Covered]:
    return {one.clause.id: one for one in coverage.of(read, **options)}


def test_verdicts_follow_from_rules_and_from_what_a_machine_can_check(read: Catalogue) -> None:
    named = {name for rule in read.rules.values() for name in rule.custom.clauses}
    found = _verdicts(read)
    assert set(found) == set(read.base.clauses)
    for name, one in found.items():
        if name not in named:
            expected = Verdict.HUMAN_ONLY if one.clause.machine is Machine.HUMAN else Verdict.NONE
            assert (one.verdict, one.rules) == (expected, ())
        elif one.clause.machine is not Machine.FULL:
            assert one.verdict is Verdict.PARTLY
    assert found["eu-ai-act/15.3"].verdict is Verdict.COVERED
    assert found["eu-ai-act/12.1"].verdict is Verdict.COVERED


def test_a_rule_that_only_warns_covers_nothing_and_is_marked(read: Catalogue) -> None:
    found = _verdicts(read)
    for name, code in (("eu-ai-act/19.1", "deployment.mild"), ("eu-ai-act/26.6", "deployment.unfed")):
        one = found[name]
        assert one.verdict is Verdict.PARTLY, name
        assert f"{code} (only warns)" in [rule.marked for rule in one.rules]


@pytest.mark.parametrize(
    ("day", "verdict", "mark"),
    [(date(2027, 12, 1), Verdict.PARTLY, "from 2027-12-02"), (date(2027, 12, 2), Verdict.COVERED, "")],
)
def test_a_rule_counts_from_the_day_on_which_it_takes_effect(
    read: Catalogue, day: date, verdict: Verdict, mark: str
) -> None:
    one = _verdicts(read, day=day)["eu-ai-act/12.1"]
    assert one.verdict is verdict
    assert [rule.mark for rule in one.rules if rule.code == LATER] == [mark]


def test_what_was_rescinded_is_shown_and_not_counted(read: Catalogue) -> None:
    covered = coverage.of(read)
    assert "sr-11-7/validation" in {one.clause.id for one in covered}
    counts = coverage.counts(covered)
    assert "sr-11-7" not in counts
    assert sum(counts["nist-ai-rmf"].values()) == 72


def test_states_say_what_holds_on_a_day(read: Catalogue) -> None:
    clause = read.base.clauses["eu-ai-act/9.1"]
    annex = "2028-08-02 for systems in products of Annex I"
    assert coverage.state(clause, date(2026, 10, 1)) == f"not before 2027-12-02; {annex}; unverified"
    assert coverage.state(clause, date(2028, 1, 1)) == f"since 2027-12-02; {annex}; unverified"
    assert coverage.state(clause, date(2028, 8, 2)) == "since 2027-12-02; unverified"
    assert coverage.state(clause, None) == f"from 2027-12-02; {annex}; unverified"
    assert coverage.state(read.base.clauses["sr-11-7/inventory"], date(2026, 4, 16)) == "since 2011-04-04"
    assert coverage.state(read.base.clauses["sr-11-7/inventory"], date(2026, 4, 17)) == "rescinded 2026-04-17"
    assert coverage.state(read.base.clauses["owasp-ml/ML01"], None) == "draft"


def test_an_unknown_framework_is_named_with_those_that_there_are(read: Catalogue) -> None:
    with pytest.raises(NotFoundError, match="There is eu-ai-act, gdpr"):
        coverage.of(read, "ai-act")


# --- Checklists ------------------------------------------------------------------------------------------------------


def _declared(facts: dict[str, Any]) -> set[tuple[str, ...]]:
    """Return place, group and field of everything that an input says of its subject."""
    found: set[tuple[str, ...]] = set()
    for name, value in facts.items():
        groups = (
            [(name, group, fields) for item in value for group, fields in item.items()]
            if isinstance(value, list)
            else [("", name, value)]
        )
        for place, group, fields in groups:
            if isinstance(fields, dict):
                found |= {(place, group, field) for field in fields if field != "evidence"}
    return found


SAMPLES = {
    name: json.loads((ROOT / "rego" / "samples" / "inputs" / f"{name}.json").read_bytes())
    for name in ("data", "deployment", "registration", "runtime", "training", "training_run")
}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_input_asks_for_what_an_allowed_input_holds(read: Catalogue, name: str) -> None:
    sample = SAMPLES[name]
    asked = checklist.questions(read, sample["stage"], sample["subject"]["kind"], sample["operation"])
    empty = checklist.empty_input(read, asked)
    assert empty.keys() - {"purpose"} == sample.keys() - {"purpose"}
    assert empty["subject"].keys() == sample["subject"].keys()
    assert empty["context"].keys() == sample["context"].keys()
    assert empty["actor"].keys() == sample["actor"].keys()
    held, wanted = _declared(sample["facts"]), _declared(empty["facts"])
    assert not held - wanted
    # The factors of the risk tier may be unknown, at the price of the worst band; one rule is the pack's.
    assert {(place, group) for place, group, _ in wanted - held} <= {
        ("models", "risk"),
        ("", "risk"),
        ("datasets", "retention"),
    }
    for item in (item for value in empty["facts"].values() if isinstance(value, list) for item in value):
        evidence = [group["evidence"] for group in item.values() if isinstance(group, dict)]
        assert all(one.keys() == sample_evidence(sample).keys() for one in evidence)


def sample_evidence(sample: dict[str, Any]) -> dict[str, Any]:
    texts = re.findall(r'"evidence": (\{[^}]*\})', json.dumps(sample["facts"]))
    found: dict[str, Any] = json.loads(texts[0])
    return found


def test_a_checklist_has_the_strictest_of_all_that_is_asked(read: Catalogue) -> None:
    asked = checklist.questions(read, "deployment", "deployment", "deploy")
    by_group = {one.group: one for one in checklist.wanted(read, asked)}
    registration = by_group["models/*/registration"]
    assert registration.max_age == "P7D"
    assert {"deployment.right", LATER, "deployment.model_registered"} <= set(registration.rules)
    assert set(registration.fields) == {"registered", "matches"}
    risk = by_group["models/*/risk"]
    assert checklist.RISK in risk.rules
    assert risk.tier is EvidenceTier.OBSERVED
    assert set(risk.fields) == {"exposure", "autonomy", "data_class"}
    assert by_group["datasets/*/retention"].row()["delivered_by"] == []


def test_a_checklist_for_one_rule_has_nothing_else(read: Catalogue) -> None:
    asked = checklist.questions(read, "deployment", code="deployment.mild")
    (one,) = checklist.wanted(read, asked, "deployment.mild")
    assert (one.group, one.fields, one.rules) == (
        "models/*/registration",
        {"registered": "boolean"},
        ["deployment.mild"],
    )
    empty = checklist.empty_input(read, asked, "deployment.mild")
    assert empty["facts"]["models"][0].keys() == {"id", "digest", "registration"}
    assert empty["facts"].keys() == {"models"}


def test_an_empty_input_is_about_one_question(read: Catalogue) -> None:
    with pytest.raises(UsageError, match="--kind model_version --operation promote"):
        checklist.empty_input(read, checklist.questions(read, "registration"))


@pytest.mark.parametrize("options", [{"stage": "nowhere"}, {"stage": "data", "operation": "deploy"}])
def test_a_question_that_no_rule_answers_is_refused(read: Catalogue, options: dict[str, str]) -> None:
    with pytest.raises(NotFoundError, match=r"Rules apply at: .*data --kind dataset --operation ingest"):
        checklist.questions(read, **options)


# --- Pages -----------------------------------------------------------------------------------------------------------


def test_a_page_says_all_that_a_rule_asks(read: Catalogue) -> None:
    text = pages.of_rule(read, "registration.performance_sufficient")
    for part in (
        "| `models/*/evaluation` | `metric`: string, `samples`: number, `value`: number | item | observed | P90D |",
        "| `evaluation_value` | low 0.7, medium 0.75, high 0.8, critical 0.85 |",
        "| [eu-ai-act/15.3](https://eur-lex.europa.eu/eli/reg/2024/1689/oj) | Accuracy and its metrics are declared",
        "| any | any | any | deny |",
        "| waivable | up to 30 days |",
        "- `samples/registration/denied_too_few_samples.json`",
    ):
        assert part in text, part


def test_pages_are_tables_that_hold_whatever_a_rule_says(read: Catalogue) -> None:
    for name, text in pages.of_policy(read).items():
        columns = 0
        for line in text.splitlines():
            if not line.startswith("|"):
                columns = 0
                continue
            found = len(re.findall(r"(?<!\\)\|", line))
            assert columns in (0, found), f"{name}: {line}"
            columns = found


def test_links_between_pages_lead_somewhere(read: Catalogue) -> None:
    everything = pages.of_policy(read)
    for name, text in everything.items():
        for target in re.findall(r"\]\(([^):]+\.md)\)", text):
            path = (Path("docs") / name).parent / target
            resolved = Path(*_plain(path.parts))
            assert str(resolved.relative_to("docs")) in everything or (ROOT / resolved).exists(), f"{name}: {target}"


def _plain(parts: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part == "..":
            found.pop()
        else:
            found.append(part)
    return found


def test_stale_pages_are_written_and_those_of_rules_that_are_gone_removed(tmp_path: Path) -> None:
    header = pages._HEADER
    wanted = {"rules/data/one.md": f"{header}one\n", "coverage.md": f"{header}coverage\n"}
    (tmp_path / "rules" / "data").mkdir(parents=True)
    gone, own = tmp_path / "rules" / "data" / "gone.md", tmp_path / "rules" / "data" / "notes.md"
    gone.write_text(f"{header}gone\n")
    own.write_text("# Somebody's own\n")
    expected = {tmp_path / "rules/data/one.md", tmp_path / "coverage.md", gone}
    assert set(pages.write(wanted, tmp_path, check=True)) == expected
    assert gone.exists()
    assert not (tmp_path / "coverage.md").exists()
    assert set(pages.write(wanted, tmp_path, check=False)) == expected
    assert not gone.exists()
    assert own.exists()
    assert pages.write(wanted, tmp_path, check=True) == []


def test_nothing_that_is_said_of_coverage_promises_anything(read: Catalogue) -> None:
    text = pages.of_policy(read)["coverage.md"] + json.dumps(
        [one.document(date(2027, 12, 2)) | one.row(date(2027, 12, 2)) for one in coverage.of(read)]
    )
    assert not re.search("complian|complies|conformant|fulfil", text, re.IGNORECASE)
