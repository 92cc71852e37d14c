package governance.rules.registration.validator_independent_test

import data.testing

_code := "registration.validator_independent"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_the_author_validates_nothing if {
	testing.findings(_code, _with("validation/validator", "person:alice")) == _second
}

test_a_service_validates_nothing if {
	testing.findings(_code, _with("validation/validator", "service:pipeline")) == _second
}

test_names_that_are_no_principals_are_not_proven_different if {
	testing.findings(_code, _with("validation/validator", "alice@example.com")) == _second
	testing.findings(_code, _with("authorship/author", "alice")) == _second
}

test_an_old_validation_proves_nothing if {
	testing.findings(_code, _with("validation/evidence/observed_at", "2025-08-01T00:00:00Z")) == _unknown
}

test_no_validation_proves_nothing if testing.findings(_code, _without("validation")) == _unknown
