"""docs/catalogs.md is true: its tables against the adapter, its numbers against the limits, its commands as typed."""

import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proctor.cli.app import command as command_tree
from proctor.inventory.aliases import MAX_NAMES
from proctor.inventory.datasets import GROUPS
from proctor.notebook import plan
from proctor.vocabulary.dataset_facts import DatasetLegal
from proctor.vocabulary.datasets import canonical
from proctor.vocabulary.words import DATA_CLASSES
from proctor_adapters.openlineage import events, governance, routes
from proctor_adapters.openlineage.translate import CUSTOM_FACET, translate
from tests.adapters.openlineage.builders import ALL, NOW, SOURCE, dataset, dataset_event, tags
from tests.adapters.openlineage.conftest import Receiver

PAGE: Final = (Path(__file__).parents[3] / "docs" / "catalogs.md").read_text(encoding="utf-8")
VALUES: Final = {
    "true": "true", "purposes": "fraud-detection, churn", "number": "3", "licence's": "MIT", "day": "2026-10-01",
    "one": "consent",
}  # fmt: skip
"""A value for each kind of value that the table of tags names, by a word of its description."""


def table(header: str) -> list[list[str]]:
    """Return the rows of the table whose header line begins like this, without their backticks."""
    lines = PAGE.splitlines()
    start = lines.index(next(line for line in lines if line.startswith(f"| {header} |")))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.split("|")[1:-1]])
    return rows


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def prose() -> str:
    return " ".join(PAGE.split())


TAGS: Final = {codes(row[0])[0]: row for row in table("tag")}
FACETS: Final = [name for row in table("facet") for name in codes(row[0])]


def known(**facets: Any) -> dict[str, Any]:
    """Return what an event with these facets proves, by group."""
    found = translate(dataset_event(**facets), SOURCE, ALL).facts
    return {fact.group: fact.values for fact in found if fact.values is not None}


def test_every_reserved_tag_has_a_row_and_no_other() -> None:
    keys = {key for group in governance.GROUPS.values() for key in group.keys}
    assert set(TAGS) == {f"{governance.PREFIX}{key}" for key in keys}
    for tag, (_, _, fact) in TAGS.items():
        group = next(name for name, one in governance.GROUPS.items() if tag.removeprefix(governance.PREFIX) in one.keys)
        assert fact.startswith(group), tag


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_with_such_a_value_gives_the_fact(tag: str) -> None:
    key = tag.removeprefix(governance.PREFIX)
    _, value, fact = TAGS[tag]
    described = [VALUES[word] for word in re.findall(r"[\w']+", value) if word in VALUES]
    written = codes(value) if value.startswith("`") else described[:1]
    assert written, value
    beside = {
        "consent_status": {"consent_purposes": "x"},
        "consent_purposes": {"consent_status": "given"},
        "consent_withdrawn": {"consent_status": "given", "consent_purposes": "x"},
        "retention_days": {"collected_at": "2026-10-01"},
        "collected_at": {"retention_days": "3"},
        "data_class": {"pii": "false"},
    }.get(key, {})
    group = re.split(r"\W", fact)[0]
    for one in written:
        given: dict[str, str] = {**beside, key: one}
        if key == "special":
            given["pii"] = one
        if one in {"personal", "special"}:
            given.pop("pii")
        assert group in known(tags=tags(**given)), given
    if key == "data_class":
        assert written == list(DATA_CLASSES)


@pytest.mark.parametrize("row", table("lawful basis"), ids=lambda row: row[0])
def test_a_lawful_basis_is_written_as_the_table_has_it(row: list[str]) -> None:
    (basis,) = codes(row[0])
    for spelling in (basis, *codes(row[1])):
        for text in (spelling, spelling.upper(), spelling.rpartition(":")[2]):
            assert known(tags=tags(lawful_basis=text))["legal"] == {"basis": basis}, text


def test_the_lawful_bases_are_those_of_the_vocabulary() -> None:
    found = {codes(row[0])[0] for row in table("lawful basis")}
    source = Path(plan.__file__).parents[1] / "vocabulary" / "dataset_facts.py"
    described = source.read_text().partition("    basis: Word")[2].partition("class ")[0]
    assert "basis" in DatasetLegal.model_fields
    assert found == set(codes(described))


def test_each_facet_says_what_its_row_says() -> None:
    aliases = {"symlinks": {"identifiers": [{"namespace": "s3://lake", "name": "other"}]},
               "dataSource": {"uri": "s3://lake/other"}}  # fmt: skip
    facets = {"ownership": {"owners": [{"name": "a"}]}, "tags": tags(licence="MIT"), CUSTOM_FACET: {"pii": True}}
    expected = {"ownership": "ownership", "tags": "licence", CUSTOM_FACET: "sensitivity"}
    changes = [f"lifecycleStateChange: {state}" for state in ("CREATE", "RENAME", "DROP")]
    assert sorted([*aliases, *facets, *changes, "uri", "field", "governance.", "previousIdentifier"]) == sorted(
        {name for row in table("facet") for cell in row for name in codes(cell)}
    )
    assert set(known()) == {"catalog"}
    for name, group in expected.items():
        assert set(known(**{name: facets[name]})) == {"catalog", group}
    for name, facet in aliases.items():
        (link,) = translate(dataset_event(**{name: facet}), SOURCE, ALL).aliases
        assert link.aliases == (("s3://lake", "other"),)
        mine = ALL - {"datasets/*/catalog"}
        assert translate(dataset_event(**{name: facet}), SOURCE, mine).aliases == []
        elsewhere = mine | {"datasets/*/catalog@s3://lake"}
        foreign = {"identifiers": [{"namespace": "s3://other", "name": "x"}], "uri": "s3://other/x"}
        (link,) = translate(dataset_event(**{name: foreign}), SOURCE, elsewhere).aliases
        assert link.aliases == (), "a name in a namespace that is not the sender's"
    created = known(tags=tags(retention_days="3"), lifecycleStateChange={"lifecycleStateChange": "CREATE"})
    assert created["retention"] == {"until": (NOW + timedelta(days=3)).isoformat()}
    assert known(lifecycleStateChange={"lifecycleStateChange": "DROP"}) == {}
    former = {"namespace": "s3://lake", "name": "former"}
    renamed = dataset_event(lifecycleStateChange={"lifecycleStateChange": "RENAME", "previousIdentifier": former})
    gone = [fact for fact in translate(renamed, SOURCE, ALL).facts if fact.name == "former"]
    assert {fact.group for fact in gone} == set(GROUPS)
    assert all(fact.values is None for fact in gone)


def test_what_proves_nothing_proves_nothing() -> None:
    assert "`retention_days` without a day to count from" in PAGE
    assert "retention" not in known(tags=tags(retention_days="3"))
    assert "a `tags` and a `proctor_governance` facet that disagree" in prose()
    assert "sensitivity" not in known(tags=tags(pii="true"), **{CUSTOM_FACET: {"pii": False}})
    assert "personal data of the class `public`" in prose()
    assert "sensitivity" not in known(tags=tags(pii="true", data_class="public"))
    assert "a dataset is as sensitive as its worst column" in prose()
    assert known(tags=tags(("email", "pii", "true"), pii="false"))["sensitivity"]["personal"] is True
    assert known(tags=tags(("amount", "pii", "false"), pii="true"))["sensitivity"]["personal"] is True
    early = known(tags=tags(retention_until="2027-01-01", retention_days="3", collected_at="2026-10-01"))
    assert early["retention"]["until"].startswith("2026-10-04"), "of two ends the earlier one"


def test_the_limits_are_those_of_the_code() -> None:
    mebibyte = 1024 * 1024
    said = prose()
    assert routes.MAX_BODY == routes.MAX_EVENT
    assert f"A body has at most {routes.MAX_BODY // mebibyte} MiB, packed (gzip) and unpacked." in said
    assert f"arrays of at most {routes.MAX_BATCH} of them to `{routes.PATHS[1]}`" in said
    assert f"Events go to `{routes.PATHS[0]}`" in said
    assert f"at most {events.SKEW // timedelta(minutes=1)} minutes ahead" in said
    assert f"A dataset has at most {MAX_NAMES} names" in said
    for year, right in ((1999, False), (2000, True), (2026, True), (2099, False)):
        event = dataset_event() | {"eventTime": f"{year}-06-01T00:00:00Z"}
        if right:
            events.check(event, NOW)
        else:
            with pytest.raises(events.NoEventError):
                events.check(event, NOW)
    assert "years 2000 to 2099" in said


async def test_the_answers_are_those_of_the_table(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {codes(row[0])[0] if codes(row[0]) else "": row[0] for row in table("answer")}
    statuses = [int(row[0][:3]) for row in table("answer")]
    event = dataset_event(dataset())
    found = [(await receiver.post(event)).status_code, (await receiver.post(event)).status_code]
    found.append((await receiver.post({})).status_code)
    found.append((await receiver.post(b" " * (routes.MAX_BODY + 1))).status_code)

    async def refuse(*_: Any) -> bool:
        from proctor.errors import StateError  # noqa: PLC0415 (only this test's stand-in raises it)

        raise StateError("writing to the database", "the disk is full")

    monkeypatch.setattr(receiver.inbox, "put", refuse)
    answer = await receiver.post(dataset_event(dataset("another")))
    found.append(answer.status_code)
    assert found == statuses
    assert f"Retry-After: {answer.headers['Retry-After']}" in rows


async def test_the_same_word_again_holds_as_of_the_later_event(receiver: Receiver) -> None:
    assert "The same word again confirms: it holds as of the later event's time." in prose()
    urn = canonical("s3://lake", "payments").urn
    for minutes in (-60, -1):
        await receiver.post(dataset_event(dataset(tags=tags(licence="MIT")), minutes))
    await receiver.worker.round()
    assert receiver.datasets.facts(urn)["licence"].observed_at == NOW - timedelta(minutes=1)


def test_the_key_asserts_every_group_that_a_catalog_can_say() -> None:
    asserted = re.findall(r"--assert 'datasets/\*/([a-z_]+)'", PAGE)
    assert sorted(asserted) == sorted(GROUPS)


def test_its_commands_are_commands_with_such_options() -> None:
    blocks = [block for block in PAGE.split("```")[1::2] if block.startswith("\n")]
    lines = [shlex.split(line) for block in blocks for line in block.replace("\\\n", " ").strip().splitlines()]
    assert len(lines) >= 6
    for name, *words in lines:
        assert name == "proctor"
        found: Any = command_tree()
        while hasattr(found, "commands"):
            word = words.pop(0)
            assert word in found.commands, (word, words)
            found = found.commands[word]
        found.make_context(found.name, list(words), resilient_parsing=False)


def test_the_dataset_that_it_shows_can_be_named_so() -> None:
    (spelt,) = re.findall(r"proctor dataset show (\S+)", PAGE)
    assert plan.dataset(spelt).dataset == canonical("s3a://lake", "/payments/")


def test_its_transport_is_what_the_client_understands() -> None:
    block = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    from openlineage.client.transport.http import HttpConfig, HttpTransport  # noqa: PLC0415 (heavy, for one test)

    block["transport"].pop("type")
    made = HttpTransport(HttpConfig.from_dict({**block["transport"], "auth": {"type": "api_key", "apiKey": "prk_x_y"}}))
    assert made.config.url.startswith("https://")
    assert made.config.compression is not None
