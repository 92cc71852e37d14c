package governance.rules.deployment.oversight_named_test

import data.testing

_code := "deployment.oversight_named"

_samples := [data.samples.deployment, data.samples.runtime]

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(sample, field, value) := testing.with_value(sample, sprintf("/facts/oversight/%s", [field]), value)

test_a_person_who_can_stop_it_passes_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_only_a_person_oversees if {
	every sample in _samples {
		every owner in ["service:watchdog", "unresolved:carol", "carol", "team:risk", "person:", "person:Carol", "person:c a r o l"] {
			testing.findings(_code, _with(sample, "owner", owner)) == _denied
		}
	}
}

test_a_person_who_has_left_oversees_nothing if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "active", false)) == _denied
	}
}

test_without_a_control_nobody_can_stop_it if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "stop_control", false)) == _denied
	}
}

test_without_any_of_it_nothing_is_known if {
	every sample in _samples {
		every pointer in ["", "/owner", "/active", "/stop_control"] {
			testing.findings(_code, testing.without(sample, sprintf("/facts/oversight%s", [pointer]))) == _unknown
		}
		every value in [null, "true", 1, [], {}] {
			testing.findings(_code, _with(sample, "active", value)) == _unknown
			testing.findings(_code, _with(sample, "stop_control", value)) == _unknown
		}
	}
}

test_what_the_author_wrote_proves_nothing if {
	testing.findings(_code, _with(data.samples.deployment, "evidence/tier", "declared")) == _unknown
}

test_the_oversight_of_another_deployment_proves_nothing if {
	other := data.samples.deployment.facts.models[0].digest
	testing.findings(_code, _with(data.samples.deployment, "evidence/about", other)) == _unknown
}
