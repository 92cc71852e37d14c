package governance.rules.registration.serialisation_safe_test

import data.testing

_code := "registration.serialisation_safe"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_pickle_is_denied_where_it_stands if {
	testing.findings(_code, _with("artifact/unsafe_files", ["model.pkl"])) == _second
}

test_what_can_do_little_harm_only_warns if {
	low := testing.with_values(_sample, {
		"/facts/models/0/risk/exposure": "internal",
		"/facts/models/1/risk/exposure": "internal",
		"/facts/models/0/risk/data_class": "internal",
		"/facts/models/1/risk/data_class": "internal",
		"/facts/models/0/risk/autonomy": "advisory",
		"/facts/models/1/risk/autonomy": "advisory",
		"/facts/models/1/artifact/unsafe_files": ["model.pkl"],
	})
	testing.decision(low).tier.value == "low"
	testing.findings(_code, low) == {["models", 1]: ["fail", "warn"]}
}

test_files_that_nobody_looked_at_prove_nothing if testing.findings(_code, _without("artifact")) == _unknown
