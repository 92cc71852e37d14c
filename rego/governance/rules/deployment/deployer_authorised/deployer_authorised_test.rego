package governance.rules.deployment.deployer_authorised_test

import data.testing

_code := "deployment.deployer_authorised"

_sample := data.samples.deployment

_where := "/facts/deployer/environments"

_permitted(environments) := testing.findings(_code, testing.with_value(_sample, _where, environments))

_denied := {[]: ["fail", "deny"]}

test_who_may_deploy_there_passes if {
	testing.says(_code, _sample) == "pass"
	_permitted(["dev", "prod", "staging"]) == {}
}

test_who_may_deploy_elsewhere_is_denied if {
	_permitted(["dev", "staging"]) == _denied
	_permitted([]) == _denied
}

test_the_environment_is_compared_whole if {
	every near in ["Prod", "prod ", "production", "pro", "*", "prod,staging"] {
		_permitted([near]) == _denied
	}
}

test_another_environment_needs_its_own_permission if {
	every environment in ["dev", "staging"] {
		elsewhere := testing.with_value(_sample, "/environment", environment)
		testing.findings(_code, elsewhere) == _denied
		testing.says(_code, testing.with_value(elsewhere, _where, [environment])) == "pass"
	}
}

# Somebody that Proctor does not know has no group `deployer`, and what stands there for another principal is not theirs.
test_an_unknown_deployer_is_not_evaluable if {
	testing.says(_code, testing.without(_sample, "/facts/deployer")) == "not_evaluable"
	stranger := testing.with_value(_sample, "/actor/id", "service:otherbot")
	testing.says(_code, stranger) == "not_evaluable"
	testing.gaps(_code, stranger) == {"other_subject"}
	unresolved := testing.with_values(_sample, {"/actor/id": "unresolved:kubernetes", "/actor/kind": "unresolved"})
	testing.says(_code, unresolved) == "not_evaluable"
}

test_what_a_caller_says_of_itself_proves_nothing if {
	said := testing.with_value(_sample, "/facts/deployer/evidence/tier", "declared")
	testing.says(_code, said) == "not_evaluable"
	testing.gaps(_code, said) == {"weak"}
}

test_environments_are_a_list_of_text if {
	every value in ["prod", null, {"prod": true}, {"0": "prod"}, [["prod"]], ["prod", null]] {
		testing.says(_code, testing.with_value(_sample, _where, value)) == "not_evaluable"
	}
}

test_scaling_is_asked_too if {
	testing.says(_code, testing.with_value(_sample, "/operation", "scale")) == "pass"
	less := testing.with_values(_sample, {"/operation": "scale", _where: ["dev"]})
	testing.findings(_code, less) == _denied
}
