package governance.rules.data.representative_test

import data.testing

_code := "data.representative"

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

test_the_limit_itself_is_enough if {
	testing.says(_code, _with("representation/smallest", 100)) == "pass"
	testing.findings(_code, _with("representation/smallest", 99)) == _second
	testing.findings(_code, _with("representation/smallest", 0)) == _second
}

test_a_higher_tier_asks_for_more if {
	taken_in := data.samples.data
	testing.decision(taken_in).tier.value == "critical"
	at := "/facts/datasets/1/representation/smallest"
	testing.says(_code, testing.with_value(taken_in, at, 200)) == "pass"
	testing.findings(_code, testing.with_value(taken_in, at, 199)) == _second
}

test_every_protected_attribute_is_counted if {
	testing.findings(_code, _with("representation/attributes", ["age"])) == _second
	testing.findings(_code, _with("representation/attributes", [])) == _second
	testing.findings(_code, _with("representation/attributes", ["age", "Sex"])) == _second
	testing.says(_code, _with("representation/attributes", ["sex", "region", "age"])) == "pass"
}

test_a_count_of_another_version_proves_nothing if {
	testing.findings(_code, _with("representation/evidence/about", _sample.facts.datasets[0].digest)) == _unknown
}

test_what_nobody_counted_proves_nothing if {
	testing.findings(_code, _without("representation")) == _unknown
	testing.findings(_code, _without("sensitivity")) == _unknown
	testing.findings(_code, _with("representation/evidence/tier", "declared")) == _unknown
}

test_data_about_nobody_represents_nobody if {
	testing.says(_code, data.samples.exempt_representative) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_representative,
			"/facts/datasets/1/sensitivity/personal",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_representative,
		"/facts/datasets/1/sensitivity/evidence/tier",
		"declared",
	)) == _unknown
}
