package governance.rules.deployment.deployment_approved_test

import data.testing

_code := "deployment.deployment_approved"

_sample := data.samples.deployment

_risk(risk) := testing.with_values(_sample, {sprintf("/facts/models/%d/risk/%s", [i, factor]): value |
	some i in [0, 1]
	some factor, value in risk
})

# Whatever else the critical tier asks for is met: people confirm everything that a model does with a tool.
_critical := testing.with_values(
	_risk({"exposure": "public", "autonomy": "autonomous"}),
	{sprintf("/facts/models/%d/tools/autonomy", [i]): 0 | some i in [0, 1]},
)

_asked := {[]: ["fail", "ask"]}

test_what_needs_no_approval_passes if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, _risk({"autonomy": "advisory"})) == "pass"
	testing.says(_code, _risk({"autonomy": "advisory", "exposure": "internal", "data_class": "public"})) == "pass"
}

test_the_critical_tier_asks_people if {
	testing.decision(_critical).tier.value == "critical"
	testing.findings(_code, _critical) == _asked
	testing.decision(_critical).outcome == "require_approval"
}

# The riskiest model makes the tier of the whole deployment, so all of its models are asked about.
test_one_critical_model_is_enough if {
	one := testing.with_values(_sample, {
		"/facts/models/1/risk/exposure": "public",
		"/facts/models/1/risk/autonomy": "autonomous",
	})
	testing.findings(_code, one) == _asked
}

test_an_organisation_may_ask_at_every_tier if {
	every needed in [1, 2, 0.5] {
		found := testing.findings(_code, _sample) with data.governance.config.values.thresholds as {"deployment_approval": {"high": needed}}
		found == _asked
	}
}

test_without_a_threshold_people_are_asked if {
	every thresholds in [{}, {"deployment_approval": {}}, {"deployment_approval": {"high": "0"}}, {"deployment_approval": {"high": null}}] {
		found := testing.findings(_code, _sample) with data.governance.config.values.thresholds as thresholds
		found == _asked
	}
}

# An unknown tier is the worst one; and nobody is asked about what nobody stated.
test_an_unknown_risk_is_never_let_through if {
	stranger := testing.with_value(_sample, "/facts/models/1/risk/exposure", "martian")
	testing.findings(_code, stranger) == _asked
	testing.decision(stranger).outcome == "deny"
	nothing := testing.without(_sample, "/facts/models/1/risk/exposure")
	testing.findings(_code, nothing) == {[]: ["not_evaluable", "deny"]}
}

test_what_nobody_understood_is_not_let_through if {
	strange := testing.with_value(_sample, "/facts/workload/unclassified", ["spec.other"])
	testing.findings(_code, strange) == _asked
	testing.decision(strange).outcome == "deny"
	testing.findings(_code, testing.without(_sample, "/facts/workload")) == {[]: ["not_evaluable", "deny"]}
}

test_scaling_what_was_approved_asks_nobody if {
	testing.says(_code, testing.with_value(_critical, "/operation", "scale")) == "not_asked"
}

_covers := {
	"rule": _code,
	"rule_digest": data.governance.index.rules[_code].digest,
	"case_digest": _sample.context.cases[_code],
	"item": [],
}

_vote(by, step) := {"by": by, "step": step, "vote": "yes"}

_chain := [_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer"), _vote("person:carol", "risk-officer")]

_approval(votes) := {
	"id": "apr_1",
	"subject_digest": _sample.subject.digest,
	"environment": "prod",
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"covers": [_covers],
	"votes": votes,
}

_given(approval) := testing.with_value(_critical, "/approvals", [approval])

test_the_people_of_the_chain_approve_it if {
	approved := _given(_approval(_chain))
	testing.findings(_code, approved) == {[]: ["fail", "approved"]}
	testing.decision(approved).outcome == "allow"
}

test_too_few_people_approve_nothing if {
	every votes in [
		[],
		array.slice(_chain, 0, 2),
		array.slice(_chain, 1, 3),
		[_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer"), _vote("person:alice", "risk-officer")],
		[_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer"), _vote("service:carol", "risk-officer")],
		array.concat(_chain, [{"by": "person:dora", "step": "risk-officer", "vote": "no"}]),
	] {
		testing.findings(_code, _given(_approval(votes))) == _asked
	}
}

test_an_approval_of_something_else_covers_nothing if {
	approval := _approval(_chain)
	every other in [
		{"subject_digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
		{"environment": "staging"},
		{"until": "2026-03-02T12:00:00Z"},
		{"from": "2026-03-02T12:00:01Z"},
		{"covers": [object.union(_covers, {"case_digest": "sha256:other"})]},
		{"covers": [object.union(_covers, {"rule_digest": "sha256:other"})]},
		{"covers": []},
		{"covers": [object.union(_covers, {"item": ["models:/fraud/7"]})]},
		{"covers": [object.union(_covers, {"rule": "deployment.resource_limits_set"})]},
	] {
		testing.findings(_code, _given(object.union(approval, other))) == _asked
	}
}

test_two_people_may_waive_it_for_a_week if {
	waiver := {
		"id": "wvr_1",
		"rule": _code,
		"subject_digest": _sample.subject.digest,
		"environment": "prod",
		"item": [],
		"from": "2026-03-01T00:00:00Z",
		"until": "2026-03-08T00:00:00Z",
		"requested_by": "person:alice",
		"signed_by": "person:bruno",
	}
	waived := testing.with_value(_critical, "/waivers", [waiver])
	testing.findings(_code, waived) == {[]: ["fail", "waived"]}
	longer := testing.with_value(_critical, "/waivers", [object.union(waiver, {"until": "2026-03-09T00:00:00Z"})])
	testing.findings(_code, longer) == _asked
}

test_without_models_nobody_is_asked if {
	testing.says(_code, testing.with_values(_sample, {"/facts/models": [], "/subject/parts/models": []})) == "pass"
}
