package governance.rules.registration.explanation_available_test

import data.testing

_code := "registration.explanation_available"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_of(document, pointer, value) := testing.with_value(document, sprintf("/facts/models/1/explanation/%s", [pointer]), value)

_with(pointer, value) := _of(_sample, pointer, value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_the_limit_itself_is_enough if testing.says(_code, _with("coverage", 0.95)) == "pass"

test_below_the_limit_is_denied if testing.findings(_code, _with("coverage", 0.9499)) == _second

test_a_method_counts_for_what_it_explains if {
	testing.findings(_code, _with("whole", "counterfactual")) == _second
	testing.findings(_code, _with("single", "permutation-importance")) == _second
	testing.findings(_code, _with("single", "SHAP")) == _second
	testing.says(_code, _of(_with("whole", "intrinsic"), "single", "intrinsic")) == "pass"
}

test_artefacts_that_are_not_kept_prove_nothing if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/explanation/digest")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/explanation/single")) == _unknown
}

test_the_authors_own_word_proves_nothing if testing.findings(_code, _with("evidence/tier", "declared")) == _unknown

test_a_higher_tier_asks_for_more if {
	critical := testing.with_value(_sample, "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.says(_code, critical) == "pass"
	testing.findings(_code, _of(critical, "coverage", 0.98)) == _second
}

test_in_a_low_tier_it_warns if {
	medium := testing.with_value(
		testing.with_value(_sample, "/facts/models/0/risk/exposure", "internal"),
		"/facts/models/1/risk/exposure", "internal",
	)
	testing.decision(medium).tier.value == "medium"
	testing.findings(_code, _of(medium, "coverage", 0.4)) == {["models", 1]: ["fail", "warn"]}
}
