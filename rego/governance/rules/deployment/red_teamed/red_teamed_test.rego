package governance.rules.deployment.red_teamed_test

import data.testing

_code := "deployment.red_teamed"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_all := ["tool-misuse", "prompt-injection", "jailbreak", "data-extraction", "harmful-content"]

_with(sample, pointer, value) := testing.with_value(sample, sprintf("/facts/models/1/%s", [pointer]), value)

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

test_the_samples_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		testing.says(_code, _with(sample, "red_team/classes", array.concat(_all, ["denial-of-wallet"]))) == "pass"
	}
}

test_every_kind_of_attack_was_tried if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "red_team/classes", [])) == _second
		every i, _ in _all {
			few := [class | some j, class in _all; j != i]
			testing.findings(_code, _with(sample, "red_team/classes", few)) == _second
		}
	}
}

# The samples are of the high tier: nothing that succeeded is left.
test_an_attack_that_still_succeeds_is_denied if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "red_team/unresolved", 1)) == _second
	}
}

test_at_the_low_tier_more_is_left_and_what_is_beyond_warns if {
	every sample in _samples {
		testing.says(_code, _with(_risk(sample, _low), "red_team/unresolved", 5)) == "pass"
		warned := {["models", 1]: ["fail", "warn"]}
		testing.findings(_code, _with(_risk(sample, _low), "red_team/unresolved", 6)) == warned
	}
}

test_half_a_year_is_too_long_ago if {
	every sample in _samples {
		at := "red_team/evidence/observed_at"
		testing.findings(_code, _with(sample, at, "2025-09-03T12:00:00Z")) == _unknown
		testing.says(_code, _with(sample, at, "2025-09-03T12:00:01Z")) == "pass"
	}
}

test_an_attestation_that_nobody_checked_proves_nothing if {
	every sample in _samples {
		every tier in ["declared", "observed"] {
			testing.findings(_code, _with(sample, "red_team/evidence/tier", tier)) == _unknown
		}
	}
}

test_an_attack_on_another_version_proves_nothing if {
	every sample in _samples {
		first := sample.facts.models[0].red_team
		testing.findings(_code, _with(sample, "red_team", first)) == _unknown
	}
}

test_what_answers_to_no_prompts_needs_none if {
	testing.says(_code, data.samples.exempt_red_teamed) == "exempt"
}

# What is lifted is verified, so what lifts it is no less.
test_an_exemption_that_nobody_checked_proves_nothing if {
	sample := data.samples.exempt_red_teamed
	every tier in ["declared", "observed"] {
		testing.findings(_code, _with(sample, "language/evidence/tier", tier)) == _unknown
	}
	testing.findings(_code, _with(sample, "language/prompted", true)) == _unknown
}
