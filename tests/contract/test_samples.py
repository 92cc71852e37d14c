"""Replays the samples through the whole path: a real inventory, register, waivers and ledger, and a real OPA.

A story says what comes out down to the sentence that a person reads; what catalogs and MLflow say comes in through
their adapters. Beside them, every path of an input is spoilt, and every malformed container tried, in the OPA that
production runs: strict, on a Unix socket, behind the engine's own client.
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proctor.opa import binary, bundle
from proctor.opa.engine import ENTRYPOINT_DECISION
from proctor.opa.managed import ManagedOpa
from proctor.settings import OpaSettings, PolicySettings, Settings
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.decision import Verdict
from tests.contract.semantics import oracle
from tests.contract.stories import SAMPLES, STORIES, Running, answer, arrange, asked, asking, decided, laid_over, world
from tests.live.documents import at, changed, paths

_EACH = {path.read_text(): path.stem for path in sorted((SAMPLES / "inputs").glob("*.json"), reverse=True)}
INPUTS = {name: json.loads(text) for text, name in sorted(_EACH.items(), key=itemgetter(1))}
"""What several rules have in common, such as one exempt sample, is tried once."""
pytestmark = pytest.mark.asyncio(loop_scope="module")
ITEM = 3
"""Parts of the path of an item: facts, list, index."""
OUTCOMES = {"allowed": {"allow"}, "asked": {"require_approval"}, "denied": {"deny", "error"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opa(opa_binary: Path) -> AsyncIterator[Running]:
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        built = bundle.build(
            PolicySettings(profile="strict"),
            opa_binary,
            bundle.policy_dir(None),
            folder / "bundles",
            folder / "keys" / "bundle.key",
            None,
        )
        found = binary.find(Settings(opa=OpaSettings(binary=opa_binary), state_dir=folder))
        engine = ManagedOpa(built, found, folder / "run", OpaSettings())
        await engine.start()
        yield Running(engine, built, found.version)
        await engine.close()
    finally:
        shutil.rmtree(folder)


async def ask(opa: Running, document: Any) -> Verdict:
    """Return the verdict on one input, as the engine's own client gets it from a strict OPA."""
    deadline = asyncio.get_running_loop().time() + 10
    return Verdict.model_validate(await opa.engine.evaluate(ENTRYPOINT_DECISION, canonical(document), deadline))


# --- Samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.each_database
@pytest.mark.parametrize("name", STORIES)
async def test_a_sample_is_decided_as_it_says(name: str, opa: Running, state_dir: Path) -> None:
    sample = STORIES[name]
    async with world(opa, state_dir) as made:
        await arrange(sample, made)
        decision = await decided(sample, made)
        assert answer(decision, made) == sample["expect"], sample["about"]
        assert decision.recorded
        assert made.stores.ledger.get(decision.id) == decision.record()
    stage, stem = name.split("/")
    assert decision.outcome in OUTCOMES[stem.split("_")[0]]
    assert stage == asked(sample)[0]
    assert decision.stage in {stage, None}, "a request that is not valid has none"
    if not decision.allowed:
        assert decision.findings or decision.problems


async def test_a_story_is_another_one_with_changes_laid_over_it() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": "x"}
    own = {"a": {"c": [3], "e": {"f": None, "g": 1}}}
    assert laid_over(base, own) == {"a": {"b": 1, "c": [3], "e": {"f": None, "g": 1}}, "d": "x"}
    assert laid_over(base, {"a": None}) == {"d": "x"}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": "x"}


async def test_every_rule_has_a_sample_that_it_allows_and_one_that_it_denies(opa: Running) -> None:
    samples = list(STORIES.values())
    rules = set(opa.bundle.index.rules)
    assert {asked(sample)[0] for sample in samples} == {code.partition(".")[0] for code in rules}
    denied = {f["rule"] for s in samples for f in s["expect"]["findings"] if f["effect"] in {"deny", "ask"}}
    assert denied == rules
    selected: set[str] = set()
    for sample in samples:
        if sample["expect"]["outcome"] == "allow":
            selection = opa.bundle.index.selection(*asked(sample))
            assert selection is not None
            selected |= set(selection.codes) - {finding["rule"] for finding in sample["expect"]["findings"]}
    assert selected == rules


# --- Inputs that nobody should send ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INPUTS)
async def test_the_input_samples_are_allowed(name: str, opa: Running) -> None:
    verdict = await ask(opa, INPUTS[name])
    assert (verdict.outcome, verdict.problems, verdict.findings) == ("allow", [], [])


UNREAD = (
    ("actor", "authenticated_by"), ("actor", "groups"), ("actor", "kind"),
    ("subject", "id"), ("subject", "name"),
    ("context", "request_id"), ("context", "cases"),
)  # fmt: skip
"""Paths of an input that no rule and no check reads: they are for records and messages."""
UNREAD_AT_RUNTIME = (("facts", "images"), ("subject", "parts", "images"))
"""No rule looks at the images of what runs."""
UNREAD_OF_EVIDENCE = {"source", "fetched_at", "digest"}


def _matters(name: str, path: tuple[str | int, ...]) -> bool:
    unread = UNREAD + (UNREAD_AT_RUNTIME if name == "runtime" else ())
    if any(path[: len(one)] == one for one in unread):
        return False
    return not (path[-2:-1] == ("evidence",) and path[-1] in UNREAD_OF_EVIDENCE)


def _question(document: Any) -> tuple[str, str, str]:
    return document["stage"], document["subject"]["kind"], document["operation"]


def spoilt(name: str) -> list[tuple[str | int, ...]]:
    """Return the paths of an input that are worth spoiling, so that a library of any size can be tried exhaustively.

    An exempt sample differs from the sample of its question in a few groups: the rest has been spoilt there. Items of
    a list hold the same groups, and that exactly the wrong one is found is what decisive cases say of every rule: here
    each path is spoilt at one of them, by turns.
    """
    document = INPUTS[name]
    base = next(one for other, one in INPUTS.items() if "exempt" not in other and _question(one) == _question(document))
    return [
        path
        for path in paths(document)
        if _turn(document, path) and (document is base or not _equal(document, base, path))
    ]


def _turn(document: Any, path: tuple[str | int, ...]) -> bool:
    if len(path) <= ITEM or path[0] != "facts" or not isinstance(path[2], int):
        return True
    return path[2] == zlib.crc32(repr(path[ITEM:]).encode()) % len(document["facts"][path[1]])


def _equal(document: Any, base: Any, path: tuple[str | int, ...]) -> bool:
    try:
        return bool(at(document, path) == at(base, path))
    except (LookupError, TypeError):
        return False


def _wrong(value: Any, turn: int) -> list[Any]:
    """Return nothing at all, null, and by turns a third of the values of other types and the empty ones of its own.

    Each declared field meets every type in its rule's decisive cases. Here each field of a whole input is spoilt, and
    each type is met in very many of them.
    """
    candidates: list[Any] = [True, False, 5, -1, "x", "", [], [None], ["x"], {}, {"x": "x"}]
    wrong = [other for other in candidates if type(other) is not type(value) or (other in ("", {}) and other != value)]
    return [..., *([] if value is None else [None]), *wrong[turn % 3 :: 3]]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", INPUTS)
async def test_a_wrong_value_anywhere_in_an_input_never_allows(name: str, opa: Running) -> None:
    """Each path, deleted, null and of other types: exhaustive, because a list of examples forgets the one hole."""
    document = INPUTS[name]
    changes = [
        (path, other)
        for turn, path in enumerate(spoilt(name))
        if _matters(name, path)
        for other in _wrong(at(document, path), turn)
    ]
    allowed = []
    for start in range(0, len(changes), 8):  # as many as keep both processors at work
        some = changes[start : start + 8]
        verdicts = await asyncio.gather(*(ask(opa, changed(document, change)) for change in some))
        for change, verdict in zip(some, verdicts, strict=True):
            if verdict.outcome == "allow":
                # Where several values are right, the oracle says so, from the rules' meaning and without Rego.
                if not oracle.may_be_allowed(changed(document, change)):
                    allowed.append(change)
            else:
                assert verdict.findings or verdict.problems, change
    assert allowed == []
    assert len(changes) > (15 if "exempt" in name else 100)


_GOOD = INPUTS["deployment"]["facts"]["models"][0]
MALFORMED_LISTS: list[Any] = [
    "x", 5, True, False, None, "", {}, {"a": _GOOD}, {"0": _GOOD}, [], [[]], [[_GOOD]], ["x"], [None], [5], [True],
    [{}], [_GOOD], [_GOOD, _GOOD], [_GOOD, None], [_GOOD, "x"], [None, _GOOD], [_GOOD, {}], [[_GOOD], _GOOD],
]  # fmt: skip
MALFORMED_FACTS: list[Any] = ["x", 5, True, None, "", [], {}, [_GOOD], {"models": _GOOD}]
MALFORMED_INPUTS: list[Any] = [{}, None, "x", 5, True, "", [], [{}], [None], {"input": {}}, {"Input": {}}]


@pytest.mark.parametrize("facts_list", ["models", "images"])
async def test_a_malformed_list_never_allows(facts_list: str, opa: Running) -> None:
    for value in MALFORMED_LISTS:
        verdict = await ask(opa, changed(INPUTS["deployment"], (("facts", facts_list), value)))
        assert verdict.outcome == "deny", value
        assert any(finding.at[:1] == [facts_list] for finding in verdict.findings), value


async def test_malformed_facts_never_allow(opa: Running) -> None:
    for value in MALFORMED_FACTS:
        verdict = await ask(opa, changed(INPUTS["deployment"], (("facts",), value)))
        assert verdict.outcome in {"deny", "error"}, value
        assert verdict.findings or verdict.problems, value


@pytest.mark.parametrize("value", [0, 5, True, None, "", "x", {}, {"id": "x"}, ...])
@pytest.mark.parametrize("exceptions", ["waivers", "approvals"])
async def test_malformed_exceptions_are_a_problem_also_where_something_fails(
    exceptions: str, value: Any, opa: Running
) -> None:
    """That is where they are looked at: a built-in that can't take them would be an error of the whole evaluation."""
    pinned = ("facts", "images", 0, "reference", "pinned")
    verdict = await ask(opa, changed(INPUTS["deployment"], (pinned, False), ((exceptions,), value)))
    assert verdict.outcome == "error"
    assert {problem.code for problem in verdict.problems} == {"bad_waivers"}
    assert [finding.rule for finding in verdict.findings if finding.status == "fail"] == ["deployment.image_pinned"]


async def test_a_malformed_input_is_an_error_with_problems(opa: Running) -> None:
    for value in MALFORMED_INPUTS:
        verdict = await ask(opa, value)
        assert verdict.outcome == "error", value
        assert {"bad_schema", "bad_clock", "bad_actor", "bad_subject"} <= {problem.code for problem in verdict.problems}


# --- Requests that nobody should send --------------------------------------------------------------------------------


def _hostile_requests() -> Iterator[bytes]:
    good = STORIES["deployment/allowed_registered_models"]["request"]
    for value in (*MALFORMED_INPUTS, *MALFORMED_FACTS):
        yield json.dumps(value).encode()
    for path in paths(good):
        value = at(good, path)
        if len(path) in {1, 2} or path[:3] == ("facts", "models", 0):
            for other in (None, 5, "", [], {}, [None], {"x": "x"}, {"0": value}):
                if type(other) is not type(value):
                    yield json.dumps(changed(good, (path, other))).encode()
    text = json.dumps(good)
    yield text.replace('"facts": {', '"facts": {"models": [], ', 1).encode()  # a key twice
    yield text.replace('"deploy"', '"deploy\\ud800"', 1).encode()
    yield text.replace('"mutable": false', '"mutable": NaN', 1).encode()
    yield text.replace('"schema"', '"waivers": [], "schema"', 1).encode()
    yield text.replace('"schema"', '"risk_tier": "low", "schema"', 1).encode()
    yield text.replace('"schema"', '"context": {"now": "2026-01-01T00:00:00Z"}, "schema"', 1).encode()
    yield (b"[" * 100) + (b"]" * 100)
    yield text.encode()[:-1]
    yield b"\xff" + text.encode()
    yield b""


async def test_a_malformed_request_is_a_denial_that_says_where(opa: Running, tmp_path: Path) -> None:
    sample = STORIES["deployment/allowed_registered_models"]
    async with world(opa, tmp_path) as made:
        await arrange(sample, made)
        for raw in _hostile_requests():
            decision = await made.decisions.decide(raw, asking(sample, made))
            assert decision.outcome == "deny", raw
            # A group that is null is a group that is not there: that is for the rules to say.
            assert decision.reason == "invalid_request" or b": null" in raw, raw
            assert decision.problems or decision.findings, raw
            assert decision.recorded
        decision = await made.decisions.decide(json.dumps(sample["request"]).encode(), asking(sample, made))
        assert decision.outcome == "allow"


# --- Strict and not --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", INPUTS)
async def test_strict_and_lenient_opa_say_the_same(name: str, opa: Running, opa_binary: Path, tmp_path: Path) -> None:
    """`opa test` has no strict mode and production has: libraries that raise no error make them one policy."""
    batch: dict[str, Any] = {}
    document = INPUTS[name]
    batch[name] = document
    values: tuple[Any, ...] = (..., None, 5, "x", [], {})
    for turn, path in enumerate(spoilt(name)):
        for number in range(turn % 2, len(values), 2):  # half of them by turns
            batch[f"{name}:{path}:{number}"] = changed(document, (path, values[number]))
    batch |= {f"malformed:{number}": value for number, value in enumerate(MALFORMED_INPUTS)}
    (tmp_path / "input.json").write_text(json.dumps({"batch": batch}))
    query = "{name: found | some name, one in input.batch; found := data.governance.main.decision with input as one}"

    async def answers(*flags: str) -> dict[str, Any]:
        command = [opa_binary, "eval", *flags, "--bundle", opa.bundle.path, "--input", tmp_path / "input.json"]
        done = await asyncio.to_thread(
            subprocess.run, [*command, "--format", "json", query], capture_output=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stdout.decode()[:2000] + done.stderr.decode()[:2000]
        found: dict[str, Any] = json.loads(done.stdout)["result"][0]["expressions"][0]["value"]
        return found

    lenient, strict = await asyncio.gather(answers(), answers("--strict-builtin-errors"))
    assert set(lenient) == set(batch)
    assert lenient == strict
    assert len(batch) > (20 if "exempt" in name else 100)
