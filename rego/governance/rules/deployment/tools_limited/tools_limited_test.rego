package governance.rules.deployment.tools_limited_test

import data.testing

_code := "deployment.tools_limited"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(sample, pointer, value) := testing.with_value(sample, sprintf("/facts/models/1/%s", [pointer]), value)

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

_critical := {"exposure": "public", "autonomy": "autonomous", "data_class": "special"}

test_the_samples_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		testing.says(_code, _with(sample, "tools/granted", ["calculator", "document-search"])) == "pass"
	}
}

test_one_tool_that_is_not_on_the_list_is_enough if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "tools/granted", ["document-search", "shell"])) == _second
		testing.findings(_code, _with(sample, "tools/granted", ["Document-Search"])) == _second
		testing.findings(_code, _with(sample, "tools/granted", ["*"])) == _second
	}
}

# Whoever sees that tools can be called and can name none has not seen the grant.
test_tools_that_nobody_names_are_not_limited if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "tools/granted", [])) == _second
	}
}

# The samples are of the high tier: people confirm each call.
test_more_on_its_own_than_the_tier_permits_is_denied if {
	every sample in _samples {
		testing.says(_code, _with(sample, "tools/autonomy", 0)) == "pass"
		testing.says(_code, _with(sample, "tools/autonomy", 1)) == "pass"
		testing.findings(_code, _with(sample, "tools/autonomy", 1.5)) == _second
		testing.findings(_code, _with(sample, "tools/autonomy", 2)) == _second
	}
}

test_the_risk_tier_sets_the_level if {
	every sample in _samples {
		testing.says(_code, _with(_risk(sample, _low), "tools/autonomy", 3)) == "pass"
		testing.findings(_code, _with(_risk(sample, _low), "tools/autonomy", 4)) == _second
		critical := testing.with_value(_risk(sample, _critical), "/facts/models/0/tools/autonomy", 0)
		testing.says(_code, _with(critical, "tools/autonomy", 0)) == "pass"
		testing.findings(_code, _with(critical, "tools/autonomy", 1)) == _second
	}
}

test_what_calls_no_tools_has_nothing_to_limit if {
	testing.says(_code, data.samples.exempt_tools_limited) == "exempt"
}

test_an_exemption_is_not_taken_from_what_somebody_says if {
	sample := data.samples.exempt_tools_limited
	testing.findings(_code, _with(sample, "language/evidence/tier", "declared")) == _unknown
	testing.findings(_code, _with(sample, "language/evidence/observed_at", "2026-03-01T12:00:00Z")) == _unknown
	testing.findings(_code, _with(sample, "language/tools", true)) == _unknown
}

# A classifier whose output calls a tool is limited like any other.
test_nothing_else_that_is_false_exempts if {
	every sample in _samples {
		other := testing.with_values(sample, {
			"/facts/models/1/language/prompted": false,
			"/facts/models/1/language/retrieval": false,
			"/facts/models/1/tools/granted": ["shell"],
		})
		testing.findings(_code, other) == _second
	}
}
