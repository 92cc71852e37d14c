package governance.rules.data.special_categories_grounded_test

import data.testing

_code := "data.special_categories_grounded"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

test_the_sample_passes_at_every_stage if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, data.samples.data) == "pass"
	testing.says(_code, data.samples.registration) == "pass"
}

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

test_each_ground_of_article_9_passes if {
	every ground in [
		"explicit-consent",
		"employment-and-social-protection",
		"vital-interests",
		"not-for-profit-body",
		"made-public",
		"legal-claims",
		"substantial-public-interest",
		"health-care",
		"public-health",
		"research",
	] {
		testing.says(_code, _with("special_categories/ground", ground)) == "pass"
	}
}

test_a_basis_of_article_6_alone_is_no_ground if {
	every ground in ["consent", "legitimate-interests", "contract", "Research", "none"] {
		testing.findings(_code, _with("special_categories/ground", ground)) == _second
	}
}

test_each_condition_is_needed if {
	conditions := _sample.facts.datasets[1].special_categories.conditions
	count(conditions) == 6
	every missing in conditions {
		met := [condition | some condition in conditions; condition != missing]
		testing.findings(_code, _with("special_categories/conditions", met)) == _second
	}
	testing.findings(_code, _with("special_categories/conditions", [])) == _second
}

test_more_conditions_than_needed_do_no_harm if {
	more := array.concat(["encrypted-at-rest"], _sample.facts.datasets[1].special_categories.conditions)
	testing.says(_code, _with("special_categories/conditions", more)) == "pass"
}

test_without_the_lists_nothing_is_grounded if {
	found := testing.findings(_code, _sample) with data.governance.config.values.lists as {"special_conditions": []}
	found == {["datasets", 0]: ["fail", "deny"], ["datasets", 1]: ["fail", "deny"]}
}

test_what_nobody_says_proves_nothing if {
	testing.findings(_code, _without("special_categories")) == _unknown
	testing.findings(_code, _without("sensitivity")) == _unknown
	testing.findings(_code, _with("special_categories/evidence/tier", "declared")) == _unknown
}

test_data_without_special_categories_needs_no_ground if {
	testing.says(_code, data.samples.exempt_special_categories_grounded) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_special_categories_grounded,
			"/facts/datasets/1/sensitivity/special",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_special_categories_grounded,
		"/facts/datasets/1/sensitivity/evidence/tier",
		"declared",
	)) == _unknown
}
