package governance.rules.data.dataset_registered_test

import data.testing

_code := "data.dataset_registered"

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

test_a_dataset_that_no_catalog_knows_is_denied_where_it_stands if {
	testing.findings(_code, _with("catalog/known", false)) == _second
	testing.named(_code, _with("catalog/known", false)) == {[_sample.facts.datasets[1].id]}
}

test_a_catalog_that_does_not_answer_proves_nothing if {
	testing.findings(_code, _without("catalog")) == _unknown
	testing.findings(_code, _with("catalog/known", "true")) == _unknown
}

test_the_callers_own_word_registers_nothing if {
	testing.findings(_code, _with("catalog/evidence/tier", "declared")) == _unknown
}
