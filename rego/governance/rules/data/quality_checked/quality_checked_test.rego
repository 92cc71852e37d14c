package governance.rules.data.quality_checked_test

import data.testing

_code := "data.quality_checked"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

test_the_sample_passes_at_every_stage if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, data.samples.data) == "pass"
	testing.says(_code, data.samples.registration) == "pass"
}

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

test_one_failed_expectation_is_enough if {
	testing.findings(_code, _with("quality/failed", 1)) == _second
	testing.findings(_code, _with("quality/failed", -1)) == _second
}

test_a_suite_that_did_not_pass_is_denied if testing.findings(_code, _with("quality/passed", false)) == _second

test_the_limit_itself_is_enough if {
	testing.says(_code, _with("quality/expectations", 5)) == "pass"
	testing.findings(_code, _with("quality/expectations", 4)) == _second
	testing.findings(_code, _with("quality/expectations", 0)) == _second
}

# A dataset by itself has no risk tier yet, and is held to the worst.
test_a_higher_tier_asks_for_more if {
	taken_in := data.samples.data
	testing.decision(taken_in).tier.value == "critical"
	at := "/facts/datasets/1/quality/expectations"
	testing.says(_code, testing.with_value(taken_in, at, 10)) == "pass"
	testing.findings(_code, testing.with_value(taken_in, at, 9)) == _second
}

test_a_check_of_another_version_proves_nothing if {
	other := _sample.facts.datasets[0].digest
	testing.findings(_code, _with("quality/evidence/about", other)) == _unknown
	testing.findings(_code, _with("quality/evidence/about", _sample.facts.datasets[1].id)) == _unknown
}

test_an_old_check_proves_nothing if {
	testing.findings(_code, _with("quality/evidence/observed_at", "2025-12-02T12:00:00Z")) == _unknown
	testing.says(_code, _with("quality/evidence/observed_at", "2025-12-02T12:00:01Z")) == "pass"
}

test_the_trainers_own_check_proves_nothing if {
	testing.findings(_code, _with("quality/evidence/tier", "declared")) == _unknown
	testing.findings(_code, _without("quality")) == _unknown
}
