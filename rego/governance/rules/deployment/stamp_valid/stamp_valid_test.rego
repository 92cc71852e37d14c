package governance.rules.deployment.stamp_valid_test

import data.testing

_code := "deployment.stamp_valid"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(sample, field, value) := testing.with_value(sample, sprintf("/facts/models/1/stamp/%s", [field]), value)

test_a_stamp_for_each_model_passes_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_a_stamp_that_does_not_hold_is_denied_where_it_stands if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "valid", false)) == _second
		testing.findings(_code, _with(sample, "current", false)) == _second
		testing.findings(_code, _with(sample, "environment", "staging")) == _second
		every outcome in ["deny", "require_approval", "error", "Allow", "allowed", "PASSED"] {
			testing.findings(_code, _with(sample, "outcome", outcome)) == _second
		}
	}
}

test_the_first_one_is_looked_at_too if {
	every sample in _samples {
		broken := testing.with_value(sample, "/facts/models/0/stamp/valid", false)
		testing.findings(_code, broken) == {["models", 0]: ["fail", "deny"]}
	}
}

test_a_stamp_that_ends_now_has_ended if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "expires", "2026-03-02T12:00:00Z")) == _second
		testing.findings(_code, _with(sample, "expires", "2026-03-02T11:59:59Z")) == _second
		testing.says(_code, _with(sample, "expires", "2026-03-02T12:00:00.000001Z")) == "pass"
		testing.findings(_code, _with(sample, "expires", "9999-01-01T00:00:00Z")) == _unknown
	}
}

test_a_stamp_is_for_one_environment if {
	every environment in ["dev", "staging"] {
		elsewhere := testing.with_value(data.samples.deployment, "/environment", environment)
		testing.says(_code, elsewhere) == "fail"
	}
}

test_a_signature_that_nobody_checked_proves_nothing if {
	every sample in _samples {
		every tier in ["declared", "observed"] {
			testing.findings(_code, _with(sample, "evidence/tier", tier)) == _unknown
		}
		testing.findings(_code, _with(sample, "evidence/observed_at", "2026-03-01T12:00:00Z")) == _unknown
		testing.says(_code, _with(sample, "evidence/observed_at", "2026-03-01T12:00:01Z")) == "pass"
	}
}

test_the_stamp_of_another_digest_proves_nothing if {
	every sample in _samples {
		moved := _with(sample, "evidence/about", sample.facts.models[0].digest)
		testing.findings(_code, moved) == _unknown
		testing.gaps(_code, moved) == {"other_subject"}
	}
}

test_without_models_there_is_nothing_to_stamp if {
	none := {"/facts/models": [], "/subject/parts/models": []}
	testing.says(_code, testing.with_values(data.samples.deployment, none)) == "nothing"
}
