package governance.rules.runtime.incidents_reported_test

import data.testing

_code := "runtime.incidents_reported"

_sample := data.samples.runtime

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_with(name, value) := testing.with_value(_sample, sprintf("/facts/incidents/%s", [name]), value)

_limits := {"serious_days": 15, "widespread_days": 2, "death_days": 10}

test_a_young_incident_passes if testing.says(_code, _sample) == "pass"

test_the_last_day_is_in_time if {
	every name, limit in _limits {
		testing.says(_code, _with(name, limit)) == "pass"
	}
}

test_past_the_last_day_is_denied if {
	every name, limit in _limits {
		testing.findings(_code, _with(name, limit + 0.01)) == _denied
		testing.findings(_code, _with(name, limit + 365)) == _denied
	}
}

# Each class has its own clock: what is in time for one of them is not for another.
test_three_days_are_too_long_for_what_is_widespread if {
	testing.says(_code, _with("death_days", 3)) == "pass"
	testing.findings(_code, _with("widespread_days", 3)) == _denied
	testing.findings(_code, _with("death_days", 12)) == _denied
	testing.says(_code, _with("serious_days", 12)) == "pass"
}

test_an_incident_without_a_clock_is_denied if {
	testing.findings(_code, _with("untracked", 1)) == _denied
	testing.findings(_code, _with("untracked", -1)) == _denied
}

test_the_law_knows_no_tiers if {
	low := testing.with_values(_sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
		some i in [0, 1]
		some factor, value in {"exposure": "internal", "autonomy": "advisory", "data_class": "public"}
	})
	testing.decision(low).tier.value == "low"
	every name, limit in _limits {
		pointer := sprintf("/facts/incidents/%s", [name])
		testing.says(_code, testing.with_value(low, pointer, limit)) == "pass"
		testing.findings(_code, testing.with_value(low, pointer, limit + 1)) == _denied
	}
}

test_no_waiver_moves_a_legal_term if {
	waiver := {
		"id": "wvr_1",
		"rule": _code,
		"subject_digest": _sample.subject.digest,
		"environment": "prod",
		"item": [],
		"from": "2026-03-01T00:00:00Z",
		"until": "2026-03-03T00:00:00Z",
		"requested_by": "person:alice",
		"signed_by": "person:bruno",
	}
	late := testing.with_values(_sample, {"/facts/incidents/serious_days": 16, "/waivers": [waiver]})
	testing.findings(_code, late) == _denied
}

test_without_a_register_of_incidents_nothing_is_reported if {
	testing.findings(_code, testing.without(_sample, "/facts/incidents")) == _unknown
	every name, _ in _limits {
		testing.findings(_code, testing.without(_sample, sprintf("/facts/incidents/%s", [name]))) == _unknown
		testing.findings(_code, _with(name, "0")) == _unknown
	}
}
