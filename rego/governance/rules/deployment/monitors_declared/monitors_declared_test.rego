package governance.rules.deployment.monitors_declared_test

import data.testing

_code := "deployment.monitors_declared"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(sample, field, value) := testing.with_value(sample, sprintf("/facts/models/1/monitors/%s", [field]), value)

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

_medium := {"autonomy": "advisory"}

_critical := {"exposure": "public", "autonomy": "autonomous", "data_class": "special"}

test_monitors_of_every_kind_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		testing.says(_code, _with(sample, "kinds", ["drift", "latency", "fairness", "performance"])) == "pass"
	}
}

test_a_kind_that_is_missing_is_denied if {
	every sample in _samples {
		every kinds in [
			[],
			["performance"],
			["performance", "drift"],
			["performance", "fairness"],
			["drift", "fairness"],
			["performance", "drift", "Fairness"],
		] {
			testing.findings(_code, _with(sample, "kinds", kinds)) == _second
		}
	}
}

# The samples are of the high tier: once a day.
test_a_monitor_looks_often_enough if {
	every sample in _samples {
		testing.says(_code, _with(sample, "slowest_hours", 24)) == "pass"
		testing.findings(_code, _with(sample, "slowest_hours", 24.01)) == _second
		testing.findings(_code, _with(sample, "slowest_hours", 25)) == _second
	}
}

test_the_risk_tier_sets_how_often if {
	every sample in _samples {
		testing.says(_code, _with(_risk(sample, _medium), "slowest_hours", 168)) == "pass"
		testing.findings(_code, _with(_risk(sample, _medium), "slowest_hours", 169)) == _second
		testing.says(_code, _with(_risk(sample, _critical), "slowest_hours", 24)) == "pass"
		testing.findings(_code, _with(_risk(sample, _critical), "slowest_hours", 25)) == _second
		testing.says(_code, _with(_risk(sample, _low), "slowest_hours", 744)) == "pass"
	}
}

test_at_the_low_tier_it_only_warns if {
	every sample in _samples {
		rare := _with(_risk(sample, _low), "slowest_hours", 745)
		testing.findings(_code, rare) == {["models", 1]: ["fail", "warn"]}
	}
}

test_without_configuration_nothing_is_enough if {
	every lists in [{}, {"monitors_required": []}, {"monitors_required": null}] {
		found := testing.says(_code, data.samples.deployment) with data.governance.config.values.lists as lists
		found == "fail"
	}
	unlimited := testing.says(_code, data.samples.deployment) with data.governance.config.values.thresholds as {}
	unlimited == "fail"
}

test_the_authors_own_word_proves_nothing if {
	testing.findings(_code, _with(data.samples.deployment, "evidence/tier", "declared")) == _unknown
}
