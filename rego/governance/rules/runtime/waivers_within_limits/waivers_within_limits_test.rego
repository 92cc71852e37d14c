package governance.rules.runtime.waivers_within_limits_test

import data.testing

_code := "runtime.waivers_within_limits"

_samples := [data.samples.deployment, data.samples.runtime]

_with(sample, active, oldest) := testing.with_values(sample, {
	"/facts/waivers/active": active,
	"/facts/waivers/oldest_days": oldest,
})

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

_critical := {"exposure": "public", "autonomy": "autonomous", "data_class": "special"}

test_few_young_waivers_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		testing.says(_code, _with(sample, 0, 0)) == "pass"
	}
}

# The samples are of the high tier: two waivers, thirty days.
test_the_limits_themselves_are_within if {
	every sample in _samples {
		testing.says(_code, _with(sample, 2, 30)) == "pass"
	}
}

test_one_too_many_is_denied if {
	every sample in _samples {
		testing.findings(_code, _with(sample, 3, 0)) == _denied
		testing.findings(_code, _with(sample, 2.5, 0)) == _denied
	}
}

test_one_too_old_is_denied if {
	every sample in _samples {
		testing.findings(_code, _with(sample, 1, 31)) == _denied
		testing.findings(_code, _with(sample, 1, 30.01)) == _denied
	}
}

test_the_risk_tier_sets_the_limits if {
	every sample in _samples {
		testing.says(_code, _with(_risk(sample, _low), 5, 90)) == "pass"
		testing.findings(_code, _with(_risk(sample, _low), 6, 0)) == _denied
		testing.findings(_code, _with(_risk(sample, _low), 1, 91)) == _denied
		testing.says(_code, _with(_risk(sample, _critical), 1, 14)) == "pass"
		testing.findings(_code, _with(_risk(sample, _critical), 2, 0)) == _denied
		testing.findings(_code, _with(_risk(sample, _critical), 1, 15)) == _denied
	}
}

# An unknown tier is the worst one, so the strictest limits hold.
test_an_unknown_tier_has_the_strictest_limits if {
	every sample in _samples {
		unknown := testing.without(sample, "/facts/models/0/risk/exposure")
		testing.findings(_code, _with(unknown, 2, 0)) == _denied
		testing.says(_code, _with(unknown, 1, 14)) == "pass"
	}
}

test_mistyped_numbers_are_not_evaluable if {
	every sample in _samples {
		every value in [null, "0", true, [], {}] {
			testing.findings(_code, _with(sample, value, 0)) == _unknown
			testing.findings(_code, _with(sample, 0, value)) == _unknown
		}
	}
}

test_without_numbers_nothing_is_within if {
	every sample in _samples {
		every pointer in ["/facts/waivers", "/facts/waivers/active", "/facts/waivers/oldest_days"] {
			testing.findings(_code, testing.without(sample, pointer)) == _unknown
		}
	}
}

test_a_count_of_an_hour_ago_is_stale if {
	every sample in _samples {
		at := "/facts/waivers/evidence/observed_at"
		testing.findings(_code, testing.with_value(sample, at, "2026-03-02T11:00:00Z")) == _unknown
		testing.says(_code, testing.with_value(sample, at, "2026-03-02T11:00:01Z")) == "pass"
	}
}

test_without_thresholds_nothing_is_within if {
	every sample in _samples {
		found := testing.findings(_code, sample) with data.governance.config.values.thresholds as {}
		found == _denied
	}
}
