package governance.rules.deployment.guardrails_pinned_test

import data.testing

_code := "deployment.guardrails_pinned"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_other := "sha256:9999999999999999999999999999999999999999999999999999999999999999"

_with(sample, pointer, value) := testing.with_value(sample, sprintf("/facts/models/1/%s", [pointer]), value)

test_the_samples_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_a_prompt_that_nobody_reviewed_is_denied if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "guardrails/prompt", _other)) == _second
		testing.findings(_code, _with(sample, "guardrails/reviewed", _other)) == _second
	}
}

test_two_equal_names_of_a_prompt_pin_nothing if {
	some sample in _samples
	named := testing.with_values(sample, {
		"/facts/models/1/guardrails/prompt": "prompts:/fraud/latest",
		"/facts/models/1/guardrails/reviewed": "prompts:/fraud/latest",
	})
	testing.findings(_code, named) == _second
}

test_every_kind_of_guardrail_is_there if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "guardrails/kinds", [])) == _second
		few := ["prompt-injection", "sensitive-information"]
		testing.findings(_code, _with(sample, "guardrails/kinds", few)) == _second
		misspelt := array.concat(few, ["System-Prompt-Leakage"])
		testing.findings(_code, _with(sample, "guardrails/kinds", misspelt)) == _second
		more := array.concat(few, ["toxicity", "system-prompt-leakage"])
		testing.says(_code, _with(sample, "guardrails/kinds", more)) == "pass"
	}
}

test_one_guardrail_that_can_change_is_enough if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "guardrails/unpinned", ["pii-filter:latest"])) == _second
	}
}

test_what_answers_to_no_prompts_needs_none if {
	testing.says(_code, data.samples.exempt_guardrails_pinned) == "exempt"
}

test_an_exemption_is_not_taken_from_what_somebody_says if {
	sample := data.samples.exempt_guardrails_pinned
	testing.findings(_code, _with(sample, "language/evidence/tier", "declared")) == _unknown
	testing.findings(_code, testing.without(sample, "/facts/models/1/language")) == _unknown
	testing.findings(_code, _with(sample, "language/prompted", true)) == _unknown
	testing.findings(_code, _with(sample, "language/prompted", "false")) == _unknown
}

# That it calls no tools says nothing about its prompts.
test_nothing_else_that_is_false_exempts if {
	every sample in _samples {
		other := testing.with_values(sample, {
			"/facts/models/1/language/tools": false,
			"/facts/models/1/language/retrieval": false,
			"/facts/models/1/guardrails/kinds": [],
		})
		testing.findings(_code, other) == _second
	}
}
