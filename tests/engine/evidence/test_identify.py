"""The subject's identity: keys, merging, digest, and the refusal of contradictions."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.evidence.identify import Identified, identify
from proctor.vocabulary.decision import Problem
from proctor.vocabulary.request import DecisionRequest

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def reference(uri: str, *, mutable: bool = False) -> dict[str, Any]:
    return {"uris": [uri], "schemes": ["oci"], "mutable": mutable, "paths": [f"$.{uri}"], "roles": ["base"]}


def request(
    models: list[dict[str, Any]], images: list[dict[str, Any]] | None = None, **subject: Any
) -> DecisionRequest:
    return DecisionRequest.model_validate(
        {
            "schema": "proctor/request/v1",
            "stage": "deployment",
            "operation": "deploy",
            "point": "ci",
            "environment": "prod",
            "subject": {"kind": "deployment", "name": "ml/Deployment/x", **subject},
            "facts": {"models": models, "images": images or []},
        }
    )


def identified(found: Identified | list[Problem]) -> Identified:
    assert isinstance(found, Identified), found
    return found


def nothing(_: str) -> None:
    return None


def test_an_immutable_reference_gets_the_digest_that_the_inventory_knows() -> None:
    asked = request([{"id": "models:/f/7", "reference": reference("models:/f/7")}])
    found = identified(identify(asked, {"models:/f/7": A}.get))
    assert found.parts == {"models": [A], "images": []}
    assert found.facts["models"][0]["digest"] == A


def test_a_mutable_reference_never_gets_a_digest() -> None:
    asked = request([{"id": "models:/f@champion", "reference": reference("models:/f@champion", mutable=True)}])
    found = identified(identify(asked, lambda _: A))
    assert found.parts["models"] == ["models:/f@champion"]
    assert "digest" not in found.facts["models"][0]


def test_two_names_of_one_digest_are_one_item_and_the_weaker_name_counts() -> None:
    models = [
        {"id": "oci://b", "digest": A, "reference": reference("oci://b", mutable=True)},
        {"id": "oci://a", "digest": A, "reference": reference("oci://a")},
    ]
    found = identified(identify(request(models), nothing))
    assert found.parts["models"] == [A]
    item = found.facts["models"][0]
    assert item["id"] == "oci://a"
    assert item["reference"]["mutable"] is True
    assert item["reference"]["uris"] == ["oci://a", "oci://b"]


def test_one_item_with_two_stories_is_refused() -> None:
    models = [
        {"id": "oci://a", "digest": A, "registration": {"registered": True, "matches": 1}},
        {"id": "oci://a", "digest": A, "registration": {"registered": False, "matches": 0}},
    ]
    found = identify(request(models), nothing)
    assert isinstance(found, list)
    assert found[0].path == "/facts/models/1"


def test_an_id_that_is_in_neither_list_of_uris_is_kept_among_them() -> None:
    models = [
        {"id": "oci://a", "digest": A, "reference": reference("oci://a")},
        {"id": "oci://z", "digest": A, "reference": reference("oci://a")},
    ]
    for order in (models, models[::-1]):
        found = identified(identify(request(order), nothing))
        assert found.facts["models"][0]["reference"]["uris"] == ["oci://a", "oci://z"]


def test_readings_of_different_times_are_not_united() -> None:
    models = [
        {"id": "oci://a", "digest": A, "reference": {**reference("oci://a"), "evidence": evidence}}
        for evidence in (None, {"observed_at": "2026-01-01T00:00:00Z"})
    ]
    for order in (models, models[::-1]):
        found = identify(request(order), nothing)
        assert isinstance(found, list)
        assert "with another evidence of its reference" in found[0].message


def test_two_ids_without_a_reference_are_not_united() -> None:
    found = identify(request([{"id": "oci://a", "digest": A}, {"id": "oci://z", "digest": A}]), nothing)
    assert isinstance(found, list)
    assert "under another id ('oci://a')" in found[0].message
    assert isinstance(identify(request([{"id": "oci://a", "digest": A}] * 2), nothing), Identified)


def test_a_stated_digest_must_be_the_computed_one() -> None:
    right = identified(identify(request([]), nothing)).digest
    assert isinstance(identify(request([], digest=right), nothing), Identified)
    wrong = identify(request([], digest=B), nothing)
    assert isinstance(wrong, list)
    assert wrong[0].code == "digest_mismatch"


@given(st.permutations([("oci://a", A), ("oci://b", B), ("oci://c", None)]))
@settings(deadline=None)
def test_the_digest_does_not_depend_on_the_order_of_items(order: list[tuple[str, str | None]]) -> None:
    def build(pairs: list[tuple[str, str | None]]) -> str:
        models = [
            {"id": i, **({"digest": d} if d else {}), "reference": reference(i, mutable=d is None)} for i, d in pairs
        ]
        return identified(identify(request(models), nothing)).digest

    assert build(order) == build([("oci://a", A), ("oci://b", B), ("oci://c", None)])


def test_models_and_images_are_told_apart_in_the_digest() -> None:
    one = identified(identify(request([{"id": "x", "digest": A}]), nothing)).digest
    other = identified(identify(request([], [{"id": "x", "digest": A}]), nothing)).digest
    assert one != other
