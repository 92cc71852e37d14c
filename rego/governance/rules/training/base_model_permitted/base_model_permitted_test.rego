package governance.rules.training.base_model_permitted_test

import data.testing

_code := "training.base_model_permitted"

_sample := data.samples.training

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_of(document, pointer, value) := testing.with_value(document, sprintf("/facts/base_models/%s", [pointer]), value)

_with(pointer, value) := _of(_sample, pointer, value)

_none := _of(_of(_with("used", 0), "signers", []), "licences", [])

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_name_that_can_come_to_mean_something_else_is_denied if {
	testing.findings(_code, _with("unpinned", ["hf://example/encoder"])) == _denied
}

test_an_unsigned_model_is_denied if testing.findings(_code, _with("unsigned", ["hf://example/encoder"])) == _denied

test_every_signer_may_sign if {
	testing.findings(_code, _with("signers", ["someone@example.net"])) == _denied
	testing.findings(_code, _with("signers", ["models@example.com", "someone@example.net"])) == _denied
	testing.findings(_code, _with("signers", [])) == _denied
}

test_every_licence_allows_it if {
	testing.findings(_code, _with("licences", ["NOASSERTION"])) == _denied
	testing.findings(_code, _with("licences", ["LicenseRef-other", "MIT"])) == _denied
	testing.findings(_code, _with("licences", [])) == _denied
	testing.says(_code, _with("licences", ["MIT", "Apache-2.0"])) == "pass"
}

test_a_plan_without_base_models_needs_no_signature if testing.says(_code, _none) == "pass"

test_what_is_said_of_no_base_model_agrees if {
	testing.findings(_code, _with("used", 0)) == _denied
	testing.findings(_code, _of(_none, "used", 1)) == _denied
	testing.findings(_code, _of(_none, "used", -1)) == _denied
	testing.findings(_code, _of(_none, "signers", ["models@example.com"])) == _denied
	testing.findings(_code, _of(_none, "licences", ["MIT"])) == _denied
	testing.findings(_code, _of(_none, "unpinned", ["hf://example/encoder"])) == _denied
	testing.findings(_code, _of(_none, "unsigned", ["hf://example/encoder"])) == _denied
}

test_that_none_is_used_is_not_the_trainers_to_say if {
	testing.findings(_code, _of(_none, "evidence/tier", "declared")) == _unknown
}

test_a_look_of_two_months_ago_proves_nothing if {
	testing.findings(_code, _with("evidence/observed_at", "2026-01-02T00:00:00Z")) == _unknown
}

test_it_is_asked_of_plans_and_not_of_runs if testing.says(_code, data.samples.training_run) == "not_asked"
