package governance.rules.deployment.workload_classified_test

import data.testing

_code := "deployment.workload_classified"

_sample := data.samples.deployment

_unclassified := "/facts/workload/unclassified"

_denied := {[]: ["fail", "deny"]}

test_a_workload_that_was_understood_passes if testing.says(_code, _sample) == "pass"

test_a_key_that_nobody_understood_is_denied if {
	testing.findings(_code, testing.with_value(_sample, _unclassified, ["spec.containers[0].env.MODEL_PATH"])) == _denied
}

test_it_is_denied_in_every_environment_and_tier if {
	every environment in ["dev", "staging"] {
		strange := testing.with_values(_sample, {"/environment": environment, _unclassified: ["spec.x"]})
		testing.findings(_code, strange) == _denied
	}
	low := {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}
	harmless := testing.with_values(_sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
		some i in [0, 1]
		some factor, value in low
	})
	testing.decision(harmless).tier.value == "low"
	testing.findings(_code, testing.with_value(harmless, _unclassified, ["spec.x"])) == _denied
}

# A workload without models is judged on its images; what nobody understood may still hold a model.
test_it_is_asked_without_models_too if {
	without := testing.with_values(_sample, {"/facts/models": [], "/subject/parts/models": []})
	testing.says(_code, without) == "pass"
	testing.findings(_code, testing.with_value(without, _unclassified, ["spec.x"])) == _denied
}

test_what_is_no_list_is_not_evaluable if {
	every value in [null, false, 0, "", {}, "spec.x", [null], [""]] {
		testing.findings(_code, testing.with_value(_sample, _unclassified, value)) == {[]: ["not_evaluable", "deny"]}
	}
	testing.says(_code, testing.without(_sample, _unclassified)) == "not_evaluable"
	testing.says(_code, testing.without(_sample, "/facts/workload")) == "not_evaluable"
}

test_the_callers_own_word_is_not_enough if {
	said := testing.with_value(_sample, "/facts/workload/evidence/tier", "declared")
	testing.gaps(_code, said) == {"weak"}
}
