package governance.lib.approvals_test

import future.keywords.not

import data.governance.lib.approvals
import data.governance.lib.time as clock

_digest := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

_case := "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

_rule_digest := "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

_vote(by, step) := {"by": by, "step": step, "vote": "yes"}

_approval := {
	"id": "apr_1",
	"subject_digest": _digest,
	"environment": "prod",
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"covers": [{
		"rule": "deployment.resource_limits_set",
		"rule_digest": _rule_digest,
		"case_digest": _case,
		"item": [],
	}],
	"votes": [_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer"), _vote("person:carla", "risk-officer")],
}

_finding := {"rule": "deployment.resource_limits_set", "at": [], "item": [], "status": "fail"}

_rule := {"approvable": true, "digest": _rule_digest}

_chain := [{"name": "model-owner", "needs": 1}, {"name": "risk-officer", "needs": 2}]

_context := {
	"subject_digest": _digest,
	"environment": "prod",
	"now": clock.ns("2026-03-02T12:00:00Z"),
	"actor": "service:releasebot",
	"case_digest": _case,
}

_covers(approval) if approvals.covers(approval, _finding, _rule, _chain, _context)

_with(path, value) := json.patch(_approval, [{"op": "replace", "path": path, "value": value}])

_without(path) := json.patch(_approval, [{"op": "remove", "path": path}])

_chained(chain, votes) if approvals.covers(_with("/votes", votes), _finding, _rule, chain, _context)

_voted(votes) if _covers(_with("/votes", votes))

_by(actor) if approvals.covers(_approval, _finding, _rule, _chain, object.union(_context, {"actor": actor}))

test_an_approval_covers_what_was_voted_on if _covers(_approval)

test_each_part_is_needed if {
	every path in ["/subject_digest", "/environment", "/from", "/until", "/covers", "/votes"] {
		not _covers(_without(path))
		every value in [null, true, "", 0, [], {}] {
			not _covers(_with(path, value))
		}
	}
	every path in ["/covers/0/rule", "/covers/0/rule_digest", "/covers/0/case_digest", "/covers/0/item"] {
		not _covers(_without(path))
		every value in [null, true, "", 0, {}, "other"] {
			not _covers(_with(path, value))
		}
	}
}

test_what_is_no_object_is_no_approval if {
	every other in [null, true, 1, "apr_1", [], [_approval], set(), {}] {
		not _covers(other)
	}
	not _covers({}.absent)
}

test_it_covers_a_failure_and_nothing_else if {
	every status in ["not_evaluable", "pass", "exempt", "Fail", null] {
		finding := object.union(_finding, {"status": status})
		not approvals.covers(_approval, finding, _rule, _chain, _context)
	}
}

test_only_an_approvable_rule_can_be_approved if {
	every approvable in [false, null, "true", 1, [], {}] {
		not approvals.covers(_approval, _finding, object.union(_rule, {"approvable": approvable}), _chain, _context)
	}
	not approvals.covers(_approval, _finding, {"digest": _rule_digest}, _chain, _context)
}

test_a_changed_rule_case_subject_or_environment_needs_another_vote if {
	other := "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	not approvals.covers(_approval, _finding, object.union(_rule, {"digest": other}), _chain, _context)
	every changed in [{"case_digest": other}, {"subject_digest": other}, {"environment": "staging"}] {
		not approvals.covers(_approval, _finding, _rule, _chain, object.union(_context, changed))
	}
}

# A digest that nobody computed matches no other digest that nobody computed.
test_no_digest_matches_no_digest if {
	every nothing in [null, true, 0, [], {}] {
		rule := object.union(_rule, {"digest": nothing})
		not approvals.covers(_with("/covers/0/rule_digest", nothing), _finding, rule, _chain, _context)
		every pair in [
			["/covers/0/case_digest", "case_digest"],
			["/subject_digest", "subject_digest"],
			["/environment", "environment"],
		] {
			context := json.patch(_context, [{"op": "replace", "path": sprintf("/%s", [pair[1]]), "value": nothing}])
			not approvals.covers(_with(pair[0], nothing), _finding, _rule, _chain, context)
		}
	}
}

test_a_new_finding_needs_a_new_vote if {
	every changed in [{"rule": "deployment.image_pinned"}, {"item": ["urn:b"]}, {"item": [0]}] {
		not approvals.covers(_approval, object.union(_finding, changed), _rule, _chain, _context)
	}
}

test_it_names_each_finding_that_it_covers if {
	several := _with("/covers", [
		{"rule": "deployment.image_pinned", "rule_digest": _rule_digest, "case_digest": _case, "item": []},
		_approval.covers[0],
	])
	_covers(several)

	# Parts of two entries make no third one.
	not _covers(_with("/covers", [
		object.union(_approval.covers[0], {"case_digest": "sha256:0"}),
		object.union(_approval.covers[0], {"item": ["urn:a"]}),
	]))
}

test_the_interval_is_half_open if {
	every pair in [
		["2026-02-28T23:59:59.999999999Z", false],
		["2026-03-01T00:00:00Z", true],
		["2026-03-30T23:59:59.999999999Z", true],
		["2026-03-31T00:00:00Z", false],
	] {
		context := object.union(_context, {"now": clock.ns(pair[0])})
		_truth(_approval, context) == pair[1]
	}
}

default _truth(_, _) := false

_truth(approval, context) if approvals.covers(approval, _finding, _rule, _chain, context)

# --- The chain comes from configuration ----------------------------------------------------------------------------

# A bare `every` over an empty chain is true, and so is one over a chain that is no list.
test_without_a_chain_nothing_is_approved if {
	every chain in [[], {}, null, true, "", "model-owner", 1, {"0": {"name": "model-owner", "needs": 1}}, set()] {
		not _chained(chain, _approval.votes)
		not _chained(chain, [])
	}
	not approvals.covers(_approval, _finding, _rule, {}.absent, _context)
}

test_a_chain_that_comes_with_the_approval_counts_nothing if {
	own := object.union(_approval, {
		"chain": [{"name": "model-owner", "needs": 1}],
		"votes": [_vote("person:alice", "model-owner")],
	})
	not _covers(own)
	not approvals.covers(own, _finding, _rule, [], _context)
}

test_a_step_that_needs_nobody_is_never_met if {
	every needs in [0, -1, 0.5, null, true, "1", "0", [], {}] {
		not _chained([{"name": "model-owner", "needs": needs}], _approval.votes)
	}
	not _chained([{"name": "model-owner"}], _approval.votes)
	not _chained([{"needs": 1}], _approval.votes)
	not _chained([null], _approval.votes)
	not _chained(["model-owner"], _approval.votes)
}

test_every_step_is_needed if {
	not _voted([_vote("person:bruno", "risk-officer"), _vote("person:carla", "risk-officer")])
	not _voted([_vote("person:alice", "model-owner")])
	not _voted([_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer")])
	not _voted([])
}

test_one_step_of_one_person_is_a_chain if {
	_chained([{"name": "model-owner", "needs": 1}], [_vote("person:alice", "model-owner")])
	not _chained([{"name": "model-owner", "needs": 1}], [_vote("person:alice", "risk-officer")])
	not _chained([{"name": "model-owner", "needs": 2}], [_vote("person:alice", "model-owner")])
}

test_more_votes_than_needed_are_fine if {
	_voted(array.concat(_approval.votes, [_vote("person:dario", "risk-officer")]))
	_voted(array.concat(_approval.votes, [_vote("person:dario", "somebody-else")]))
}

# --- Votes ---------------------------------------------------------------------------------------------------------

test_a_vote_other_than_yes_voids_the_approval if {
	every vote in ["no", "abstain", "Yes", "yes ", "", null, true, 1, [], ["yes"]] {
		against := object.union(_vote("person:dario", "risk-officer"), {"vote": vote})
		not _voted(array.concat(_approval.votes, [against]))
		not _voted(array.concat([against], _approval.votes))
	}
	not _voted(array.concat(_approval.votes, [{"by": "person:dario", "step": "risk-officer"}]))
}

test_a_no_counts_whoever_said_it_and_wherever if {
	every voter in ["person:alice", "service:releasebot", "unresolved:x", null] {
		against := {"by": voter, "step": "somebody-else", "vote": "no"}
		not _voted(array.concat(_approval.votes, [against]))
	}
}

test_what_is_no_vote_voids_the_approval if {
	every other in [null, true, 1, "yes", [], {}] {
		not _voted(array.concat(_approval.votes, [other]))
	}
}

test_votes_are_a_list if {
	not _voted({"0": _approval.votes[0], "1": _approval.votes[1], "2": _approval.votes[2]})
	not _voted({vote | some vote in _approval.votes})
}

test_nobody_counts_twice_in_a_step if {
	not _voted([
		_vote("person:alice", "model-owner"),
		_vote("person:bruno", "risk-officer"),
		_vote("person:bruno", "risk-officer"),
	])
}

test_nobody_counts_in_two_steps if {
	not _voted([
		_vote("person:bruno", "model-owner"),
		_vote("person:bruno", "risk-officer"),
		_vote("person:carla", "risk-officer"),
	])
	not _voted(array.concat(_approval.votes, [_vote("person:alice", "risk-officer")]))
	not _chained(
		[{"name": "owner", "needs": 1}, {"name": "owner", "needs": 1}],
		[_vote("person:alice", "owner"), _vote("person:bruno", "owner")],
	)
}

test_another_spelling_is_not_another_person if {
	every name in ["bruno", "person:Bruno", "Person:bruno", "person:bruno ", "user:bruno", "bruno@corp.example", "", null, 5] {
		not _voted([_vote("person:alice", "model-owner"), _vote("person:bruno", "risk-officer"), _vote(name, "risk-officer")])
	}
}

test_services_do_not_vote if {
	not _voted([
		_vote("person:alice", "model-owner"),
		_vote("person:bruno", "risk-officer"),
		_vote("service:otherbot", "risk-officer"),
	])
	not _voted([
		_vote("service:otherbot", "model-owner"),
		_vote("person:bruno", "risk-officer"),
		_vote("person:carla", "risk-officer"),
	])
}

test_nobody_approves_their_own_request if {
	_by("person:dario")
	every voter in ["person:alice", "person:bruno", "person:carla"] {
		not _by(voter)
	}
}

# Raw, an actor that nobody knows differs from every voter.
test_without_a_known_actor_nobody_is_somebody_else if {
	every actor in [null, true, 0, "", "alice", "unresolved:kubernetes", "Service:releasebot", [], {}] {
		not _by(actor)
	}
	not approvals.covers(_approval, _finding, _rule, _chain, json.remove(_context, ["actor"]))
}

test_without_a_clock_nothing_is_approved if {
	every now in [null, "2026-03-02T12:00:00Z", true, []] {
		not approvals.covers(_approval, _finding, _rule, _chain, object.union(_context, {"now": now}))
	}
	not approvals.covers(_approval, _finding, _rule, _chain, json.remove(_context, ["now"]))
}
