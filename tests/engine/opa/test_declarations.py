"""What a rule may declare, against the vocabulary of facts."""

from typing import Any

import pytest

from proctor.opa import declarations
from proctor.vocabulary.facts import Facts
from tests.engine.opa import rules


def problems(*evidence: dict[str, Any], **custom: Any) -> list[str]:
    return list(declarations.problems(rules.annotation(evidence=list(evidence), **custom)))


def test_everything_of_the_vocabulary_can_be_declared() -> None:
    tried = 0
    for scope, groups in declarations.known().items():
        for group, fields in groups.items():
            if not fields:
                continue
            tried += 1
            need = {"at": group, "fields": dict(fields), "about": "item" if scope else "subject"}
            item_id = ["id"] if scope else []
            assert problems(need, for_each=scope, item_id=item_id) == []
            assert problems(need | {"of": scope}, for_each="", item_id=[]) == []
    assert tried > 8


def test_the_vocabulary_is_read_from_the_models() -> None:
    known = declarations.known()
    assert set(known) == {"", *(f"{name}/*" for name in Facts.LISTS)}
    assert known["models/*"]["registration"]["matches"] == "number"
    assert known["models/*"]["reference"]["mutable"] == "boolean"
    assert known["images/*"]["reference"]["registries"] == "strings"
    assert known[""]["deployer"]["environments"] == "strings"
    assert "evidence" not in known["models/*"]["registration"]


REGISTRATION = {"at": "registration", "fields": {"registered": "boolean"}}
WRONG: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a misspelt group": (
        [{"at": "registraton", "fields": {"registered": "boolean"}}],
        "models/*/registraton: there is no such group of facts; docs/facts.md names them",
    ),
    "a misspelt field": (
        [{"at": "registration", "fields": {"registred": "boolean"}}],
        "registration.registred: boolean, but the vocabulary has no such field",
    ),
    "another type": (
        [{"at": "registration", "fields": {"matches": "string"}}],
        "registration.matches: string, but the vocabulary has number",
    ),
    "a group of another list": (
        [{"at": "risk", "of": "images/*", "fields": {"exposure": "string"}}],
        "images/*/risk: there is no such group of facts; docs/facts.md names them",
    ),
    "another list": (
        [{"at": "risk", "of": "model/*", "fields": {"exposure": "string"}}],
        "model/*/risk: there is no such group of facts; docs/facts.md names them",
    ),
    "the evidence itself": (
        [{"at": "registration", "fields": {"evidence": "string"}}],
        "registration.evidence: string, but the vocabulary has no such field",
    ),
    "the item itself": (
        [{"at": "", "fields": {"id": "string"}}],
        "models/*/: there is no such group of facts; docs/facts.md names them",
    ),
    "an item of the whole request": (
        [REGISTRATION, {"at": "workload", "of": "", "about": "item", "fields": {"unclassified": "strings"}}],
        "workload: evidence on the whole request is about the subject, the actor or the purpose, never `item`",
    ),
    "a request field": ([{"request": "actor", "type": "string"}], "request: actor of type string"),
    "the type of a request field": ([{"request": "purpose", "type": "boolean"}], "request: purpose of type boolean"),
}


@pytest.mark.parametrize(("evidence", "problem"), WRONG.values(), ids=WRONG)
def test_what_the_vocabulary_does_not_have_is_refused(evidence: list[dict[str, Any]], problem: str) -> None:
    (found,) = problems(*evidence)
    assert found.startswith(problem)


@pytest.mark.parametrize("field", declarations.REQUEST_FIELDS)
def test_fields_of_the_request_can_be_asked_for(field: str) -> None:
    assert problems({"request": field, "type": "string"}) == []


def test_a_list_that_does_not_exist_is_refused() -> None:
    assert problems(REGISTRATION, for_each="model/*") == [
        "for_each 'model/*': there is no such list; docs/facts.md names them"
    ]


def test_a_case_named_twice_is_refused() -> None:
    twice = [
        {"stage": "deployment", "kind": "deployment", "operations": ["deploy", "scale"]},
        {"stage": "deployment", "kind": "deployment", "operations": ["scale"]},
    ]
    assert problems(REGISTRATION, applies_to=twice) == ["applies_to names deployment/deployment/scale twice"]
    again = [{"stage": "deployment", "kind": "deployment", "operations": ["deploy", "deploy"]}]
    assert problems(REGISTRATION, applies_to=again) == ["applies_to names deployment/deployment/deploy twice"]
