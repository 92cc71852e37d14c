package governance.rules.data.licence_permits_training_test

import data.testing

_code := "data.licence_permits_training"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

test_the_sample_passes_before_training_and_at_promotion if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, data.samples.registration) == "pass"
}

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

test_a_licence_that_is_not_on_the_list_is_denied if {
	every licence in ["CC-BY-NC-4.0", "GPL-3.0-only", "mit", "unknown"] {
		testing.findings(_code, _with("licence/licence", licence)) == _second
	}
}

test_no_licence_proves_nothing if testing.findings(_code, _without("licence")) == _unknown

test_without_the_list_nothing_is_permitted if {
	found := testing.findings(_code, _sample) with data.governance.config.values.lists as {}
	found == {["datasets", 0]: ["fail", "deny"], ["datasets", 1]: ["fail", "deny"]}
}
