# METADATA
# title: Waivers
# description: >-
#   Whether a waiver covers a finding: the same rule, subject digest, environment and named item, inside its half-open
#   interval, no longer than the rule permits, and signed by two different people. Only a failure is ever covered.
package governance.lib.waivers

import data.governance.lib.people
import data.governance.lib.time as clock

_day_ns := 86400000000000

# METADATA
# description: True when waiver covers finding under rule in context {subject_digest, environment, now}.
covers(waiver, finding, rule, context) if {
	is_object(waiver)
	finding.status == "fail"
	is_object(rule.waivable)
	waiver.rule == finding.rule
	is_string(context.subject_digest)
	waiver.subject_digest == context.subject_digest
	is_string(context.environment)
	waiver.environment == context.environment
	waiver.item == finding.item
	clock.within(context.now, waiver.from, waiver.until)
	is_number(rule.waivable.max_days)
	clock.ns(waiver.until) - clock.ns(waiver.from) <= rule.waivable.max_days * _day_ns
	people.person(waiver.signed_by)
	people.distinct(waiver.requested_by, waiver.signed_by)
}
