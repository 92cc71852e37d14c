package governance.rules.data.residency_permitted_test

import data.testing

_code := "data.residency_permitted"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

_both := {["datasets", 0]: ["fail", "deny"], ["datasets", 1]: ["fail", "deny"]}

_neither := {["datasets", 0]: ["not_evaluable", "deny"], ["datasets", 1]: ["not_evaluable", "deny"]}

_computing(regions) := testing.with_value(_sample, "/facts/compute/regions", regions)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

test_one_machine_elsewhere_is_enough if {
	testing.findings(_code, _computing(["DE", "US"])) == _both
	testing.findings(_code, _computing(["de"])) == _both
	testing.says(_code, _computing(["DE", "FR", "IE"])) == "pass"
}

test_a_run_that_computes_nowhere_proves_nothing if testing.findings(_code, _computing([])) == _both

test_of_two_datasets_the_narrower_one_is_denied if {
	testing.findings(_code, _with("residency/regions", ["DE"])) == _second
	testing.findings(_code, _with("residency/regions", [])) == _second
	testing.findings(_code, _with("residency/regions", ["*"])) == _second
}

test_where_the_run_computes_is_not_for_the_trainer_to_say if {
	testing.findings(_code, testing.with_value(_sample, "/facts/compute/evidence/tier", "declared")) == _neither
	testing.findings(_code, testing.with_value(_sample, "/facts/compute/evidence/about", "person:alice")) == _neither
	testing.findings(_code, testing.without(_sample, "/facts/compute")) == _neither
}

test_what_nobody_says_proves_nothing if {
	testing.findings(_code, _without("residency")) == _unknown
	testing.findings(_code, _without("sensitivity")) == _unknown
	testing.findings(_code, _with("residency/evidence/tier", "declared")) == _unknown
}

test_data_about_nobody_may_go_anywhere if {
	testing.says(_code, data.samples.exempt_residency_permitted) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_residency_permitted,
			"/facts/datasets/1/sensitivity/personal",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_residency_permitted,
		"/facts/datasets/1/sensitivity/evidence/tier",
		"declared",
	)) == _unknown
}
