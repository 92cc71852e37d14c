package governance.rules.registration.not_worse_than_incumbent_test

import data.testing

_code := "registration.not_worse_than_incumbent"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_of(document, pointer, value) := testing.with_value(document, sprintf("/facts/models/1/comparison/%s", [pointer]), value)

_with(pointer, value) := _of(_sample, pointer, value)

_first := _of(_with("incumbents", []), "against", ["baseline"])

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_the_limit_itself_is_enough if {
	testing.says(_code, _with("difference", -0.02)) == "pass"
	testing.says(_code, _with("samples", 500)) == "pass"
}

test_beyond_the_limit_is_denied if {
	testing.findings(_code, _with("difference", -0.0201)) == _second
	testing.findings(_code, _with("samples", 499)) == _second
}

test_a_metric_that_does_not_count_proves_nothing_good if testing.findings(_code, _with("metric", "loss")) == _second

test_it_was_compared_with_the_incumbent_and_nothing_easier if {
	testing.findings(_code, _with("against", ["models:/fraud/1"])) == _second
	testing.findings(_code, _with("against", ["baseline"])) == _second
}

test_a_first_version_is_compared_with_a_baseline if {
	testing.says(_code, _first) == "pass"
	testing.findings(_code, _of(_first, "against", ["models:/fraud/1"])) == _second
	testing.findings(_code, _of(_first, "difference", -0.5)) == _second
	testing.findings(_code, _of(_first, "samples", 10)) == _second
	testing.findings(_code, _of(_first, "metric", "loss")) == _second
}

test_a_comparison_with_nothing_is_none if testing.findings(_code, _of(_first, "against", [])) == _second

test_every_one_that_it_replaces_was_compared if {
	two := _with("incumbents", ["models:/fraud/5", "models:/fraud/6"])
	testing.findings(_code, two) == _second
	testing.says(_code, _of(two, "against", ["models:/fraud/6", "models:/fraud/5"])) == "pass"
}

test_that_there_is_no_incumbent_is_not_the_authors_to_say if {
	testing.findings(_code, _of(_first, "evidence/tier", "declared")) == _unknown
	testing.findings(_code, testing.without(_first, "/facts/models/1/comparison/incumbents")) == _unknown
}

test_a_comparison_of_last_quarter_proves_nothing if {
	testing.findings(_code, _with("evidence/observed_at", "2025-12-01T00:00:00Z")) == _unknown
}

test_the_highest_tier_may_not_be_worse_at_all if {
	critical := testing.with_value(_sample, "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.says(_code, critical) == "pass"
	testing.findings(_code, _of(critical, "difference", -0.001)) == _second
}
