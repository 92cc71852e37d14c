package governance.rules.registration.card_complete_test

import data.testing

_code := "registration.card_complete"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_missing_section_is_denied if testing.findings(_code, _with("card/missing", ["limitations"])) == _second

test_a_card_that_contradicts_the_registry_is_denied if {
	testing.findings(_code, _with("card/mismatched", ["accuracy"])) == _second
}

test_no_card_proves_nothing if testing.findings(_code, _without("card")) == _unknown
