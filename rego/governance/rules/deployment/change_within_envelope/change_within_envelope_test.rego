package governance.rules.deployment.change_within_envelope_test

import data.testing

_code := "deployment.change_within_envelope"

_sample := data.samples.deployment

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(values) := testing.with_values(_sample, {sprintf("/facts/change/%s", [field]): value | some field, value in values})

test_a_substantial_change_that_was_assessed_passes if testing.says(_code, _sample) == "pass"

test_a_substantial_change_forces_another_assessment if {
	testing.findings(_code, _with({"reassessed": false})) == _denied
}

test_what_the_assessment_foresaw_needs_no_other if {
	every kind in ["none", "configuration", "retraining"] {
		testing.says(_code, _with({"kind": kind, "reassessed": false})) == "pass"
		testing.says(_code, _with({"kind": kind, "reassessed": true})) == "pass"
	}
}

test_an_unknown_kind_of_change_is_denied if {
	every kind in ["minor", "Substantial", "substantial ", "retrain"] {
		testing.findings(_code, _with({"kind": kind, "reassessed": true})) == _denied
	}
}

# Many small steps add up to a substantial one that nobody ever saw.
test_a_comparison_with_what_ran_before_proves_nothing if {
	every kind in ["none", "substantial"] {
		testing.findings(_code, _with({"kind": kind, "against": "previous"})) == _denied
	}
}

test_the_authors_own_word_proves_nothing if {
	testing.findings(_code, _with({"evidence/tier": "declared"})) == _unknown
}

test_a_comparison_of_another_deployment_proves_nothing if {
	testing.findings(_code, _with({"evidence/about": _sample.facts.models[0].digest})) == _unknown
}

test_a_comparison_of_last_week_is_stale if {
	testing.findings(_code, _with({"evidence/observed_at": "2026-02-23T12:00:00Z"})) == _unknown
	testing.says(_code, _with({"evidence/observed_at": "2026-02-23T12:00:01Z"})) == "pass"
}

test_scaling_changes_nothing if {
	testing.says(_code, testing.with_value(_sample, "/operation", "scale")) == "not_asked"
}
