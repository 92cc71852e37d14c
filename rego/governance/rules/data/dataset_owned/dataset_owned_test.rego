package governance.rules.data.dataset_owned_test

import data.testing

_code := "data.dataset_owned"

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

test_nobody_is_no_owner if {
	testing.findings(_code, _with("ownership/active_owners", [])) == _second
}

test_a_name_that_is_no_principal_is_no_owner if {
	every value in [["team:fraud"], ["olga"], ["person:"], ["unresolved:catalog"]] {
		testing.findings(_code, _with("ownership/active_owners", value)) == _second
	}
}

test_one_active_owner_of_several_is_enough if {
	testing.says(_code, _with("ownership/active_owners", ["team:fraud", "person:olga"])) == "pass"
	testing.says(_code, _with("ownership/active_owners", ["service:datateam"])) == "pass"
}

test_ownership_that_only_the_trainer_states_proves_nothing if {
	testing.findings(_code, _with("ownership/evidence/tier", "declared")) == _unknown
	testing.findings(_code, _without("ownership")) == _unknown
}
