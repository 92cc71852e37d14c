"""Requests that say one thing twice, or one thing in two ways: nothing gets lost between the door and the input."""

import copy
import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from proctor.vocabulary.canonical import decode
from tests.contract.semantics.worlds import Tampering, World, statuses
from tests.live import subjects

REGISTERED = "deployment.model_registered"


def _request(*names: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(subjects.deployment(*names))
    return document


def _decided(world: World, request: dict[str, Any], order: tuple[int, ...] = (0, 1), name: str = "models") -> Any:
    changed = copy.deepcopy(request)
    changed["facts"][name] = [request["facts"][name][index] for index in order]
    return world.decide(json.dumps(changed).encode())


@pytest.mark.parametrize("alias", ["a:/unheard/of", "zzz:/unheard/of", "models:/fraud@champion"])
@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))))
def test_row_20_a_second_name_of_an_item_is_not_lost_when_the_two_are_one(
    alias: str, order: tuple[int, ...], provided: World
) -> None:
    """Two entries with one digest are one item. Each name that the object uses must lead to a registered version."""
    request = _request("fraud", "fraud")
    request["facts"]["models"][1]["id"] = alias
    decision = _decided(provided, request, order)
    assert decision.outcome == "deny"
    assert statuses(decision, REGISTERED) or decision.reason == "invalid_request"


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))))
@pytest.mark.parametrize("name", ["models", "images"])
def test_row_25_two_readings_of_one_item_do_not_become_the_fresher_one(
    name: str, order: tuple[int, ...], provided: World
) -> None:
    """One of two readings is older than its rule permits: the fresher one must not stand for both."""
    request = _request("fraud", "fraud")
    request["facts"]["images"] *= 2
    old = provided.components.clock.now() - timedelta(days=2)
    request["facts"][name][1] = copy.deepcopy(request["facts"][name][1])
    request["facts"][name][1]["reference"]["evidence"] = {"observed_at": old.isoformat()}
    decision = _decided(provided, request, order, name)
    assert (decision.outcome, decision.reason) == ("deny", "invalid_request")


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))))
@pytest.mark.parametrize(("field", "weak"), [("mutable", True), ("pinned", False)])
def test_row_25_the_weaker_statement_holds_when_two_items_are_one(
    field: str, weak: bool, order: tuple[int, ...], provided: World
) -> None:
    request = _request("fraud", "fraud")
    request["facts"]["images"] *= 2
    name = "models" if field == "mutable" else "images"
    request["facts"][name][1] = copy.deepcopy(request["facts"][name][1])
    request["facts"][name][1]["reference"][field] = weak
    assert _decided(provided, request, order, name).outcome == "deny"


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))))
def test_row_34_an_item_without_its_reference_is_not_swallowed_by_its_twin(
    order: tuple[int, ...], provided: World
) -> None:
    request = _request("fraud", "fraud")
    del request["facts"]["models"][1]["reference"]
    assert _decided(provided, request, order).reason == "invalid_request"


def test_row_34_two_nameless_twins_are_two_names(provided: World) -> None:
    """Neither entry has a reference: then its id is all that is known of it, and must not be dropped."""
    request = _request("fraud", "fraud")
    for index, model in enumerate(request["facts"]["models"]):
        del model["reference"]
        model["id"] = f"models:/nameless/{index}"
    decision = _decided(provided, request)
    assert decision.outcome == "deny"
    assert decision.reason == "invalid_request"


def _input(world: World, request: dict[str, Any]) -> Any:
    watching = Tampering(world, lambda _: None)
    with world.engine(watching):
        assert world.decide(json.dumps(request).encode()).outcome == "allow"
    return decode(watching.asked[-1])


def test_row_20_the_order_of_items_changes_neither_digest_nor_input(provided: World) -> None:
    request = _request("fraud", "scorer")
    one = _input(provided, request)
    request["facts"]["models"].reverse()
    other = _input(provided, request)
    assert other["subject"] == one["subject"]
    assert [item["digest"] for item in other["facts"]["models"]] == one["subject"]["parts"]["models"]


def test_row_30_the_input_holds_what_selected_rules_declare_and_nothing_else(provided: World) -> None:
    document = _input(provided, _request("fraud"))
    (model,) = document["facts"]["models"]
    selection = provided.index.selection("deployment", "deployment", "deploy")
    assert selection is not None
    assert set(model) == {"id", "digest", *selection.fields["models/*"]}
    assert {"reference", "registration", "allowance", "authorship", "risk"} < set(model)
    assert set(model["reference"]) == {"mutable", "evidence"}
    assert set(model["registration"]) == {"registered", "matches", "evidence"}
    assert set(document["facts"]) == {"models", "images", *selection.fields[""]}
    assert {"workload", "deployer", "waivers"} < set(document["facts"])
    assert set(document["facts"]["workload"]) == {
        "unlimited_containers", "writable_model_mounts", "unclassified", "evidence",
    }  # fmt: skip
