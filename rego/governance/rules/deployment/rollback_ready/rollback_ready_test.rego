package governance.rules.deployment.rollback_ready_test

import data.testing

_code := "deployment.rollback_ready"

_samples := [data.samples.deployment, data.samples.runtime]

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(sample, field, value) := testing.with_value(sample, sprintf("/facts/rollback/%s", [field]), value)

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

_medium := {"autonomy": "advisory"}

_critical := {"exposure": "public", "autonomy": "autonomous", "data_class": "special"}

test_a_drilled_way_back_passes_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_a_target_that_could_not_be_deployed_is_no_way_back if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "target_valid", false)) == _denied
	}
}

# The samples are of the high tier: 180 days before 2 March 2026.
test_the_drill_itself_grows_old if {
	every sample in _samples {
		testing.says(_code, _with(sample, "drilled_at", "2025-09-03T12:00:00Z")) == "pass"
		testing.findings(_code, _with(sample, "drilled_at", "2025-09-03T11:59:59Z")) == _denied
		testing.findings(_code, _with(sample, "drilled_at", "2000-01-01T00:00:00Z")) == _denied
	}
}

test_a_drill_that_is_planned_is_none if {
	every sample in _samples {
		testing.says(_code, _with(sample, "drilled_at", "2026-03-02T12:00:00Z")) == "pass"
		testing.findings(_code, _with(sample, "drilled_at", "2026-03-02T12:00:00.000001Z")) == _denied
		testing.findings(_code, _with(sample, "drilled_at", "2026-03-09T12:00:00Z")) == _denied
	}
}

test_the_risk_tier_sets_how_long_ago if {
	every sample in _samples {
		testing.says(_code, _with(_risk(sample, _critical), "drilled_at", "2025-12-02T12:00:00Z")) == "pass"
		testing.findings(_code, _with(_risk(sample, _critical), "drilled_at", "2025-12-02T11:59:59Z")) == _denied
		testing.says(_code, _with(_risk(sample, _medium), "drilled_at", "2025-03-02T12:00:00Z")) == "pass"
		testing.findings(_code, _with(_risk(sample, _medium), "drilled_at", "2025-03-02T11:59:59Z")) == _denied
		testing.says(_code, _with(_risk(sample, _low), "drilled_at", "2024-03-02T12:00:00Z")) == "pass"
	}
}

test_at_the_low_tier_it_only_warns if {
	every sample in _samples {
		old := _with(_risk(sample, _low), "drilled_at", "2024-03-02T11:59:59Z")
		testing.findings(_code, old) == {[]: ["fail", "warn"]}
	}
}

test_what_is_no_time_is_not_evaluable if {
	every value in [null, "", "yesterday", "2026-02-30T00:00:00Z", 0, true, [], {}] {
		testing.findings(_code, _with(data.samples.deployment, "drilled_at", value)) == _unknown
	}
}

# Whether the target could be deployed is a matter of today.
test_a_target_of_yesterday_is_stale if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "evidence/observed_at", "2026-03-01T12:00:00Z")) == _unknown
	}
}

test_without_thresholds_no_drill_is_young_enough if {
	found := testing.findings(_code, data.samples.deployment) with data.governance.config.values.thresholds as {}
	found == _denied
}
