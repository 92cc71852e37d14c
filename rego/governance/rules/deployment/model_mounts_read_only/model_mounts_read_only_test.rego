package governance.rules.deployment.model_mounts_read_only_test

import data.testing

_code := "deployment.model_mounts_read_only"

_sample := data.samples.deployment

_mounts := "/facts/workload/writable_model_mounts"

_denied := {[]: ["fail", "deny"]}

test_a_workload_without_writable_mounts_passes if testing.says(_code, _sample) == "pass"

test_a_writable_mount_is_denied if {
	testing.findings(_code, testing.with_value(_sample, _mounts, ["server:/mnt/models"])) == _denied
	testing.findings(_code, testing.with_value(_sample, _mounts, ["server:/mnt/models", "agent:/mnt/models"])) == _denied
}

test_it_is_denied_in_every_environment if {
	every environment in ["dev", "staging"] {
		writable := testing.with_values(_sample, {"/environment": environment, _mounts: ["server:/mnt/models"]})
		testing.findings(_code, writable) == _denied
	}
}

# Only an empty list says that nothing is writable; the absence of a list says nothing.
test_what_is_no_list_is_not_evaluable if {
	every value in [null, false, 0, "", {}, "server:/mnt/models", [null], [""]] {
		testing.findings(_code, testing.with_value(_sample, _mounts, value)) == {[]: ["not_evaluable", "deny"]}
	}
	testing.says(_code, testing.without(_sample, _mounts)) == "not_evaluable"
	testing.says(_code, testing.without(_sample, "/facts/workload")) == "not_evaluable"
}

test_another_workload_proves_nothing if {
	other := testing.with_value(_sample, "/facts/workload/evidence/about", _sample.facts.models[0].digest)
	testing.says(_code, other) == "not_evaluable"
}

test_a_reading_from_yesterday_is_stale if {
	stale := testing.with_value(_sample, "/facts/workload/evidence/observed_at", "2026-03-01T12:00:00Z")
	testing.gaps(_code, stale) == {"stale"}
}
