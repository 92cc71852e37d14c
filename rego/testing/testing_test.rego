package testing_test

import future.keywords.not

import data.testing

_code := "deployment.model_registered"

_sample := data.samples.deployment

_unregistered := testing.with_value(_sample, "/facts/models/1/registration/registered", false)

test_says_one_word if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, _unregistered) == "mixed"
	testing.says(_code, testing.with_value(_unregistered, "/facts/models/0/registration/registered", false)) == "fail"
	testing.says(_code, testing.without(_sample, "/facts/models")) == "not_evaluable"
	testing.says(_code, testing.with_values(_sample, {"/facts/models": [], "/subject/parts/models": []})) == "nothing"
	testing.says(_code, testing.with_value(_sample, "/schema", "proctor/input/v2")) == "problem"
	testing.says(_code, data.samples.runtime) == "not_asked"
	testing.says("deployment.absent", _sample) == "not_asked"
}

test_findings_have_place_status_and_effect if {
	testing.findings(_code, _sample) == {}
	testing.findings(_code, _unregistered) == {["models", 1]: ["fail", "deny"]}
	testing.named(_code, _unregistered) == {["models:/scorer/2"]}
	testing.gaps(_code, testing.without(_sample, "/facts/models/0/registration")) == {"absent"}
	testing.counts(_code, _unregistered) == {"places": 2, "compliant": 1, "exempt": 0}
}

# "No findings" must not be what a broken question looks like.
test_findings_are_undefined_where_nothing_was_judged if {
	not testing.findings(_code, testing.with_value(_sample, "/schema", "proctor/input/v2"))
	not testing.findings("deployment.absent", _sample)
}

test_a_misspelt_pointer_is_undefined if {
	not testing.with_value(_sample, "/facts/models/1/registration/registred", false)
	not testing.without(_sample, "/facts/models/7")
}
