package governance.rules.deployment.condition_known_test

import data.testing

_code := "deployment.condition_known"

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_samples := {data.samples.deployment, data.samples.runtime}

_with(sample, pointer, value) := testing.with_value(sample, sprintf("/facts/models/1/%s", [pointer]), value)

test_the_samples_pass if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_a_value_that_the_table_does_not_know_is_denied if {
	every sample in _samples {
		every field in ["drift", "open_findings"] {
			testing.findings(_code, _with(sample, sprintf("condition/%s", [field]), "unheard-of")) == _second
		}
	}
}

test_what_monitors_said_last_month_proves_nothing if {
	old := _with(data.samples.runtime, "condition/evidence/observed_at", "2026-02-01T12:00:00Z")
	testing.findings(_code, old) == _unknown
}

test_drift_raises_the_tier if {
	sample := data.samples.deployment
	raised := testing.decision(_with(sample, "condition/drift", "major")).tier
	raised.points == testing.decision(sample).tier.points + 3
	raised.at == ["models", 1]
}
