package governance.rules.deployment.deployer_is_not_author_test

import data.testing

_code := "deployment.deployer_is_not_author"

_sample := data.samples.deployment

_author := "/facts/models/1/authorship/author"

_by(actor) := testing.with_values(_sample, {"/actor/id": actor, "/facts/deployer/evidence/about": actor})

_second := {["models", 1]: ["fail", "deny"]}

test_somebody_else_may_deploy if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, _by("person:carla")) == "pass"
	testing.says(_code, testing.with_value(_sample, _author, "service:trainbot")) == "pass"
}

test_the_author_of_one_model_is_found_at_that_model if {
	testing.findings(_code, _by("person:bruno")) == _second
	testing.named(_code, _by("person:bruno")) == {["models:/scorer/2"]}
	testing.findings(_code, _by("person:alice")) == {["models", 0]: ["fail", "deny"]}
}

test_a_service_that_made_the_model_is_its_author if {
	testing.findings(_code, testing.with_value(_sample, _author, "service:releasebot")) == _second
}

_risk(sample, risk) := testing.with_values(sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

_low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}

_medium := {"exposure": "partner", "autonomy": "supervised", "data_class": "public"}

# What follows is configuration: a small team's author may deploy what carries little risk, and everybody sees it.
test_at_a_low_or_medium_tier_the_author_is_warned if {
	every risk in [_low, _medium] {
		harmless := _risk(_by("person:bruno"), risk)
		testing.findings(_code, harmless) == {["models", 1]: ["fail", "warn"]}
		testing.decision(harmless).outcome == "allow"
	}
	critical := testing.with_value(_by("person:bruno"), "/facts/models/0/risk/autonomy", "autonomous")
	testing.decision(critical).tier.value == "critical"
	testing.findings(_code, critical) == _second
}

# Raw, every other spelling of an author differs from the deployer.
test_an_author_whom_nobody_linked_is_nobody_else if {
	every name in ["bruno", "Person:bruno", "person:Bruno", "bruno@corp.example", "unresolved:mlflow", "releasebot", "service:releasebot "] {
		testing.findings(_code, testing.with_value(_sample, _author, name)) == _second
	}
}

test_an_unknown_author_is_not_evaluable if {
	every value in [null, "", 5, [], ["person:bruno"], {}] {
		testing.findings(_code, testing.with_value(_sample, _author, value)) == {["models", 1]: ["not_evaluable", "deny"]}
	}
	every pointer in ["/facts/models/1/authorship", "/facts/models/1/authorship/author"] {
		testing.findings(_code, testing.without(_sample, pointer)) == {["models", 1]: ["not_evaluable", "deny"]}
	}
}

# The deployer's own record is evidence for every model: without it nobody knows who deploys.
test_an_unknown_deployer_is_not_evaluable_anywhere if {
	testing.says(_code, testing.without(_sample, "/facts/deployer")) == "not_evaluable"
	testing.counts(_code, testing.without(_sample, "/facts/deployer")).compliant == 0
	testing.says(_code, testing.with_value(_sample, "/actor/id", "person:carla")) == "not_evaluable"
}

test_without_models_there_is_no_author if {
	testing.says(_code, testing.with_values(_sample, {"/facts/models": [], "/subject/parts/models": []})) == "nothing"
}

test_a_list_that_lost_a_model_is_not_evaluable if {
	testing.says(_code, testing.without(_sample, "/facts/models/1")) == "not_evaluable"
}
