package governance.lib.evidence_test

import future.keywords.not

import data.governance.lib.evidence
import data.governance.lib.time as clock

_digest := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

_now := clock.ns("2026-03-02T12:00:00Z")

_need := {
	"at": "registration",
	"fields": {"registered": "boolean", "matches": "number"},
	"min_rank": 1,
	"max_age_s": 86400,
}

_item := {"digest": _digest, "registration": {
	"registered": true,
	"matches": 1,
	"evidence": {"about": _digest, "tier": "observed", "observed_at": "2026-03-02T11:00:00Z"},
}}

_with(path, value) := json.patch(_item, [{"op": "replace", "path": path, "value": value}])

_without(path) := json.patch(_item, [{"op": "remove", "path": path}])

_observed_at(time) := _with("/registration/evidence/observed_at", time)

_proven(item) if evidence.proven(_need, item, _digest, _now)

_gaps(item) := {gap.gap | some gap in evidence.gaps(_need, item, _digest, _now)}

test_the_whole_group_is_proven if _proven(_item)

test_an_absent_group_is_not if {
	not _proven(_without("/registration"))
	_gaps(_without("/registration")) == {"absent"}
}

# One gap and not five where there is nothing at all.
test_a_group_that_is_no_object_is_absent if {
	every value in [null, true, 1, "", "text", [], ["registered"], set()] {
		not _proven(_with("/registration", value))
		_gaps(_with("/registration", value)) == {"absent"}
	}
}

test_an_item_that_is_no_object_has_no_groups if {
	every item in [null, true, 1, "", "registration", [], [_item], set()] {
		not _proven(item)
		_gaps(item) == {"absent"}
	}
}

test_each_declared_field_is_needed if {
	not _proven(_without("/registration/matches"))
	evidence.gaps(_need, _without("/registration/matches"), _digest, _now) == {{"gap": "missing", "field": "matches"}}
	not _proven(_with("/registration/matches", "1"))
	evidence.gaps(_need, _with("/registration/matches", "1"), _digest, _now) == {{"gap": "mistyped", "field": "matches"}}
	not _proven(_with("/registration/registered", "true"))
	_gaps(json.patch(_item, [
		{"op": "remove", "path": "/registration/matches"},
		{"op": "replace", "path": "/registration/registered", "value": null},
	])) == {"missing", "mistyped"}
}

test_a_group_without_evidence_is_unattributed if {
	every item in [
		_without("/registration/evidence"),
		_with("/registration/evidence", null),
		_with("/registration/evidence", []),
		_with("/registration/evidence", "observed"),
	] {
		not _proven(item)
		_gaps(item) == {"unattributed"}
	}
}

test_evidence_about_something_else_proves_nothing if {
	every other in [null, true, 0, "", [], {}, [_digest], "sha256:aaaa", upper(_digest), sprintf("%s ", [_digest])] {
		not _proven(_with("/registration/evidence/about", other))
		_gaps(_with("/registration/evidence/about", other)) == {"other_subject"}
	}
	not _proven(_without("/registration/evidence/about"))
}

# What evidence must be about has to be text itself: `null == null` is true.
test_evidence_is_never_about_nothing if {
	every about in [null, true, 0, "", [], {}] {
		item := _with("/registration/evidence/about", about)
		not evidence.proven(_need, item, about, _now)
		{gap.gap | some gap in evidence.gaps(_need, item, about, _now)} == {"other_subject"}
	}
	not evidence.proven(_need, _item, {}.absent, _now)
}

_outcomes(min_rank) := {tier |
	need := object.union(_need, {"min_rank": min_rank})
	some tier in ["declared", "observed", "verified"]
	evidence.proven(need, _with("/registration/evidence/tier", tier), _digest, _now)
}

test_evidence_is_at_least_as_strong_as_asked if {
	_outcomes(0) == {"declared", "observed", "verified"}
	_outcomes(1) == {"observed", "verified"}
	_outcomes(2) == {"verified"}
	_gaps(_with("/registration/evidence/tier", "declared")) == {"weak"}
}

test_an_unknown_tier_is_weaker_than_any if {
	need := object.union(_need, {"min_rank": 0})
	every tier in [null, true, 2, "", "Verified", "VERIFIED", "observed ", "trusted", [], ["verified"], {}, {"tier": "verified"}] {
		not evidence.proven(need, _with("/registration/evidence/tier", tier), _digest, _now)
		_gaps(_with("/registration/evidence/tier", tier)) == {"weak"}
	}
	not evidence.proven(need, _without("/registration/evidence/tier"), _digest, _now)
}

test_undated_evidence_proves_nothing if {
	every time in [null, true, 0, 1772449200, "", "2026-03-02", "2026-03-02T11:00:00+00:00", "2026-02-30T11:00:00Z", [], {}] {
		not _proven(_observed_at(time))
		"undated" in _gaps(_observed_at(time))
	}
	not _proven(_without("/registration/evidence/observed_at"))
}

# The age limit is the end of a half-open interval: evidence as old as it is stale.
test_evidence_ages if {
	_proven(_observed_at("2026-03-01T12:00:00.000000001Z"))
	not _proven(_observed_at("2026-03-01T12:00:00Z"))
	_gaps(_observed_at("2026-03-01T12:00:00Z")) == {"stale"}
	not _proven(_observed_at("2000-01-01T00:00:00Z"))
}

test_evidence_without_age_limit_never_goes_stale if {
	need := object.union(_need, {"max_age_s": 0})
	evidence.proven(need, _observed_at("2000-01-01T00:00:00Z"), _digest, _now)
	not evidence.proven(need, _observed_at("yesterday"), _digest, _now)
}

# Evidence from the future would never go stale; five minutes are what clocks differ.
test_evidence_from_the_future_proves_nothing if {
	_proven(_observed_at("2026-03-02T12:05:00Z"))
	not _proven(_observed_at("2026-03-02T12:05:00.000000001Z"))
	_gaps(_observed_at("2026-03-02T12:05:00.000000001Z")) == {"future"}
	not _proven(_observed_at("2099-12-31T23:59:59Z"))
	not _proven(_observed_at("2200-01-01T00:00:00Z"))
	need := object.union(_need, {"max_age_s": 0})
	not evidence.proven(need, _observed_at("2026-03-02T12:05:00.000000001Z"), _digest, _now)
}

test_without_a_clock_nothing_is_fresh if {
	every now in [null, true, "2026-03-02T12:00:00Z", [], {}] {
		not evidence.proven(_need, _item, _digest, now)
		not evidence.proven(object.union(_need, {"max_age_s": 0}), _item, _digest, now)
		count(evidence.gaps(_need, _item, _digest, now)) > 0
	}
	not evidence.proven(_need, _item, _digest, {}.absent)
}

test_all_gaps_are_named_together if {
	_gaps(json.patch(_item, [
		{"op": "replace", "path": "/registration/matches", "value": null},
		{"op": "remove", "path": "/registration/registered"},
		{"op": "replace", "path": "/registration/evidence", "value": {}},
	])) == {"missing", "mistyped", "other_subject", "weak", "undated", "future", "stale"}
}

test_a_group_that_is_not_proven_always_says_why if {
	every item in [_without("/registration"), _observed_at(null), _with("/registration/matches", true), {}, null] {
		not _proven(item)
		count(_gaps(item)) > 0
	}
	evidence.gaps(_need, _item, _digest, _now) == {{"gap": "unproven"}}
}

_values := {
	"null": null,
	"true": true,
	"false": false,
	"zero": 0,
	"number": 1.5,
	"empty_text": "",
	"text": "yes",
	"number_text": "1",
	"time": "2026-03-02T12:00:00Z",
	"no_time": "2026-02-30T12:00:00Z",
	"empty_list": [],
	"texts": ["yes", "no"],
	"mixed": ["yes", 1],
	"with_null": ["yes", null],
	"with_empty": [""],
	"nested": [["yes"]],
	"empty_object": {},
	"object": {"yes": "yes"},
}

_of_type(type) := {name | some name, _ in _values; evidence.typed(_values, name, type)}

test_types_are_exact if {
	_of_type("string") == {"text", "number_text", "time", "no_time"}
	_of_type("number") == {"zero", "number"}
	_of_type("boolean") == {"true", "false"}
	_of_type("timestamp") == {"time"}
	_of_type("strings") == {"empty_list", "texts"}
	_of_type("object") == set()
	_of_type(null) == set()
}

test_an_absent_field_has_no_type if {
	every type in ["string", "number", "boolean", "timestamp", "strings"] {
		not evidence.typed(_values, "absent", type)
		not evidence.typed({}, "x", type)
		not evidence.typed(null, "x", type)
		not evidence.typed("x", "x", type)
		not evidence.typed(["x"], "x", type)
		not evidence.typed({}.absent, "x", type)
	}
}

test_a_need_without_a_group_is_about_the_item_itself if {
	evidence.group_at({"a": 1}, "") == {"a": 1}
	evidence.group_at(null, "") == null
	evidence.group_at({"a": 1}, "a") == 1
	evidence.group_at({"a": 1}, "b") == null
	evidence.group_at(null, "a") == null
	evidence.group_at(["a"], "a") == null
}
