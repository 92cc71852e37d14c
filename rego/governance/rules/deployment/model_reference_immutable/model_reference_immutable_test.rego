package governance.rules.deployment.model_reference_immutable_test

import data.testing

_code := "deployment.model_reference_immutable"

_sample := data.samples.deployment

_mutable := "/facts/models/1/reference/mutable"

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

test_immutable_references_pass if testing.says(_code, _sample) == "pass"

test_a_reference_that_can_change_is_denied_where_it_stands if {
	alias := testing.with_value(_sample, _mutable, true)
	testing.findings(_code, alias) == {["models", 1]: ["fail", "deny"]}
	testing.named(_code, alias) == {["models:/scorer/2"]}
	first := testing.with_value(_sample, "/facts/models/0/reference/mutable", true)
	testing.findings(_code, first) == {["models", 0]: ["fail", "deny"]}
}

# `mutable` that is merely not true has not been shown to be false.
test_only_false_is_immutable if {
	every value in [null, 0, "", "false", [], {}] {
		testing.findings(_code, testing.with_value(_sample, _mutable, value)) == _unknown
	}
	testing.findings(_code, testing.without(_sample, _mutable)) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/reference")) == _unknown
}

test_the_reading_is_of_this_model if {
	other := testing.with_value(_sample, "/facts/models/1/reference/evidence/about", _sample.facts.models[0].digest)
	testing.findings(_code, other) == _unknown
}

test_a_model_without_digest_is_known_by_its_reference if {
	id := "models:/scorer/2"
	unpinned := testing.with_values(testing.without(_sample, "/facts/models/1/digest"), {
		"/subject/parts/models/1": id,
		"/facts/models/1/reference/evidence/about": id,
		_mutable: true,
	})
	testing.findings(_code, unpinned) == {["models", 1]: ["fail", "deny"]}
}

test_without_models_nothing_can_change if {
	testing.says(_code, testing.with_values(_sample, {"/facts/models": [], "/subject/parts/models": []})) == "nothing"
}

test_an_empty_list_that_should_not_be_is_not_evaluable if {
	testing.says(_code, testing.with_value(_sample, "/facts/models", [])) == "not_evaluable"
}
