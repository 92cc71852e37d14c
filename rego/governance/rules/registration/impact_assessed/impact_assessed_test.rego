package governance.rules.registration.impact_assessed_test

import data.testing

_code := "registration.impact_assessed"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/impact/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_a_screening_that_asks_for_nothing_more_is_enough if {
	testing.says(_code, _with("assessments", ["screening"])) == "pass"
}

test_no_assessment_is_denied if testing.findings(_code, _with("assessments", [])) == _second

test_what_is_no_assessment_does_not_count if {
	testing.findings(_code, _with("assessments", ["FRIA"])) == _second
	testing.findings(_code, _with("assessments", ["fria", "meeting"])) == _second
}

test_one_that_is_needed_and_missing_is_denied if testing.findings(_code, _with("missing", ["dpia"])) == _second

test_the_assessment_of_an_earlier_version_is_denied if testing.findings(_code, _with("covers", false)) == _second

test_the_conclusion_permits_use if {
	testing.says(_code, _with("conclusion", "acceptable")) == "pass"
	testing.findings(_code, _with("conclusion", "unacceptable")) == _second
	testing.findings(_code, _with("conclusion", "draft")) == _second
}

test_the_authors_own_word_proves_nothing if testing.findings(_code, _with("evidence/tier", "declared")) == _unknown

test_an_assessment_of_a_year_ago_proves_nothing if {
	testing.findings(_code, _with("evidence/observed_at", "2025-03-02T12:00:00Z")) == _unknown
	testing.says(_code, _with("evidence/observed_at", "2025-03-02T12:00:01Z")) == "pass"
}
