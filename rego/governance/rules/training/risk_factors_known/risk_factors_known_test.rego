package governance.rules.training.risk_factors_known_test

import data.testing

_code := "training.risk_factors_known"

_sample := data.samples.training

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

_factors := ["exposure", "autonomy", "data_class"]

test_the_tier_follows_from_the_purpose_and_the_data if {
	tier := testing.decision(_sample).tier
	[tier.value, tier.unknown, tier.points] == ["high", [], 4]
}

test_a_factor_that_the_table_does_not_know_is_denied if {
	every factor in _factors {
		testing.findings(_code, _with(sprintf("risk/%s", [factor]), "unknown")) == _denied
	}
}

test_a_missing_factor_takes_the_worst_band if {
	every factor in _factors {
		missing := _without(sprintf("risk/%s", [factor]))
		testing.findings(_code, missing) == _unknown
		testing.decision(missing).tier.value == "critical"
	}
}

test_the_callers_own_word_lowers_nothing if {
	said := _with("risk/evidence/tier", "declared")
	testing.findings(_code, said) == _unknown
	testing.decision(said).tier.value == "critical"
}
