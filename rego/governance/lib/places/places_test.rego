package governance.lib.places_test

import future.keywords.not

import data.governance.lib.places
import data.governance.lib.time as clock

_now := clock.ns("2026-03-02T12:00:00Z")

_no_lists := [null, true, 1, "", "x", {}, {"0": {"digest": "sha256:a"}}, set()]

_count(about, count) := {
	"count": count,
	"evidence": {"about": about, "tier": "observed", "observed_at": "2026-03-02T11:00:00Z"},
}

_facts := {"datasets": [
	{
		"urn": "urn:one",
		"digest": "sha256:a",
		"columns": [{"name": "age", "id": "c1"}, {"name": "name", "id": "c2"}],
		"columns_count": _count("sha256:a", 2),
	},
	{
		"urn": "urn:two",
		"id": "ref:b",
		"columns": [{"name": "age", "id": "c1"}],
		"columns_count": _count("ref:b", 1),
	},
]}

_parts := {"datasets": ["ref:b", "sha256:a"]}

_with(path, value) := json.patch(_facts, [{"op": "add", "path": path, "value": value}])

_replaced(path, value) := json.patch(_facts, [{"op": "replace", "path": path, "value": value}])

_without(path) := json.patch(_facts, [{"op": "remove", "path": path}])

_one := ["datasets"]

_two := ["datasets", "columns"]

# --- Where a rule looks --------------------------------------------------------------------------------------------

test_the_whole_request_is_one_place if {
	places.items([], _facts) == {[]: _facts}
	places.items([], {}) == {[]: {}}
}

test_each_item_is_a_place if {
	object.keys(places.items(_one, _facts)) == {["datasets", 0], ["datasets", 1]}
	places.items(_one, _facts)[["datasets", 1]].urn == "urn:two"
}

test_each_nested_item_is_a_place if {
	object.keys(places.items(_two, _facts)) == {
		["datasets", 0, "columns", 0],
		["datasets", 0, "columns", 1],
		["datasets", 1, "columns", 0],
	}
	places.items(_two, _facts)[["datasets", 0, "columns", 1]].name == "name"
}

test_equal_items_are_two_places if {
	count(places.items(_one, {"datasets": [{"id": "x"}, {"id": "x"}]})) == 2
}

test_what_is_no_list_has_no_places if {
	every other in _no_lists {
		places.items(_one, {"datasets": other}) == {}
		places.items(_one, other) == {}
		places.items(_two, {"datasets": other}) == {}
		places.items(_two, {"datasets": [{"columns": other}]}) == {}
		places.items(_two, {"datasets": [other]}) == {}
	}
	places.items(_one, {"datasets": []}) == {}
	places.items(_one, {}) == {}
}

# A third level has no meaning; the build refuses it, and here nothing is enumerated.
test_a_third_level_is_undefined if not places.items(["a", "b", "c"], {"a": [{"b": [{"c": [1]}]}]})

# --- What evidence must be about -----------------------------------------------------------------------------------

test_an_item_is_known_by_its_digest_else_by_its_reference if {
	places.key({"digest": "sha256:a", "id": "x"}) == "sha256:a"
	places.key({"id": "x"}) == "x"
	places.key({"digest": "", "id": "x"}) == "x"
	places.key({"digest": null, "id": "x"}) == "x"
}

test_an_item_without_either_has_no_key if {
	every item in [{}, {"digest": ""}, {"id": ""}, {"digest": null, "id": null}, {"id": 5}, null, "x", [], 1] {
		not places.key(item)
		not places.about(["datasets", 0], item, {})
	}
}

test_a_nested_item_is_known_together_with_its_parent if {
	item := _facts.datasets[0].columns[0]
	places.about(["datasets", 0], _facts.datasets[0], _facts) == "sha256:a"
	places.about(["datasets", 0, "columns", 0], item, _facts) == "sha256:a#c1"
	places.about(["datasets", 1, "columns", 0], item, _facts) == "ref:b#c1"
	not places.about(["datasets", 7, "columns", 0], item, _facts)
	not places.about(["datasets", 0, "columns", 0], {"name": "age"}, _facts)
}

# --- Complete lists ------------------------------------------------------------------------------------------------

_absent := {{"at": ["datasets"], "gap": "list_absent"}}

_incomplete := {{"at": ["datasets"], "gap": "list_incomplete"}}

test_the_whole_request_has_no_list if places.gaps([], _facts, _parts, _now) == set()

test_a_list_of_exactly_the_parts_is_complete if {
	places.gaps(_one, _facts, _parts, _now) == set()
	places.gaps(_one, _facts, {"datasets": ["sha256:a", "ref:b"]}, _now) == set()
	places.gaps(_one, {"datasets": []}, {"datasets": []}, _now) == set()
}

test_what_is_no_list_is_absent if {
	every other in _no_lists {
		places.gaps(_one, {"datasets": other}, _parts, _now) == _absent
		places.gaps(_one, other, _parts, _now) == _absent
	}
	places.gaps(_one, {}, {"datasets": []}, _now) == _absent
}

# A provider that failed gives an empty list, and one that was interrupted a shorter one.
test_a_truncated_list_is_incomplete if {
	places.gaps(_one, {"datasets": []}, _parts, _now) == _incomplete
	places.gaps(_one, _without("/datasets/0"), _parts, _now) == _incomplete
	places.gaps(_one, _without("/datasets/1"), _parts, _now) == _incomplete
}

test_a_foreign_item_makes_a_list_incomplete if {
	places.gaps(_one, _with("/datasets/2", {"digest": "sha256:c"}), _parts, _now) == _incomplete
	places.gaps(_one, _replaced("/datasets/0/digest", "sha256:c"), _parts, _now) == _incomplete
}

test_an_item_twice_makes_a_list_incomplete if {
	twice := _with("/datasets/2", _facts.datasets[0])
	places.gaps(_one, twice, _parts, _now) == _incomplete
	places.gaps(_one, twice, {"datasets": ["sha256:a", "sha256:a", "ref:b"]}, _now) == _incomplete
	places.gaps(_one, _replaced("/datasets/1", _facts.datasets[0]), _parts, _now) == _incomplete
	same := {"datasets": [{"id": "x", "a": 1}, {"id": "x", "a": 2}]}
	places.gaps(_one, same, {"datasets": ["x"]}, _now) == _incomplete
	places.gaps(_one, same, {"datasets": ["x", "x"]}, _now) == _incomplete
}

test_an_item_without_key_makes_a_list_incomplete if {
	every item in [null, "sha256:a", 5, [], {}, {"digest": ""}, {"name": "x"}] {
		places.gaps(_one, _with("/datasets/2", item), _parts, _now) == _incomplete
		places.gaps(_one, _with("/datasets/2", item), {"datasets": ["sha256:a", "ref:b", item]}, _now) == _incomplete
		places.gaps(_one, {"datasets": [item]}, {"datasets": [null]}, _now) == _incomplete
		places.gaps(_one, {"datasets": [item]}, {"datasets": []}, _now) == _incomplete
	}
}

test_parts_that_are_no_list_prove_no_list if {
	every parts in [null, true, "", {}, {"0": "sha256:a", "1": "ref:b"}, "sha256:a", ["sha256:a", "sha256:a"], ["sha256:a", "ref:b", "ref:b"], [["sha256:a", "ref:b"]]] {
		places.gaps(_one, _facts, {"datasets": parts}, _now) == _incomplete
	}
	every parts in [{}, {"models": ["sha256:a", "ref:b"]}, null, ["sha256:a", "ref:b"], "datasets"] {
		places.gaps(_one, _facts, parts, _now) == _incomplete
		places.gaps(_one, {"datasets": []}, parts, _now) == _incomplete
	}
}

_nested(index) := {{"at": ["datasets", index, "columns"], "gap": "list_incomplete"}}

test_a_nested_list_of_its_proven_count_is_complete if {
	places.gaps(_two, _facts, _parts, _now) == set()
	empty := {"datasets": [{"id": "x", "columns": [], "columns_count": _count("x", 0)}]}
	places.gaps(_two, empty, {"datasets": ["x"]}, _now) == set()
}

test_an_outer_list_is_proven_too if {
	places.gaps(_two, _facts, {"datasets": ["sha256:a"]}, _now) == _incomplete
	places.gaps(_two, {"datasets": null}, _parts, _now) == _absent
	places.gaps(_two, {}, _parts, _now) == _absent
}

test_a_nested_list_without_an_item_is_incomplete if {
	places.gaps(_two, _without("/datasets/0/columns/1"), _parts, _now) == _nested(0)
	places.gaps(_two, _without("/datasets/1/columns/0"), _parts, _now) == _nested(1)
	places.gaps(_two, _replaced("/datasets/0/columns", []), _parts, _now) == _nested(0)
}

test_what_is_no_nested_list_is_incomplete if {
	places.gaps(_two, _without("/datasets/1/columns"), _parts, _now) == _nested(1)
	every other in _no_lists {
		places.gaps(_two, _replaced("/datasets/1/columns", other), _parts, _now) == _nested(1)
	}
	every other in _no_lists {
		count(places.gaps(_two, _replaced("/datasets/1", other), _parts, _now)) == 2
	}
}

# The count stands in the facts like everything else, so it needs evidence like everything else.
test_a_count_without_evidence_counts_nothing if {
	every count in [
		null,
		2,
		{},
		{"count": 2},
		_count("sha256:b", 2),
		_count(null, 2),
		_count("sha256:a", "2"),
		_count("sha256:a", null),
		_count("sha256:a", 3),
		_count("sha256:a", 1),
		object.union(_count("sha256:a", 2), {"evidence": {"tier": "declared"}}),
		object.union(_count("sha256:a", 2), {"evidence": {"observed_at": "2200-01-01T00:00:00Z"}}),
		object.union(_count("sha256:a", 2), {"evidence": {"observed_at": null}}),
	] {
		places.gaps(_two, _replaced("/datasets/0/columns_count", count), _parts, _now) == _nested(0)
	}
	places.gaps(_two, _without("/datasets/0/columns_count"), _parts, _now) == _nested(0)
}

test_nested_items_are_different_ones if {
	twice := _replaced("/datasets/0/columns/1", _facts.datasets[0].columns[0])
	places.gaps(_two, twice, _parts, _now) == _nested(0)
	nameless := _replaced("/datasets/0/columns/1", {"name": "name"})
	places.gaps(_two, nameless, _parts, _now) == _nested(0)
}

# --- Empty lists ---------------------------------------------------------------------------------------------------

test_an_empty_list_is_named if {
	places.empties(_one, {"datasets": []}) == {{"at": ["datasets"], "gap": "list_empty"}}
	places.empties(_two, {"datasets": []}) == {{"at": ["datasets"], "gap": "list_empty"}}
	places.empties(_two, _replaced("/datasets/1/columns", [])) == {{"at": ["datasets", 1, "columns"], "gap": "list_empty"}}
}

test_a_list_that_holds_something_is_not_empty if {
	places.empties([], {}) == set()
	places.empties(_one, _facts) == set()
	places.empties(_two, _facts) == set()
	every other in _no_lists {
		places.empties(_one, {"datasets": other}) == set()
		places.empties(_two, {"datasets": other}) == set()
		places.empties(_two, {"datasets": [{"columns": other}]}) == set()
	}
}

# --- Identity ------------------------------------------------------------------------------------------------------

test_a_place_is_named_once_for_each_level if {
	places.identity([], [], _facts) == []
	places.identity(["datasets", 1], ["urn"], _facts) == ["urn:two"]
	places.identity(["datasets", 0, "columns", 0], ["urn", "name"], _facts) == ["urn:one", "age"]
	places.identity(["datasets", 1, "columns", 0], ["urn", "name"], _facts) == ["urn:two", "age"]
}

test_an_identity_does_not_follow_the_order_of_the_list if {
	swapped := {"datasets": [_facts.datasets[1], _facts.datasets[0]]}
	places.identity(["datasets", 0], ["urn"], swapped) == places.identity(["datasets", 1], ["urn"], _facts)
}

test_a_place_without_text_for_a_name_has_no_identity if {
	every name in [null, true, 0, "", [], {}, ["urn:two"]] {
		not places.identity(["datasets", 1], ["urn"], _replaced("/datasets/1/urn", name))
		not places.identity(["datasets", 1, "columns", 0], ["urn", "name"], _replaced("/datasets/1/urn", name))
		not places.identity(["datasets", 1, "columns", 0], ["urn", "name"], _replaced("/datasets/1/columns/0/name", name))
	}
	not places.identity(["datasets", 1], ["absent"], _facts)
	not places.identity(["datasets", 7], ["urn"], _facts)
	not places.identity(["datasets", 1], [], _facts)
	not places.identity(["datasets", 1, "columns", 0], ["urn"], _facts)
	not places.identity([], ["urn"], _facts)
}
