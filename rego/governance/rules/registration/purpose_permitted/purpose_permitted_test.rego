package governance.rules.registration.purpose_permitted_test

import data.testing

_code := "registration.purpose_permitted"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_purpose_that_nobody_permitted_is_denied if {
	every purpose in ["social-scoring", "something", "Fraud-Detection"] {
		testing.findings(_code, _with("purpose/declared", purpose)) == _second
	}
}

test_no_purpose_proves_nothing if testing.findings(_code, _without("purpose")) == _unknown

test_without_the_list_nothing_is_permitted if {
	found := testing.findings(_code, _sample) with data.governance.config.values.lists as {}
	found == {["models", 0]: ["fail", "deny"], ["models", 1]: ["fail", "deny"]}
}
