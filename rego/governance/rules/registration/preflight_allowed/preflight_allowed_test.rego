package governance.rules.registration.preflight_allowed_test

import data.testing

_code := "registration.preflight_allowed"

_sample := data.samples.registration

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_version_whose_preflight_was_refused_is_denied if {
	testing.findings(_code, _with("preflight/allowed", false)) == _denied
}

test_a_version_without_a_preflight_proves_nothing if testing.findings(_code, _without("preflight")) == _unknown

test_it_is_asked_at_registration_too if {
	testing.says(_code, testing.with_value(_sample, "/operation", "register")) == "pass"
}

test_a_version_that_vouches_for_itself_proves_nothing if {
	testing.findings(_code, _with("preflight/evidence/tier", "declared")) == _unknown
}
