package governance.rules.data.origin_recorded_test

import data.testing

_code := "data.origin_recorded"

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

test_a_way_of_collecting_that_nobody_knows_is_denied if {
	every method in ["others", "Surveys", "surveys ", "unknown"] {
		testing.findings(_code, _with("origin/collection", method)) == _second
	}
}

test_made_up_data_has_an_origin_too if {
	testing.says(_code, _with("origin/collection", "synthetic-generation")) == "pass"
}

test_without_a_source_nothing_is_proven if {
	testing.findings(_code, _without("origin/source")) == _unknown
	testing.findings(_code, _with("origin/source", "")) == _unknown
	testing.findings(_code, _without("origin")) == _unknown
}

test_the_callers_own_word_is_no_record if {
	testing.findings(_code, _with("origin/evidence/tier", "declared")) == _unknown
}

test_without_the_list_nothing_is_known if {
	found := testing.findings(_code, _sample) with data.governance.config.values.lists as {}
	found == {["datasets", 0]: ["fail", "deny"], ["datasets", 1]: ["fail", "deny"]}
}
