package governance.rules.training.use_classified_test

import data.testing

_code := "training.use_classified"

_sample := data.samples.training

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_value_that_the_table_does_not_know_is_denied if {
	every field in ["purpose_class", "affected_groups"] {
		testing.findings(_code, _with(sprintf("use/%s", [field]), "unheard-of")) == {[]: ["fail", "deny"]}
	}
}

test_the_callers_own_word_lowers_nothing if {
	said := _with("use/evidence/tier", "declared")
	testing.findings(_code, said) == {[]: ["not_evaluable", "deny"]}
	testing.decision(said).tier.value == "critical"
}
