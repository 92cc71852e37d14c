package governance.rules.deployment.model_digest_allowed_test

import data.testing

_code := "deployment.model_digest_allowed"

_sample := data.samples.deployment

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(field, value) := testing.with_value(_sample, sprintf("/facts/models/1/allowance/%s", [field]), value)

test_an_allowed_digest_passes if testing.says(_code, _sample) == "pass"

test_a_digest_that_nobody_allowed_is_denied_where_it_stands if {
	testing.findings(_code, _with("digest_allowed", false)) == _second
	testing.named(_code, _with("digest_allowed", false)) == {["models:/scorer/2"]}
	first := testing.with_value(_sample, "/facts/models/0/allowance/digest_allowed", false)
	testing.findings(_code, first) == {["models", 0]: ["fail", "deny"]}
}

# An allowance that rests on no digest allows whatever the name points to.
test_an_allowance_without_a_known_digest_is_denied if {
	testing.findings(_code, _with("digest_known", false)) == _second
}

test_the_allowance_is_of_this_very_digest if {
	other := testing.with_value(_sample, "/facts/models/1/allowance/evidence/about", _sample.facts.models[0].digest)
	testing.findings(_code, other) == _unknown
	replaced := testing.with_value(_sample, "/facts/models/1/digest", "sha256:0000000000000000000000000000000000000000000000000000000000000000")
	testing.says(_code, replaced) == "not_evaluable"
}

test_only_true_allows if {
	every field in ["digest_known", "digest_allowed"] {
		every value in ["true", 1, null, [], {"prod": true}] {
			testing.findings(_code, _with(field, value)) == _unknown
		}
		testing.findings(_code, testing.without(_sample, sprintf("/facts/models/1/allowance/%s", [field]))) == _unknown
	}
	testing.findings(_code, testing.without(_sample, "/facts/models/1/allowance")) == _unknown
}

test_the_callers_own_word_allows_nothing if {
	said := testing.with_value(_sample, "/facts/models/1/allowance/evidence/tier", "declared")
	testing.findings(_code, said) == _unknown
}

test_two_models_of_one_digest_are_no_complete_list if {
	twice := testing.with_value(_sample, "/facts/models/1", _sample.facts.models[0])
	testing.says(_code, twice) == "not_evaluable"
}

test_no_waiver_covers_it if {
	waiver := {
		"id": "wvr_1",
		"rule": _code,
		"subject_digest": _sample.subject.digest,
		"environment": "prod",
		"item": ["models:/scorer/2"],
		"from": "2026-03-01T00:00:00Z",
		"until": "2026-03-03T00:00:00Z",
		"requested_by": "person:alice",
		"signed_by": "person:bruno",
	}
	testing.findings(_code, testing.with_value(_with("digest_allowed", false), "/waivers", [waiver])) == _second
}
