# METADATA
# title: Approvals
# description: >-
#   Whether people's votes cover a finding. The chain of steps comes from configuration, never with the approval; a
#   vote other than yes voids it; voters are different people, and none of them is the actor.
package governance.lib.approvals

import future.keywords.not

import data.governance.lib.people
import data.governance.lib.time as clock

# METADATA
# description: >-
#   True when approval covers finding under rule, given the required chain and the context
#   {subject_digest, environment, now, actor, case_digest}.
covers(approval, finding, rule, chain, context) if {
	is_object(approval)
	finding.status == "fail"
	rule.approvable == true
	is_string(context.subject_digest)
	approval.subject_digest == context.subject_digest
	is_string(context.environment)
	approval.environment == context.environment
	clock.within(context.now, approval.from, approval.until)
	_names(approval, finding, rule, context)
	_complete(approval.votes, chain, context.actor)
}

_names(approval, finding, rule, context) if {
	is_string(rule.digest)
	is_string(context.case_digest)
	some covered in approval.covers
	covered.rule == finding.rule
	covered.rule_digest == rule.digest
	covered.case_digest == context.case_digest
	covered.item == finding.item
}

# Whoever votes in two steps counts in neither: the voters of all steps together must be as many as there are people.
_complete(votes, chain, actor) if {
	is_array(votes)
	is_array(chain)
	count(chain) > 0
	against := [vote | some vote in votes; not vote.vote == "yes"]
	count(against) == 0
	missing := [step | some step in chain; not _met(step, votes, actor)]
	count(missing) == 0
	everyone := [voter | some step in chain; some voter in _voters(step, votes, actor)]
	count(everyone) == count({voter | some voter in everyone})
}

_met(step, votes, actor) if {
	is_number(step.needs)
	step.needs >= 1
	count(_voters(step, votes, actor)) >= step.needs
}

_voters(step, votes, actor) := {vote.by |
	some vote in votes
	vote.step == step.name
	people.distinct(vote.by, actor)
}
