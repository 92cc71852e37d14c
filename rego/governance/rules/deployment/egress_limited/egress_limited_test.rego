package governance.rules.deployment.egress_limited_test

import data.testing

_code := "deployment.egress_limited"

_samples := [data.samples.deployment, data.samples.runtime]

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(sample, field, value) := testing.with_value(sample, sprintf("/facts/network/%s", [field]), value)

test_known_destinations_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		testing.says(_code, _with(sample, "egress", ["kube-dns"])) == "pass"
	}
}

test_what_can_reach_nothing_is_limited if {
	every sample in _samples {
		testing.says(_code, _with(sample, "egress", [])) == "pass"
	}
}

# Without a limit, what somebody has seen it reach says nothing of what it could.
test_without_a_limit_no_destinations_help if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "limited", false)) == _denied
		testing.findings(_code, testing.with_values(sample, {
			"/facts/network/limited": false,
			"/facts/network/egress": [],
		})) == _denied
	}
}

test_one_strange_destination_is_denied if {
	every sample in _samples {
		every stranger in ["0.0.0.0/0", "*", "example.com", "telemetry.example.com.evil.example", "KUBE-DNS"] {
			testing.findings(_code, _with(sample, "egress", ["kube-dns", stranger])) == _denied
			testing.findings(_code, _with(sample, "egress", [stranger, "kube-dns"])) == _denied
		}
	}
}

test_what_is_no_list_is_not_evaluable if {
	every value in [null, "", "kube-dns", {}, [null], [""], 0, true] {
		testing.findings(_code, _with(data.samples.deployment, "egress", value)) == _unknown
	}
	every pointer in ["", "/limited", "/egress"] {
		testing.findings(_code, testing.without(data.samples.deployment, sprintf("/facts/network%s", [pointer]))) == _unknown
	}
}

test_without_a_list_nothing_may_be_reached if {
	found := testing.findings(_code, data.samples.deployment) with data.governance.config.values.lists as {}
	found == _denied
}
