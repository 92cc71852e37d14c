"""The policy that decides is the one that was built, checked and signed, and it decides the same at every size."""

import asyncio
import dataclasses
import json
import socket
import statistics
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from proctor.errors import PolicyError
from proctor.opa import bundle
from proctor.opa.managed import ManagedOpa
from proctor.settings import PolicySettings
from proctor.vocabulary.canonical import canonical
from tests.contract.semantics import rules
from tests.contract.semantics.worlds import DEPLOYMENT, ROOT, Tampering, World, statuses
from tests.live import subjects
from tests.live.documents import changed

REGO = ROOT / "rego"


# --- One policy, signed ----------------------------------------------------------------------------------------------


def test_row_33_nothing_can_be_written_into_the_running_policy(provided: World) -> None:
    """Two lines of defence: OPA is only asked what the engine asks, and the bundle claims every root."""
    engine = provided.components.engine
    assert isinstance(engine, ManagedOpa)
    assert engine._current is not None
    for method, path, body in (
        ("PUT", "/v1/policies/x", b'package governance.main\n\n_outcome := "allow"'),
        ("PUT", "/v1/data/governance/index/rules", b"{}"),
        ("PATCH", "/v1/data/governance/index", b'[{"op": "remove", "path": "rules"}]'),
        ("DELETE", "/v1/policies/governance/main/main.rego", b""),
    ):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(engine._current.child.socket))
            head = f"{method} {path} HTTP/1.1\r\nHost: opa\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)
            assert connection.recv(64).split()[1] == b"401", (method, path)


@pytest.mark.parametrize("package", ["governance.main", "governance.extra", "extra", "system.authz"])
def test_row_33_the_bundle_owns_every_path(package: str, unguarded: str) -> None:
    """With narrower roots, whoever reaches OPA could add a package beside ours, even `system.authz`."""
    body = f"package {package}\n\nmine := true\n".encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(unguarded)
        head = (
            f"PUT /v1/policies/mine HTTP/1.1\r\nHost: opa\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.split()[1] == b"400"
    assert b"owned by bundle" in answer


def test_row_21_a_decision_names_the_policy_that_judged_it(provided: World, packed: World) -> None:
    """Another one comes into force while it is judged: recorded under that, it would replay to something else."""
    decisions = provided.components.decisions
    judging = provided.bundle

    def adopts(_: dict[str, Any]) -> None:
        decisions.adopt(packed.bundle)

    try:
        with provided.engine(Tampering(provided, adopts)):
            decision = provided.decide(subjects.deployment("fraud"))
    finally:
        decisions.adopt(judging)
    assert decision.outcome == "allow"
    assert decision.policy is not None
    assert (decision.policy.revision, decision.policy.digest) == (judging.revision, judging.digest)
    assert judging.revision in decision.message


# --- Cost ------------------------------------------------------------------------------------------------------------


def _median_ms(world: World, document: Any, times: int = 25) -> float:
    raw = canonical(document)
    took = []

    async def once() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await world.components.engine.evaluate("governance/main/decision", raw, began + 20)
        took.append((loop.time() - began) * 1000)

    for _ in range(times):
        world.run(once())
    return statistics.median(took)


def test_row_06_rules_that_do_not_apply_cost_nothing(provided: World, packed: World) -> None:
    """An optimised bundle spells every dynamic look-up out: with a hundred more rules, OPA needed seconds for one."""
    assert len(packed.index.rules) > len(provided.index.rules) + 100
    ratios = []
    for _ in range(3):  # interleaved, so that a busy machine is busy for both
        alone = _median_ms(provided, DEPLOYMENT)
        ratios.append(_median_ms(packed, DEPLOYMENT) / alone)
    assert statistics.median(ratios) < 3.0, ratios


def test_row_06_the_bundle_holds_the_sources_as_they_were_checked(provided: World) -> None:
    """An optimised bundle holds other modules than those that people read and the build looked at."""
    with tarfile.open(provided.bundle.path) as bundled:
        found = {}
        for name in bundled.getnames():
            if name.endswith(".rego"):
                content = bundled.extractfile(name)
                assert content is not None
                found[name.lstrip("/")] = content.read()
    sources = {
        path.relative_to(REGO).as_posix(): path.read_bytes()
        for folder in ("governance", "authz", "system")
        for path in (REGO / folder).rglob("*.rego")
        if not path.name.endswith("_test.rego")
    }
    generated = found.pop("governance/main/dispatch/dispatch.rego")
    assert generated.count(b"compliant[") == len(provided.index.rules)
    assert found == sources


# --- Configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ["Prod", "prod ", " prod", "PROD", "", "*", None, 5, ["prod"], {}, ...])
def test_row_16_an_environment_that_nobody_configured_has_no_actions(environment: Any, provided: World) -> None:
    """With a wildcard at run time, a misspelt `prod` gets the weak default of everything else."""
    verdict = provided.verdict(changed(DEPLOYMENT, (("environment",), environment)))
    assert verdict.outcome == "error"
    assert "unknown_environment" in {problem.code for problem in verdict.problems}


@pytest.mark.parametrize("point", ["CI", "kubernetes", "", "*", None, 5, ...])
def test_row_16_nor_has_a_point(point: Any, provided: World) -> None:
    verdict = provided.verdict(changed(DEPLOYMENT, (("point",), point)))
    assert verdict.outcome == "error"
    assert "unknown_point" in {problem.code for problem in verdict.problems}


def test_row_16_no_wildcard_reaches_the_bundle(packed: World) -> None:
    document = packed.index.document
    environments = set(document["environments"])
    for tier, by_environment in document["actions"]["by"].items():
        assert tier in {"low", "medium", "high", "critical"}
        assert set(by_environment) == environments
    for table in document["actions"]["tables"].values():
        assert set(table) == set(document["rules"])
        assert set(table.values()) <= {"deny", "warn", "dryrun"}


def _built(folder: Path, opa: Path, **policy: Any) -> bundle.LaidOut:
    settings = PolicySettings.model_validate({"profile": "strict", **policy})
    return bundle.lay_out(settings, opa, REGO, folder / "stage")


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        ([{"environment": "prd", "action": "warn"}], "environment 'prd' is not configured"),
        ([{"rule": "deployment.image_pined", "action": "warn"}], "rule 'deployment.image_pined' does not exist"),
        ([{"environment": "prod", "severity": "critical", "action": "dryrun"}], "may not be a dry run in prod"),
        ([{"severity": "high", "action": "warn"}, {"environment": "prod", "action": "deny"}], "are equally specific"),
        ([{"severity": "high", "action": "off"}], "Input should be 'deny', 'warn' or 'dryrun'"),
    ],
)
def test_row_16_a_selector_that_means_nothing_or_two_things_is_refused(
    actions: list[dict[str, str]], problem: str, opa_binary: Path, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match=problem):
        _built(tmp_path, opa_binary, actions=actions)


@pytest.mark.parametrize(
    "line",
    [
        'effective_on: "2030-01-01"', 'effective_on: "2030-02-30T00:00:00Z"',
        'effective_on: "2030-01-01T00:00:00+01:00"', "effective_on: 2030", 'effective_on: "1999-01-01T00:00:00Z"',
        'effective_on: ""',
    ],
)  # fmt: skip
def test_row_28_a_date_that_yaml_or_rego_could_read_otherwise_is_refused(
    line: str, opa_binary: Path, tmp_path: Path
) -> None:
    """YAML turns an unquoted date into a time and a quoted one into text that OPA's parser fails on."""
    rule = dataclasses.replace(rules.SOUND["later"], more=line)
    pack = rules.write(tmp_path / "pack", {"later": rule})
    with pytest.raises(PolicyError, match="effective_on"):
        _built(tmp_path, opa_binary, packs=[pack])


def test_row_28_a_date_without_quotes_is_midnight_in_utc(opa_binary: Path, tmp_path: Path) -> None:
    rule = dataclasses.replace(rules.SOUND["later"], more="effective_on: 2030-01-01")
    laid_out = _built(tmp_path, opa_binary, packs=[rules.write(tmp_path / "pack", {"later": rule})])
    assert laid_out.document["rules"]["deployment.later"]["effective_on"] == "2030-01-01T00:00:00Z"


def test_row_28_ids_that_yaml_reads_as_numbers_are_refused(opa_binary: Path, tmp_path: Path) -> None:
    """1.10 becomes 1.1, and 010 becomes 8: clause and control ids are text or nothing."""
    for wrong in ("#   clauses: [1.10]", "#   clauses: [010]", "#   controls: [10]"):
        key = wrong.split(":")[0]
        text = rules.SOUND["later"].text("later")
        line = next(line for line in text.splitlines() if line.startswith(key))
        pack = rules.write(tmp_path / str(hash(wrong)), {"later": rules.SOUND["later"]})
        (pack / "governance/rules/deployment/later/later.rego").write_text(text.replace(line, wrong))
        with pytest.raises(PolicyError, match="string"):
            _built(tmp_path / f"{hash(wrong)}-built", opa_binary, packs=[pack])


# --- Two clocks ------------------------------------------------------------------------------------------------------

_LATER = rules.SOUND["later"]
_EFFECTIVE = "2030-01-01T00:00:00.000000Z"
_BEFORE = "2029-12-31T23:59:59.999999Z"


def _later(effective_at: str) -> dict[str, Any]:
    document: dict[str, Any] = changed(
        DEPLOYMENT, (("stage",), _LATER.stage), (("operation",), _LATER.operation),
        (("facts", "models", 0, "registration", "registered"), False), (("context", "effective_at"), effective_at),
    )  # fmt: skip
    return document


def test_row_32_looking_ahead_dates_rules_and_does_not_age_evidence(packed: World) -> None:
    """With one clock for both, next year's rules can only be tried on evidence that is a year too old."""
    for moment, outcome, found in (
        (DEPLOYMENT["context"]["now"], "allow", ["fail warn"]),
        (_BEFORE, "allow", ["fail warn"]),
        (_EFFECTIVE, "deny", ["fail deny"]),
    ):
        verdict = packed.verdict(_later(moment))
        assert (verdict.outcome, statuses(verdict, "deployment.later")) == (outcome, found), moment


def test_row_32_the_clock_that_ages_evidence_is_the_other_one(packed: World) -> None:
    document = changed(_later(_BEFORE), (("context", "now"), "2039-12-31T00:00:00Z"))
    assert statuses(packed.verdict(document), "deployment.later") == ["not_evaluable warn"] * 2


# --- Negation --------------------------------------------------------------------------------------------------------


def test_row_02_every_module_that_negates_does_it_in_the_way_that_is_total(opa_binary: Path) -> None:
    """Without the import, `not f(x.y)` is undefined where `x.y` is, and a rule with it says nothing at all."""
    negating = 0
    for path in sorted(REGO.rglob("*.rego")):
        if path.name.endswith("_test.rego"):
            continue
        done = subprocess.run(
            [str(opa_binary), "parse", "--format", "json", str(path)], capture_output=True, check=True, timeout=30
        )
        text = done.stdout.decode()
        if '"negated":true' in "".join(text.split()) or '"type":"not"' in "".join(text.split()):
            negating += 1
            imports = [
                [part["value"] for part in entry["path"]["value"]] for entry in json.loads(text).get("imports", [])
            ]
            assert ["future", "keywords", "not"] in imports, path
    assert negating > 5


NEGATIONS: list[tuple[str, tuple[str | int, ...], str, str]] = [
    ("the parts of a list", ("subject", "parts", "models"), "deployment.model_registered", "list_incomplete"),
    ("the tier", ("facts", "workload", "evidence", "tier"), "deployment.workload_classified", "weak"),
    ("the time", ("facts", "workload", "evidence", "observed_at"), "deployment.workload_classified", "undated"),
    ("the evidence", ("facts", "workload", "evidence"), "deployment.workload_classified", "unattributed"),
    ("a declared field", ("facts", "workload", "unclassified"), "deployment.workload_classified", "missing"),
    ("the group", ("facts", "workload"), "deployment.workload_classified", "absent"),
    ("what the request says", ("facts", "models", 0, "id"), "deployment.model_registered", "unidentified"),
]


@pytest.mark.parametrize(("path", "rule", "gap"), [one[1:] for one in NEGATIONS], ids=[one[0] for one in NEGATIONS])
def test_row_02_a_check_whose_value_is_missing_is_not_passed(
    path: tuple[str | int, ...], rule: str, gap: str, provided: World
) -> None:
    verdict = provided.verdict(changed(DEPLOYMENT, (path, ...)))
    assert verdict.outcome == "deny"
    found = {one.gap for finding in verdict.findings if finding.rule == rule for one in finding.why}
    assert gap in found
