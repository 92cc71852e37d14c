package governance.rules.deployment.model_registered_test

import data.testing

_code := "deployment.model_registered"

_sample := data.samples.deployment

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(values) := testing.with_values(
	_sample,
	{sprintf("/facts/models/1/registration/%s", [field]): value | some field, value in values},
)

test_registered_models_pass if testing.says(_code, _sample) == "pass"

test_an_unregistered_model_is_denied_where_it_stands if {
	testing.findings(_code, _with({"registered": false, "matches": 0})) == _second
	testing.named(_code, _with({"registered": false, "matches": 0})) == {["models:/scorer/2"]}
	first := testing.with_value(_sample, "/facts/models/0/registration/registered", false)
	testing.findings(_code, first) == {["models", 0]: ["fail", "deny"]}
}

# Each of the two is needed: a URI that two versions share names neither.
test_a_model_of_several_versions_is_denied if {
	every matches in [0, 2, 3, -1, 1.5] {
		testing.findings(_code, _with({"matches": matches})) == _second
	}
	testing.findings(_code, _with({"registered": false})) == _second
}

test_mistyped_facts_are_not_evaluable if {
	every value in ["true", 1, null, []] {
		testing.findings(_code, _with({"registered": value})) == _unknown
	}
	every value in ["1", true, null, [1]] {
		testing.findings(_code, _with({"matches": value})) == _unknown
	}
}

test_a_model_that_nobody_looked_up_is_not_evaluable if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/registration")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/registration/matches")) == _unknown
	testing.gaps(_code, testing.without(_sample, "/facts/models/1/registration")) == {"absent"}
}

test_the_registration_is_of_this_model if {
	other := testing.with_value(_sample, "/facts/models/1/registration/evidence/about", _sample.facts.models[0].digest)
	testing.findings(_code, other) == _unknown
}

test_the_callers_own_word_registers_nothing if {
	said := testing.with_value(_sample, "/facts/models/1/registration/evidence/tier", "declared")
	testing.findings(_code, said) == _unknown
}

test_a_list_that_lost_a_model_is_not_evaluable if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1")) == {["models"]: ["not_evaluable", "deny"]}
}
