# METADATA
# title: Testing
# description: >-
#   What a rule's test says in one line: the rule's answer to a sample, changed in one thing. Samples are in
#   data.samples, by name. Only tests import this package; the bundle never holds it.
package testing

import future.keywords.not

# METADATA
# description: >-
#   The whole decision on a document: effects and outcome included, as production computes them.
decision(document) := found if found := data.governance.main.decision with input as document

# A rule's test asks about this rule alone, where the workbench has laid the policy out: the same aggregator, at the cost
# of one rule instead of all that apply.
_asked_alone(code, document) := decision(_alone(code, document))

_alone(code, document) := object.union(document, {"operation": operation}) if {
	operation := sprintf("%s:%s", [document.operation, code])
	data.governance.index.select[document.stage][document.subject.kind][operation]
} else := document

# METADATA
# description: >-
#   A rule's answer to a document in one word: pass, exempt, fail or not_evaluable where all its places agree, else
#   mixed; nothing where it has no place; not_asked where it does not apply; problem where nothing was judged.
says(code, document) := _answer(code, _asked_alone(code, document))

_answer(code, verdict) := "problem" if {
	count(verdict.problems) > 0
} else := "not_asked" if {
	not verdict.rules[code]
} else := "nothing" if {
	verdict.rules[code].places == 0
} else := "pass" if {
	verdict.rules[code].compliant == verdict.rules[code].places
} else := "exempt" if {
	verdict.rules[code].exempt == verdict.rules[code].places
} else := [status | some status in _statuses(code, verdict)][0] if {
	count(_statuses(code, verdict)) == 1
	count(_findings(code, verdict)) == verdict.rules[code].places
} else := "mixed"

_statuses(code, verdict) := {finding.status | some finding in _findings(code, verdict)}

_findings(code, verdict) := {finding | some finding in verdict.findings; finding.rule == code}

# METADATA
# description: >-
#   The findings of a rule on a document, as place -> status and effect; {} where it finds nothing, undefined where
#   nothing was judged.
findings(code, document) := found if {
	verdict := _asked_alone(code, document)
	count(verdict.problems) == 0
	verdict.rules[code]
	found := {finding.at: [finding.status, finding.effect] | some finding in _findings(code, verdict)}
}

# METADATA
# description: The identities that a rule's findings on a document name.
named(code, document) := {finding.item | some finding in _findings(code, _asked_alone(code, document))}

# METADATA
# description: The gaps that keep a rule from being evaluated on a document.
gaps(code, document) := {gap.gap | some finding in _findings(code, _asked_alone(code, document)); some gap in finding.why}

# METADATA
# description: How many places a rule saw in a document, and how many of them it proved compliant and exempt.
counts(code, document) := _asked_alone(code, document).rules[code]

# METADATA
# description: >-
#   The document with another value at a pointer (RFC 6901) that exists. A misspelt pointer is undefined, so the test
#   that holds it fails.
with_value(document, pointer, value) := with_values(document, {pointer: value})

# METADATA
# description: The document with other values at several pointers.
with_values(document, values) := json.patch(
	document,
	[{"op": "replace", "path": pointer, "value": value} | some pointer, value in values],
)

# METADATA
# description: The document without what stands at a pointer that exists.
without(document, pointer) := json.patch(document, [{"op": "remove", "path": pointer}])
