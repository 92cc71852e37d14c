package governance.rules.deployment.resource_limits_set_test

import data.testing

_code := "deployment.resource_limits_set"

_sample := data.samples.deployment

_containers := "/facts/workload/unlimited_containers"

_unlimited := testing.with_value(_sample, _containers, ["agent"])

_in(environment) := testing.with_value(_unlimited, "/environment", environment)

test_limits_everywhere_pass if testing.says(_code, _sample) == "pass"

test_a_container_without_limits_needs_an_approval if {
	testing.findings(_code, _unlimited) == {[]: ["fail", "ask"]}
	testing.decision(_unlimited).outcome == "require_approval"
}

# It is of medium severity, so that in dev it is seen long before it blocks.
test_in_dev_it_warns if {
	testing.findings(_code, _in("dev")) == {[]: ["fail", "warn"]}
	testing.findings(_code, _in("staging")) == {[]: ["fail", "ask"]}
}

# Nobody is asked about what nobody knows.
test_what_is_no_list_is_denied if {
	every value in [null, false, 0, "", {}, "agent", [null], [""]] {
		testing.findings(_code, testing.with_value(_sample, _containers, value)) == {[]: ["not_evaluable", "deny"]}
	}
	testing.findings(_code, testing.without(_sample, _containers)) == {[]: ["not_evaluable", "deny"]}
	testing.findings(_code, testing.without(_sample, "/facts/workload")) == {[]: ["not_evaluable", "deny"]}
}

_waiver := {
	"id": "wvr_1",
	"rule": _code,
	"subject_digest": _sample.subject.digest,
	"environment": "prod",
	"item": [],
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"requested_by": "person:alice",
	"signed_by": "person:bruno",
}

test_a_waiver_of_thirty_days_covers_it if {
	testing.findings(_code, testing.with_value(_unlimited, "/waivers", [_waiver])) == {[]: ["fail", "waived"]}
	longer := object.union(_waiver, {"until": "2026-04-01T00:00:00Z"})
	testing.findings(_code, testing.with_value(_unlimited, "/waivers", [longer])) == {[]: ["fail", "ask"]}
}

_approval(votes) := {
	"id": "apr_1",
	"subject_digest": _sample.subject.digest,
	"environment": "prod",
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"covers": [{
		"rule": _code,
		"rule_digest": data.governance.index.rules[_code].digest,
		"case_digest": _sample.context.cases[_code],
		"item": [],
	}],
	"votes": votes,
}

_vote(by, step) := {"by": by, "step": step, "vote": "yes"}

_approved(votes) := testing.findings(_code, testing.with_value(_unlimited, "/approvals", [_approval(votes)]))

# The sample is of the high tier, where the chain has two steps.
test_the_people_of_the_chain_approve_it if {
	testing.decision(_unlimited).tier.value == "high"
	_approved([_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer")]) == {[]: ["fail", "approved"]}
	_approved([_vote("person:alice", "model-owner")]) == {[]: ["fail", "ask"]}
	_approved([_vote("person:alice", "model-owner"), _vote("person:alice", "risk-officer")]) == {[]: ["fail", "ask"]}
}
