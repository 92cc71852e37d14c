package governance.rules.registration.owner_active_test

import data.testing

_code := "registration.owner_active"

_sample := data.samples.registration

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/ownership/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_an_owner_who_has_left_is_denied if testing.findings(_code, _with("active", false)) == _second

test_only_a_person_answers if {
	testing.findings(_code, _with("owner", "service:pipeline")) == _second
	testing.findings(_code, _with("owner", "team:payments")) == _second
	testing.findings(_code, _with("owner", "olga@example.com")) == _second
}

test_a_model_without_an_owner_proves_nothing if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/ownership/owner")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/ownership")) == _unknown
}

test_a_look_of_two_days_ago_proves_nothing if {
	testing.findings(_code, _with("evidence/observed_at", "2026-02-28T12:00:00Z")) == _unknown
}

test_an_owner_whom_only_the_author_names_proves_nothing if {
	testing.findings(_code, _with("evidence/tier", "declared")) == _unknown
}
