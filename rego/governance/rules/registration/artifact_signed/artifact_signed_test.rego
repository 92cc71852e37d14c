package governance.rules.registration.artifact_signed_test

import data.testing

_code := "registration.artifact_signed"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/signing/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_signature_over_other_files_is_denied if testing.findings(_code, _with("covers", false)) == _second

test_the_signer_is_one_who_may_sign if {
	testing.findings(_code, _with("signer", "someone@example.net")) == _second
	testing.findings(_code, _with("signer", "Models@example.com")) == _second
}

test_what_git_keeps_may_be_left_out if {
	testing.says(_code, _with("ignored", [".git", ".gitattributes"])) == "pass"
	testing.says(_code, _with("ignored", [])) == "pass"
}

test_nothing_else_may_be_left_out if {
	testing.findings(_code, _with("ignored", ["weights.bin"])) == _second
	testing.findings(_code, _with("ignored", [".git", "code/loader.py"])) == _second
	testing.findings(_code, _with("ignored", [".gitmodules"])) == _second
}

test_a_signature_that_nobody_checked_proves_nothing if {
	testing.findings(_code, _with("evidence/tier", "observed")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/signing")) == _unknown
}

test_the_signature_of_another_version_proves_nothing if {
	testing.findings(_code, _with("evidence/about", _sample.facts.models[0].digest)) == _unknown
}
