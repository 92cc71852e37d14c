package governance.rules.deployment.logging_retained_test

import data.testing

_code := "deployment.logging_retained"

_samples := [data.samples.deployment, data.samples.runtime]

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(sample, values) := testing.with_values(sample, {sprintf("/facts/logging/%s", [field]): value | some field, value in values})

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

_medium := {"autonomy": "advisory"}

_critical := {"exposure": "public", "autonomy": "autonomous", "data_class": "special"}

test_logs_that_are_kept_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

# The samples are of the high tier: six months.
test_half_a_year_is_enough_and_a_day_less_is_not if {
	every sample in _samples {
		testing.says(_code, _with(sample, {"retention_days": 184})) == "pass"
		testing.findings(_code, _with(sample, {"retention_days": 183})) == _denied
		testing.findings(_code, _with(sample, {"retention_days": 183.99})) == _denied
		testing.findings(_code, _with(sample, {"retention_days": 0})) == _denied
	}
}

test_the_risk_tier_sets_for_how_long if {
	every sample in _samples {
		testing.says(_code, _with(_risk(sample, _low), {"retention_days": 30})) == "pass"
		testing.findings(_code, _with(_risk(sample, _low), {"retention_days": 29})) == _denied
		testing.says(_code, _with(_risk(sample, _medium), {"retention_days": 90})) == "pass"
		testing.findings(_code, _with(_risk(sample, _medium), {"retention_days": 89})) == _denied
		testing.says(_code, _with(_risk(sample, _critical), {"retention_days": 184})) == "pass"
		testing.findings(_code, _with(_risk(sample, _critical), {"retention_days": 183})) == _denied
	}
}

test_a_retention_of_what_is_not_written_is_worth_nothing if {
	every sample in _samples {
		testing.findings(_code, _with(sample, {"enabled": false})) == _denied
		testing.findings(_code, _with(sample, {"enabled": "true"})) == _unknown
	}
}

test_mistyped_numbers_are_not_evaluable if {
	every value in [null, "365", true, [], {}] {
		testing.findings(_code, _with(data.samples.deployment, {"retention_days": value})) == _unknown
	}
}

test_without_thresholds_nothing_is_kept_for_long_enough if {
	found := testing.findings(_code, data.samples.deployment) with data.governance.config.values.thresholds as {}
	found == _denied
}

test_what_somebody_wrote_proves_nothing if {
	testing.findings(_code, _with(data.samples.deployment, {"evidence/tier": "declared"})) == _unknown
}
