package governance.rules.runtime.running_as_admitted_test

import data.testing

_code := "runtime.running_as_admitted"

_sample := data.samples.runtime

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_other := "sha256:9999999999999999999999999999999999999999999999999999999999999999"

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/running/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_another_digest_than_the_admitted_one_is_denied if {
	testing.findings(_code, _with("digest", _other)) == _second
	testing.findings(_code, _with("admitted", _other)) == _second
}

# Each model is compared with what was admitted as this model: what was admitted beside it is not enough.
test_two_models_that_changed_places_are_denied if {
	swapped := testing.with_values(_sample, {
		"/facts/models/0/running/digest": _sample.facts.models[1].running.digest,
		"/facts/models/1/running/digest": _sample.facts.models[0].running.digest,
	})
	testing.findings(_code, swapped) == {["models", 0]: ["fail", "deny"], ["models", 1]: ["fail", "deny"]}
}

test_two_equal_words_that_are_no_digests_prove_nothing if {
	every word in ["unknown", "latest", "sha256:", upper(_other)] {
		both := testing.with_values(_sample, {
			"/facts/models/1/running/digest": word,
			"/facts/models/1/running/admitted": word,
		})
		testing.findings(_code, both) == _second
	}
}

# An observer who found another digest running speaks of that one.
test_what_was_seen_of_another_digest_proves_nothing if {
	both := testing.with_values(_sample, {
		"/facts/models/1/running/digest": _other,
		"/facts/models/1/running/admitted": _other,
		"/facts/models/1/running/evidence/about": _other,
	})
	testing.findings(_code, both) == _unknown
}

test_what_nobody_admitted_is_denied if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/running/admitted")) == _unknown
}

test_what_a_workload_says_of_itself_proves_nothing if {
	testing.findings(_code, _with("evidence/tier", "declared")) == _unknown
}

test_a_workload_without_models_has_nothing_to_compare if {
	none := testing.with_values(_sample, {"/facts/models": [], "/subject/parts/models": []})
	testing.says(_code, none) == "nothing"
}
