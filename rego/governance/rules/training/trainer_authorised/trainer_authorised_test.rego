package governance.rules.training.trainer_authorised_test

import data.testing

_code := "training.trainer_authorised"

_sample := data.samples.training

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_class_of_data_that_was_not_granted_is_denied if {
	testing.findings(_code, _with("data_use/data_class", "special")) == _denied
}

test_a_purpose_that_was_not_granted_is_denied if {
	testing.findings(_code, testing.with_value(_sample, "/purpose", "customer-service")) == _denied
}

test_nothing_granted_is_denied if {
	testing.findings(_code, _with("trainer/purposes", [])) == _denied
	testing.findings(_code, _with("trainer/data_classes", [])) == _denied
}

test_a_class_that_no_catalog_knows_proves_nothing if testing.findings(_code, _without("data_use")) == _unknown

test_somebody_elses_grants_prove_nothing if {
	testing.findings(_code, _with("trainer/evidence/about", "person:bruno")) == _unknown
}

test_an_unresolved_trainer_has_no_grants if testing.findings(_code, _without("trainer")) == _unknown
