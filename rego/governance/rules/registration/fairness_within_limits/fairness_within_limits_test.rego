package governance.rules.registration.fairness_within_limits_test

import data.testing

_code := "registration.fairness_within_limits"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_the_limit_itself_is_enough if {
	testing.says(_code, _with("fairness/gap", 0.1)) == "pass"
	testing.says(_code, _with("fairness/samples", 200)) == "pass"
}

test_beyond_the_limit_is_denied if {
	testing.findings(_code, _with("fairness/gap", 0.1001)) == _second
	testing.findings(_code, _with("fairness/samples", 199)) == _second
}

test_a_measure_that_does_not_count_is_denied if {
	testing.findings(_code, _with("fairness/metric", "accuracy")) == _second
}

test_every_protected_attribute_is_measured if {
	testing.findings(_code, _with("fairness/groups", ["age"])) == _second
	testing.findings(_code, _with("fairness/groups", [])) == _second
	testing.says(_code, _with("fairness/groups", ["sex", "income", "age"])) == "pass"
}

test_the_authors_own_measurement_proves_nothing if {
	testing.findings(_code, _with("fairness/evidence/tier", "declared")) == _unknown
}

test_a_higher_tier_asks_for_more if {
	critical := testing.with_value(_sample, "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.says(_code, critical) == "pass"
	testing.findings(_code, testing.with_value(critical, "/facts/models/1/fairness/gap", 0.051)) == _second
}
