package governance.rules.training.preflight_valid_test

import data.testing

_code := "training.preflight_valid"

_sample := data.samples.training_run

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_preflight_that_was_refused_starts_nothing if testing.findings(_code, _with("preflight/allowed", false)) == _denied

test_somebody_elses_preflight_starts_nothing if testing.findings(_code, _with("preflight/own", false)) == _denied

test_an_old_preflight_starts_nothing if testing.findings(_code, _with("preflight/current", false)) == _denied

test_a_run_without_a_preflight_proves_nothing if testing.findings(_code, _without("preflight")) == _unknown

test_a_run_that_vouches_for_itself_proves_nothing if {
	testing.findings(_code, _with("preflight/evidence/tier", "declared")) == _unknown
}

test_the_preflight_is_about_this_very_run if {
	testing.findings(_code, _with("preflight/evidence/about", "sha256:00")) == _unknown
}

test_it_is_asked_when_a_run_starts_and_not_before if {
	testing.says(_code, data.samples.training) == "not_asked"
}
