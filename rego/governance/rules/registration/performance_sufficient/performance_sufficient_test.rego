package governance.rules.registration.performance_sufficient_test

import data.testing

_code := "registration.performance_sufficient"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_the_limit_itself_is_enough if {
	testing.says(_code, _with("evaluation/value", 0.8)) == "pass"
	testing.says(_code, _with("evaluation/samples", 500)) == "pass"
}

test_below_the_limit_is_denied if {
	testing.findings(_code, _with("evaluation/value", 0.7999)) == _second
	testing.findings(_code, _with("evaluation/samples", 499)) == _second
}

test_a_metric_that_does_not_count_is_denied if {
	every metric in ["loss", "training_accuracy_score", "Accuracy"] {
		testing.findings(_code, _with("evaluation/metric", metric)) == _second
	}
}

test_the_authors_own_measurement_proves_nothing if {
	testing.findings(_code, _with("evaluation/evidence/tier", "declared")) == _unknown
}

test_a_measurement_of_last_year_proves_nothing if {
	testing.findings(_code, _with("evaluation/evidence/observed_at", "2025-11-01T00:00:00Z")) == _unknown
}

test_a_higher_tier_asks_for_more if {
	critical := testing.with_value(_sample, "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.says(_code, critical) == "pass"
	fewer := testing.with_value(critical, "/facts/models/1/evaluation/samples", 999)
	testing.findings(_code, fewer) == _second
}
