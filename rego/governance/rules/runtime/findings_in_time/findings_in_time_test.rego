package governance.rules.runtime.findings_in_time_test

import data.testing

_code := "runtime.findings_in_time"

_sample := data.samples.runtime

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(sample, critical, oldest) := testing.with_values(sample, {
	"/facts/open_findings/critical": critical,
	"/facts/open_findings/oldest_days": oldest,
})

_risk(risk) := testing.with_values(_sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := _risk({"exposure": "internal", "autonomy": "advisory", "data_class": "public"})

_critical := _risk({"exposure": "public", "autonomy": "autonomous", "data_class": "special"})

test_few_young_findings_pass if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, _with(_sample, 0, 0)) == "pass"
}

# The sample is of the high tier: two findings, seven days.
test_the_limits_themselves_are_within if testing.says(_code, _with(_sample, 2, 7)) == "pass"

test_one_too_many_is_denied if testing.findings(_code, _with(_sample, 3, 0)) == _denied

test_one_too_old_is_denied if {
	testing.findings(_code, _with(_sample, 1, 7.01)) == _denied
	testing.findings(_code, _with(_sample, 0, 90)) == _denied
}

test_the_risk_tier_sets_the_limits if {
	testing.says(_code, _with(_low, 5, 30)) == "pass"
	testing.findings(_code, _with(_low, 6, 0)) == _denied
	testing.findings(_code, _with(_low, 1, 31)) == _denied
	testing.says(_code, _with(_critical, 1, 2)) == "pass"
	testing.findings(_code, _with(_critical, 2, 0)) == _denied
	testing.findings(_code, _with(_critical, 1, 2.01)) == _denied
}

test_without_a_count_nothing_is_mended if {
	testing.findings(_code, testing.without(_sample, "/facts/open_findings")) == _unknown
	testing.findings(_code, _with(_sample, "0", 0)) == _unknown
	testing.findings(_code, _with(_sample, 0, null)) == _unknown
}

test_a_count_of_an_hour_ago_is_stale if {
	at := "/facts/open_findings/evidence/observed_at"
	testing.findings(_code, testing.with_value(_sample, at, "2026-03-02T11:00:00Z")) == _unknown
	testing.says(_code, testing.with_value(_sample, at, "2026-03-02T11:00:01Z")) == "pass"
}

test_without_thresholds_nothing_is_within if {
	found := testing.findings(_code, _sample) with data.governance.config.values.thresholds as {}
	found == _denied
}
