package governance.rules.registration.signature_present_test

import data.testing

_code := "registration.signature_present"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_half_a_signature_is_denied if {
	testing.findings(_code, _with("signature/inputs", false)) == _second
	testing.findings(_code, _with("signature/outputs", false)) == _second
}

test_no_signature_proves_nothing if testing.findings(_code, _without("signature")) == _unknown

test_it_is_asked_at_registration_too if {
	testing.says(_code, testing.with_value(_sample, "/operation", "register")) == "pass"
}
