package governance.rules.data.retention_current_test

import data.testing

_code := "data.retention_current"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

test_the_sample_passes_where_data_is_taken_in_and_used if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, data.samples.data) == "pass"
}

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

# The sample is decided at noon on 2 March 2026.
test_the_limit_itself_has_passed if {
	every until in ["2026-03-02T12:00:00Z", "2026-03-02T12:00:00.000000Z", "2026-03-02T11:59:59Z", "2025-12-31T00:00:00Z"] {
		testing.findings(_code, _with("retention/until", until)) == _second
	}
}

test_until_then_it_is_current if {
	every until in ["2026-03-02T12:00:00.000001Z", "2026-03-02T12:00:01Z", "2099-12-31T23:59:59Z"] {
		testing.says(_code, _with("retention/until", until)) == "pass"
	}
}

# Rules are dated by another clock: looking ahead with it does not end a limit, nor put one off.
test_the_clock_of_the_rules_does_not_count if {
	testing.says(_code, testing.with_value(_sample, "/context/effective_at", "2027-12-02T00:00:00Z")) == "pass"
}

test_what_is_no_time_is_no_limit if {
	every until in ["2027-01-01", "9999-12-31T00:00:00Z", "2027-02-30T00:00:00Z", "never", "", null, 0] {
		testing.findings(_code, _with("retention/until", until)) == _unknown
	}
}

test_data_about_people_without_a_limit_proves_nothing if {
	testing.findings(_code, _without("retention")) == _unknown
	testing.findings(_code, _without("sensitivity")) == _unknown
	testing.findings(_code, _with("retention/evidence/tier", "declared")) == _unknown
}

test_data_about_nobody_may_be_kept if {
	testing.says(_code, data.samples.exempt_retention_current) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_retention_current,
			"/facts/datasets/1/sensitivity/personal",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_retention_current,
		"/facts/datasets/1/sensitivity/evidence/tier",
		"declared",
	)) == _unknown
}
