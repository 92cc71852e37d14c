package governance.rules.data.purpose_compatible_test

import data.testing

_code := "data.purpose_compatible"

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

test_another_purpose_is_denied if {
	every permitted in [["credit-scoring"], [], ["Fraud-Detection"], ["fraud"], ["fraud-detection-v2"], ["*"]] {
		testing.findings(_code, _with("purposes/permitted", permitted)) == _second
	}
}

test_one_of_several_purposes_is_enough if {
	testing.says(_code, _with("purposes/permitted", ["marketing", "fraud-detection"])) == "pass"
}

test_consent_to_the_purpose_does_not_make_it_one_of_the_original_ones if {
	consented := testing.with_values(_sample, {
		"/facts/datasets/1/consent/purposes": ["fraud-detection"],
		"/facts/datasets/1/purposes/permitted": ["credit-scoring"],
	})
	testing.findings(_code, consented) == _second
}

test_without_a_purpose_nothing_is_compatible if {
	testing.decision(testing.without(_sample, "/purpose")).outcome != "allow"
	testing.says(_code, testing.with_value(_sample, "/purpose", null)) != "pass"
}

test_what_the_catalog_does_not_say_proves_nothing if {
	testing.findings(_code, _without("purposes")) == _unknown
	testing.findings(_code, _without("sensitivity")) == _unknown
	testing.findings(_code, _with("purposes/evidence/tier", "declared")) == _unknown
}

test_data_about_nobody_is_for_any_purpose if {
	testing.says(_code, data.samples.exempt_purpose_compatible) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_purpose_compatible,
			"/facts/datasets/1/sensitivity/personal",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_purpose_compatible,
		"/facts/datasets/1/sensitivity/evidence/tier",
		"declared",
	)) == _unknown
}
