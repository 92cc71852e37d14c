package governance.rules.data.consent_covers_purpose_test

import data.testing

_code := "data.consent_covers_purpose"

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

test_consent_to_another_purpose_is_none if {
	testing.findings(_code, _with("consent/purposes", ["credit-scoring"])) == _second
	testing.findings(_code, _with("consent/purposes", [])) == _second
}

test_consent_that_was_taken_back_is_none if {
	every status in ["withdrawn", "expired", "Given", "unknown"] {
		testing.findings(_code, _with("consent/status", status)) == _second
	}
}

test_one_withdrawal_since_the_snapshot_is_enough if {
	testing.findings(_code, _with("consent/withdrawn", 1)) == _second
	testing.findings(_code, _with("consent/withdrawn", -1)) == _second
}

test_another_basis_needs_no_consent if {
	other := testing.with_values(_sample, {
		"/facts/datasets/1/consent/status": "not-required",
		"/facts/datasets/1/consent/purposes": [],
	})
	testing.says(_code, other) == "pass"
}

test_without_a_purpose_nobody_consented if {
	testing.decision(testing.without(_sample, "/purpose")).outcome != "allow"
	testing.says(_code, testing.with_value(_sample, "/purpose", null)) != "pass"
}

test_data_about_nobody_needs_no_consent if {
	testing.says(_code, data.samples.exempt_consent_covers_purpose) == "exempt"
}

test_what_the_catalog_does_not_say_proves_nothing if {
	testing.findings(_code, _without("consent")) == _unknown
	testing.findings(_code, _without("sensitivity")) == _unknown
}
