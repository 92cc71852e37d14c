# METADATA
# description: a rule reads what its evidence does not declare; nobody has proven that
# related_resources:
#   - description: Annotations
#     ref: https://www.openpolicyagent.org/docs/policy-language#annotations
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["undeclared-read"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy
import data.custom.proctor.reading

# What the aggregator itself proves in every decision.
_proven := {
	["stage"], ["operation"], ["environment"], ["point"],
	["actor", "id"], ["subject", "digest"], ["subject", "kind"],
}

report contains result.fail(rego.metadata.chain(), object.union(result.location(read.node), _why(read.shape))) if {
	policy.is_rule
	some reads in _undeclared
	some read in reads
	not _below_another(read, reads)
}

_undeclared[i] contains {"node": read.node, "shape": shape} if {
	some i, reads in reading.reads
	some read in reads
	shape := reading.shape(read.path)
	not _allowed(shape)
}

# One line for a list that does not exist, not another one for everything that is read of it.
_below_another(read, reads) if {
	some other in reads
	count(other.shape) < count(read.shape)
	array.slice(read.shape, 0, count(other.shape)) == other.shape
}

_why(shape) := {"description": sprintf("reads input.%s, which its evidence does not declare", [concat(".", shape)])}

_allowed(shape) if {
	some field in _fields
	array.slice(shape, 0, count(field)) == field
}

# Part of the way to a declared field: a list that is walked, a group that goes into a function whole.
_allowed(shape) if {
	some field in _fields
	count(shape) < count(field)
	array.slice(field, 0, count(shape)) == shape
}

_allowed(shape) if {
	list := _scope(policy.declared.for_each)
	array.slice(list, 0, count(shape)) == shape
}

_fields contains path if some path in _proven

_fields contains [need.request] if some need in policy.declared.evidence

_fields contains array.flatten([_scope(_of(need)), need.at, field]) if {
	some need in policy.declared.evidence
	some field, _ in need.fields
}

_of(need) := need.of

_of(need) := policy.declared.for_each if not is_string(need.of)

_scope(text) := array.concat(["facts"], [part | some part in split(text, "/"); part != ""])
