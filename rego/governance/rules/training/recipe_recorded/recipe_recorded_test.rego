package governance.rules.training.recipe_recorded_test

import data.testing

_code := "training.recipe_recorded"

_sample := data.samples.training

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_uncommitted_source_is_denied if testing.findings(_code, _with("plan/clean", false)) == _denied

test_an_open_environment_is_denied if testing.findings(_code, _with("plan/locked", false)) == _denied

test_randomness_without_a_seed_is_denied if testing.findings(_code, _with("plan/seeded", false)) == _denied

test_without_a_commit_nothing_is_proven if {
	testing.findings(_code, _with("plan/commit", "")) == _unknown
	testing.findings(_code, _without("plan/commit")) == _unknown
}

# The notebook is the only one who can know its own source and seed.
test_what_the_trainer_states_is_enough if _sample.facts.plan.evidence.tier == "declared"
