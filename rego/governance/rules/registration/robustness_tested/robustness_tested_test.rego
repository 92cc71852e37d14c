package governance.rules.registration.robustness_tested_test

import data.testing

_code := "registration.robustness_tested"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_of(document, pointer, value) := testing.with_value(document, sprintf("/facts/models/1/tests/%s", [pointer]), value)

_with(pointer, value) := _of(_sample, pointer, value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_as_many_as_the_tier_asks_for_are_enough if {
	testing.says(_code, _with("robustness", 2)) == "pass"
	testing.says(_code, _with("adversarial", 1)) == "pass"
	testing.says(_code, _with("privacy", 1)) == "pass"
}

test_of_each_kind_one_fewer_is_denied if {
	testing.findings(_code, _with("robustness", 1)) == _second
	testing.findings(_code, _with("adversarial", 0)) == _second
	testing.findings(_code, _with("privacy", 0)) == _second
}

test_many_of_one_kind_are_none_of_another if {
	testing.findings(_code, _of(_with("robustness", 100), "privacy", 0)) == _second
}

test_one_failed_test_is_denied if testing.findings(_code, _with("failed", ["pgd eps=0.1"])) == _second

test_a_higher_tier_asks_for_more if {
	critical := testing.with_value(_sample, "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.says(_code, critical) == "pass"
	testing.findings(_code, _of(critical, "robustness", 3)) == _second
	testing.findings(_code, _of(critical, "adversarial", 1)) == _second
	testing.findings(_code, _of(critical, "privacy", 1)) == _second
}

test_the_authors_own_tests_prove_nothing if testing.findings(_code, _with("evidence/tier", "declared")) == _unknown

test_tests_of_last_year_prove_nothing if {
	testing.findings(_code, _with("evidence/observed_at", "2025-08-01T00:00:00Z")) == _unknown
}
