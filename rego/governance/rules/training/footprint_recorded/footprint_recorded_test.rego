package governance.rules.training.footprint_recorded_test

import data.testing

_code := "training.footprint_recorded"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/footprint/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_an_estimate_is_enough if testing.says(_code, _with("method", "estimated")) == "pass"

test_a_guess_is_not if testing.findings(_code, _with("method", "guessed")) == _second

test_nothing_costs_less_than_nothing if {
	testing.says(_code, _with("energy", 0)) == "pass"
	testing.findings(_code, _with("energy", -0.1)) == _second
	testing.says(_code, _with("compute", 0)) == "pass"
	testing.findings(_code, _with("compute", -1)) == _second
}

test_both_are_recorded if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/footprint/energy")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/footprint/compute")) == _unknown
}

# The sample's tier is high; its second model alone decides nothing about that.
test_in_a_low_tier_it_warns if {
	medium := testing.with_value(
		testing.with_value(_sample, "/facts/models/0/risk/exposure", "internal"),
		"/facts/models/1/risk/exposure", "internal",
	)
	testing.decision(medium).tier.value == "medium"
	guessed := testing.with_value(medium, "/facts/models/1/footprint/method", "guessed")
	testing.findings(_code, guessed) == {["models", 1]: ["fail", "warn"]}
}
