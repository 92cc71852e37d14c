package governance.rules.runtime.monitors_conclusive_test

import data.testing

_code := "runtime.monitors_conclusive"

_sample := data.samples.runtime

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(values) := _changed(_sample, values)

_changed(sample, values) := testing.with_values(
	sample,
	{sprintf("/facts/models/1/monitoring/%s", [name]): value | some name, value in values},
)

_risk(risk) := testing.with_values(_sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := _risk({"exposure": "internal", "autonomy": "advisory", "data_class": "public"})

_critical := _risk({"exposure": "public", "autonomy": "autonomous", "data_class": "special"})

test_the_sample_passes if testing.says(_code, _sample) == "pass"

# The sample is of the high tier: nine looks of ten, two days, one look of three with drift.
test_the_limits_themselves_are_enough if {
	testing.says(_code, _with({"due": 20, "conclusive": 18})) == "pass"
	testing.says(_code, _with({"silent_hours": 48})) == "pass"
	testing.says(_code, _with({"window": 3, "drifted": 1})) == "pass"
	testing.says(_code, _with({"due": 1, "conclusive": 1, "silent_hours": 0, "drifted": 0})) == "pass"
}

test_beyond_the_limits_is_denied if {
	testing.findings(_code, _with({"due": 20, "conclusive": 17})) == _second
	testing.findings(_code, _with({"due": 21, "conclusive": 18})) == _second
	testing.findings(_code, _with({"silent_hours": 48.01})) == _second
	testing.findings(_code, _with({"window": 2, "drifted": 0})) == _second
	testing.findings(_code, _with({"drifted": 2})) == _second
}

# No monitor, none that was due and none that found anything: each would be silence, and silence is not watching.
test_nothing_due_is_nothing_watched if {
	testing.findings(_code, _with({"due": 0, "conclusive": 0})) == _second
	testing.findings(_code, _with({"window": 0, "drifted": 0})) == _second
}

test_more_conclusive_looks_than_were_due_are_a_wrong_count if {
	testing.findings(_code, _with({"due": 20, "conclusive": 21})) == _second
	testing.findings(_code, _with({"due": -1, "conclusive": -1})) == _second
}

test_the_risk_tier_sets_the_limits if {
	testing.says(_code, _changed(_critical, {"due": 20, "conclusive": 19, "window": 5, "drifted": 1})) == "pass"
	testing.findings(_code, _changed(_critical, {"due": 20, "conclusive": 18})) == _second
	testing.findings(_code, _changed(_critical, {"window": 4})) == _second
	slow := {"due": 2, "conclusive": 1, "silent_hours": 1488, "window": 1, "drifted": 1}
	testing.says(_code, _changed(_low, slow)) == "pass"
}

# At the low tier it warns, so that people see it.
test_at_the_low_tier_it_warns if {
	testing.findings(_code, _changed(_low, {"silent_hours": 1488.1})) == {["models", 1]: ["fail", "warn"]}
}

test_what_the_author_says_proves_nothing if {
	testing.findings(_code, _with({"evidence/tier": "declared"})) == _unknown
}
