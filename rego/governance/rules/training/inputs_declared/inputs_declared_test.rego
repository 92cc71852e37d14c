package governance.rules.training.inputs_declared_test

import data.testing

_code := "training.inputs_declared"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/reads/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_dataset_that_the_plan_did_not_name_is_denied if {
	testing.findings(_code, _with("undeclared", ["urn:ol:s3%3A%2F%2Flake:scores"])) == _second
}

test_a_run_that_nobody_saw_reading_was_not_watched if {
	testing.findings(_code, _with("observed", 0)) == _second
	testing.says(_code, _with("observed", 1)) == "pass"
}

test_what_the_author_says_that_it_read_proves_nothing if {
	testing.findings(_code, _with("evidence/tier", "declared")) == _unknown
}

test_the_reads_of_another_version_prove_nothing if {
	testing.findings(_code, _with("evidence/about", _sample.facts.models[0].digest)) == _unknown
}

test_without_access_logs_nothing_is_proven if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/reads")) == _unknown
}
