package governance.rules.runtime.inventory_complete_test

import data.testing

_code := "runtime.inventory_complete"

_sample := data.samples.runtime

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/inventory/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_what_the_inventory_does_not_know_is_denied if {
	testing.findings(_code, _with("listed", false)) == _denied
}

test_one_component_that_nobody_listed_is_enough if {
	testing.findings(_code, _with("unlisted", ["https://models.example.com/v1"])) == _denied
}

test_what_the_workload_says_of_itself_proves_nothing if {
	testing.findings(_code, _with("evidence/tier", "declared")) == _unknown
}

test_yesterdays_look_is_too_old if {
	testing.findings(_code, _with("evidence/observed_at", "2026-03-01T12:00:00Z")) == _unknown
	testing.says(_code, _with("evidence/observed_at", "2026-03-01T12:00:01Z")) == "pass"
}

test_without_an_observer_nothing_is_complete if {
	testing.findings(_code, testing.without(_sample, "/facts/inventory")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/inventory/unlisted")) == _unknown
}
