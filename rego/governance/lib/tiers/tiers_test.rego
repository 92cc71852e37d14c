package governance.lib.tiers_test

import future.keywords.not

import data.governance.lib.tiers

_evidence(about) := {"about": about, "tier": "observed", "observed_at": "2026-03-02T11:00:00Z"}

_model(digest, exposure, autonomy, data_class) := {"id": digest, "digest": digest, "risk": {
	"exposure": exposure,
	"autonomy": autonomy,
	"data_class": data_class,
	"evidence": _evidence(digest),
}}

_question(models) := {
	"subject": {"kind": "deployment", "parts": {"models": [model.digest | some model in models]}},
	"facts": {"models": models},
	"context": {"now": "2026-03-02T12:00:00Z"},
}

_table := {
	"factors": {
		"exposure": {"group": "risk", "points": {"internal": 0, "public": 2}},
		"autonomy": {"group": "risk", "points": {"advisory": 0, "autonomous": 3}},
		"data_class": {"group": "risk", "points": {"public": 0, "personal": 2}},
		"drift": {"group": "condition", "points": {"none": 0, "major": 4}},
	},
	"bands": [
		{"tier": "low", "up_to": 0},
		{"tier": "medium", "up_to": 3},
		{"tier": "high", "up_to": 5},
		{"tier": "critical", "up_to": 1000},
	],
}

_source := {"deployment": {"levels": ["models"], "unscored": ["drift"], "needs": [_need]}}

_need := {
	"at": "risk",
	"about": "item",
	"fields": {"exposure": "string", "autonomy": "string", "data_class": "string"},
	"min_rank": 1,
	"max_age_s": 0,
}

_condition := {"at": "condition", "about": "item", "fields": {"drift": "string"}, "min_rank": 1, "max_age_s": 0}

_both := {"deployment": {"levels": ["models"], "unscored": [], "needs": [_need, _condition]}}

_running(digest, exposure, drift) := object.union(
	_model(digest, exposure, "advisory", "public"),
	{"condition": {"drift": drift, "evidence": _evidence(digest)}},
)

_assessed_with_condition(models) := found if {
	found := tiers.assessment with input as _question(models)
		with data.governance.config.values.tiers as _table
		with data.governance.index.tiers as _both
}

test_factors_of_several_groups_add_up if {
	found := _assessed_with_condition([_running("a", "public", "major"), _running("b", "public", "none")])
	found == {
		"value": "critical",
		"unknown": [],
		"unscored": [],
		"at": ["models", 0],
		"points": 6,
		"factors": {
			"exposure": {"value": "public", "points": 2},
			"autonomy": {"value": "advisory", "points": 0},
			"data_class": {"value": "public", "points": 0},
			"drift": {"value": "major", "points": 4},
		},
	}
}

test_every_group_has_to_be_proven if {
	found := _assessed_with_condition([_running("a", "internal", "none"), _model("b", "internal", "advisory", "public")])
	found.value == "critical"
	found.unknown == ["models/1: drift"]
	found.points == 0
}

test_a_value_of_another_group_is_not_scored if {
	misplaced := json.patch(_model("a", "internal", "advisory", "public"), [{
		"op": "add",
		"path": "/risk/drift",
		"value": "major",
	}])
	_assessed(_question([misplaced])).points == 0
}

_assessed(question) := found if {
	found := tiers.assessment with input as question
		with data.governance.config.values.tiers as _table
		with data.governance.index.tiers as _source
}

_brief(assessment) := {"value": assessment.value, "unknown": assessment.unknown}

_told(question) := _brief(_assessed(question))

test_the_riskiest_item_says_why if {
	found := _assessed(_question([
		_model("a", "internal", "autonomous", "public"),
		_model("b", "public", "advisory", "personal"),
		_model("c", "public", "advisory", "personal"),
	]))
	found.at == ["models", 1]
	found.points == 4
	found.factors.data_class == {"value": "personal", "points": 2}
	found.unscored == ["drift"]
}

_value(models) := _assessed(_question(models)).value

_with(path, value) := json.patch(
	_question([_model("a", "internal", "advisory", "public"), _model("b", "internal", "advisory", "public")]),
	[{"op": "replace", "path": path, "value": value}],
)

_without(path) := json.patch(
	_question([_model("a", "internal", "advisory", "public"), _model("b", "internal", "advisory", "public")]),
	[{"op": "remove", "path": path}],
)

_unknown(question) := {name | some name in _assessed(question).unknown}

test_points_fall_into_the_lowest_band_that_holds_them if {
	_value([_model("a", "internal", "advisory", "public")]) == "low"
	_value([_model("a", "public", "advisory", "public")]) == "medium"
	_value([_model("a", "internal", "autonomous", "public")]) == "medium"
	_value([_model("a", "public", "advisory", "personal")]) == "high"
	_value([_model("a", "public", "autonomous", "public")]) == "high"
	_value([_model("a", "public", "autonomous", "personal")]) == "critical"
}

test_the_riskiest_item_decides_in_any_order if {
	low := _model("a", "internal", "advisory", "public")
	high := _model("b", "public", "autonomous", "public")
	_value([low, high]) == "high"
	_value([high, low]) == "high"
}

test_equal_items_do_not_add_up if {
	_value([_model("a", "public", "advisory", "public"), _model("b", "public", "advisory", "public")]) == "medium"
}

test_no_item_is_no_risk_where_none_was_named if {
	_told(_question([])) == {"value": "low", "unknown": []}
	_assessed(_question([])).factors == {}
}

test_a_known_tier_has_no_unknown_factor if {
	_told(_with("/facts/models/0/risk/exposure", "public")) == {"value": "medium", "unknown": []}
}

test_an_unknown_factor_takes_the_worst_band_and_is_named if {
	every value in [null, true, 0, "", "Internal", "internal ", "secret", [], ["internal"], {}] {
		_assessed(_with("/facts/models/1/risk/exposure", value)).value == "critical"
		"models/1: exposure" in _unknown(_with("/facts/models/1/risk/exposure", value))
	}
	_assessed(_with("/facts/models/1/risk/exposure", "secret")).unknown == ["models/1: exposure"]
	_assessed(_without("/facts/models/0/risk/autonomy")).value == "critical"
	"models/0: autonomy" in _unknown(_without("/facts/models/0/risk/autonomy"))
}

test_unproven_factors_are_unknown if {
	every question in [
		_without("/facts/models/0/risk"),
		_without("/facts/models/0/risk/evidence"),
		_with("/facts/models/0/risk", null),
		_with("/facts/models/0/risk/evidence/about", "b"),
		_with("/facts/models/0/risk/evidence/tier", "declared"),
		_with("/facts/models/0/risk/evidence/observed_at", "2200-01-01T00:00:00Z"),
		_with("/facts/models/0/risk/evidence/observed_at", null),
		_without("/context"),
		_with("/context/now", null),
		_with("/context/now", "2026-02-30T00:00:00Z"),
	] {
		_assessed(question).value == "critical"
		"models/0: exposure" in _unknown(question)
	}
}

# A list that lost its riskiest item would give a lower tier.
test_an_incomplete_list_has_the_worst_tier if {
	every question in [
		_without("/facts/models/0"),
		_without("/facts/models/1"),
		_without("/facts/models"),
		_with("/facts/models", []),
		_with("/facts/models", null),
		_with("/facts/models", {}),
		_with("/facts/models", "x"),
		_with("/facts/models/0/digest", "c"),
		_with("/facts/models/0", {"id": "b", "digest": "b"}),
		_without("/subject/parts"),
		_with("/subject/parts", {}),
		_with("/subject/parts/models", ["a"]),
		_with("/subject/parts/models", ["a", "b", "c"]),
		_without("/facts"),
		_with("/facts", null),
		_with("/facts", []),
	] {
		_assessed(question).value == "critical"
		"models" in _unknown(question)
	}
}

test_a_subject_without_factors_has_the_worst_tier if {
	every question in [
		_with("/subject/kind", "dataset"),
		_with("/subject/kind", null),
		_without("/subject/kind"),
		_without("/subject"),
		{},
		null,
		"deployment",
		[],
	] {
		_told(question) == {"value": "critical", "unknown": ["subject"]}
	}
}

_with_table(table) := found if {
	found := tiers.assessment with input as _question([_model("a", "internal", "advisory", "public")])
		with data.governance.config.values.tiers as table
		with data.governance.index.tiers as _source
}

test_without_its_table_everything_has_the_worst_tier if {
	every table in [{}, null, {"factors": {}, "bands": _table.bands}, {"factors": _table.factors}, {"factors": _table.factors, "bands": {}}, {"factors": {"drift": _table.factors.drift}, "bands": _table.bands}] {
		_brief(_with_table(table)) == {"value": "critical", "unknown": ["subject"]}
	}
	_with_table({"factors": _table.factors, "bands": []}).value == "critical"
	_with_table({"factors": _table.factors, "bands": [{"tier": "low", "up_to": -1}]}).value == "critical"
}

_known(risk) if tiers.known("risk", risk) with data.governance.config.values.tiers as _table

test_a_risk_group_is_known_when_each_factor_is_in_the_table if {
	_known({"exposure": "internal", "autonomy": "advisory", "data_class": "public"})
	_known({"exposure": "public", "autonomy": "autonomous", "data_class": "personal", "more": "x"})
	not _known({"exposure": "secret", "autonomy": "advisory", "data_class": "public"})
	not _known({"exposure": "internal", "autonomy": "advisory"})
	every other in [null, true, 1, "internal", [], ["internal", "advisory", "public"], {}] {
		not _known(other)
	}
}

test_nothing_is_known_without_a_table if {
	risk := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}
	not tiers.known("risk", risk) with data.governance.config.values.tiers as {"factors": {}}
	not tiers.known("risk", risk) with data.governance.config.values.tiers as {}
	not tiers.known("elsewhere", risk) with data.governance.config.values.tiers as _table
}
