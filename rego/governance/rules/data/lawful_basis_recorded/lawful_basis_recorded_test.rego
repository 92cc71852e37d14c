package governance.rules.data.lawful_basis_recorded_test

import data.testing

_code := "data.lawful_basis_recorded"

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

test_each_basis_of_article_6_passes if {
	every basis in [
		"consent",
		"contract",
		"legal-obligation",
		"vital-interests",
		"public-task",
		"legitimate-interests",
	] {
		testing.says(_code, _with("legal/basis", basis)) == "pass"
	}
}

test_anything_else_is_no_basis if {
	every basis in ["Consent", "consent ", "none", "business-need"] {
		testing.findings(_code, _with("legal/basis", basis)) == _second
	}
}

test_without_a_basis_nothing_is_proven if testing.findings(_code, _without("legal")) == _unknown

test_data_about_nobody_needs_no_basis if {
	testing.says(_code, data.samples.exempt_lawful_basis_recorded) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_lawful_basis_recorded,
			"/facts/datasets/1/sensitivity/personal",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_lawful_basis_recorded,
		"/facts/datasets/1/sensitivity/evidence/tier",
		"declared",
	)) == _unknown
}
