package governance.rules.registration.lineage_complete_test

import data.testing

_code := "registration.lineage_complete"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/models/1/%s", [pointer]))

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_an_input_that_no_catalog_knows_is_denied if {
	testing.findings(_code, _with("lineage/unresolved", ["inline frame"])) == _second
}

test_an_input_that_the_preflight_did_not_name_is_denied if {
	testing.findings(_code, _with("lineage/undeclared", ["urn:ol:s3%3A%2F%2Flake:other"])) == _second
}

test_a_run_that_logged_no_input_is_denied if testing.findings(_code, _with("lineage/inputs", 0)) == _second

test_one_input_is_enough if testing.says(_code, _with("lineage/inputs", 1)) == "pass"

test_lineage_that_its_author_wrote_proves_nothing if {
	testing.findings(_code, _with("lineage/evidence/tier", "declared")) == _unknown
}
