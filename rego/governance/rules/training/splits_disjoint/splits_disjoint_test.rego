package governance.rules.training.splits_disjoint_test

import data.testing

_code := "training.splits_disjoint"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_of(document, pointer, value) := testing.with_value(document, sprintf("/facts/models/1/splits/%s", [pointer]), value)

_with(pointer, value) := _of(_sample, pointer, value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_the_limit_itself_is_enough if testing.says(_code, _with("overlap", 0.001)) == "pass"

test_beyond_the_limit_is_denied if testing.findings(_code, _with("overlap", 0.0011)) == _second

test_a_share_below_nothing_is_no_share if testing.findings(_code, _with("overlap", -0.5)) == _second

test_both_training_and_test_were_compared if {
	testing.says(_code, _with("names", ["test", "training"])) == "pass"
	testing.findings(_code, _with("names", ["training", "validation"])) == _second
	testing.findings(_code, _with("names", ["Training", "Test"])) == _second
	testing.findings(_code, _with("names", [])) == _second
}

test_the_highest_tier_tolerates_no_row if {
	critical := testing.with_value(_sample, "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.findings(_code, _of(critical, "overlap", 0.0001)) == _second
	testing.says(_code, _of(_of(critical, "overlap", 0), "names", ["training", "test"])) == "pass"
}

test_the_authors_own_comparison_proves_nothing if {
	testing.findings(_code, _with("evidence/tier", "declared")) == _unknown
}
