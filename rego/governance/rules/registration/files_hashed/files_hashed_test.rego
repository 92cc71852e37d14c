package governance.rules.registration.files_hashed_test

import data.testing

_code := "registration.files_hashed"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_no_file_is_no_model if {
	testing.findings(_code, _with("artifact/files", 0)) == _second
}

test_one_file_is_a_model if testing.says(_code, _with("artifact/files", 1)) == "pass"

test_files_that_are_still_being_hashed_prove_nothing if testing.findings(_code, _without("artifact")) == _unknown

test_the_hashes_are_of_this_very_version if {
	testing.findings(_code, _with("artifact/evidence/about", _sample.facts.models[0].digest)) == _unknown
}
