# METADATA
# description: a rule names exactly the places of its `for_each`, and reads the very item that it names
# related_resources:
#   - description: Annotations
#     ref: https://www.openpolicyagent.org/docs/policy-language#annotations
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["reads-its-place"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy
import data.custom.proctor.reading

report contains result.fail(rego.metadata.chain(), object.union(result.location(rule.head), _example)) if {
	policy.is_rule
	some rule in input.rules
	policy.name(rule) in {"compliant", "exempt"}
	not _place(rule.head.key)
}

report contains result.fail(rego.metadata.chain(), object.union(result.location(rule.head), _unread)) if {
	policy.is_rule
	some i, rule in input.rules
	policy.name(rule) in {"compliant", "exempt"}
	place := _place(rule.head.key)
	not _read(i, place)
}

_example := {"description": sprintf("places of `%s` are written %v", [policy.declared.for_each, _written])}

_written := [part | some i, level in policy.levels; some part in [level, ["i", "j"][i]]]

_unread := {"description": "names a place without reading the item at its own index"}

# The path of the item that a head names, undefined where it does not fit `for_each`.
_place(key) := array.concat(["facts"], [step | some i, part in key.value; step := _step(i, part)]) if {
	key.type == "array"
	count(key.value) == 2 * count(policy.levels)
	misfits := [i | some i, part in key.value; not _step(i, part)]
	count(misfits) == 0
}

_step(i, part) := part.value if {
	i % 2 == 0
	part.value == policy.levels[i / 2]
}

_step(i, part) := sprintf("*%v", [part.value]) if {
	i % 2 == 1
	part.type == "var"
}

# A rule on the whole request reads anything; one on items reads more of the item than that it is there.
_read(i, place) if {
	count(place) == 1
	some read in reading.reads[i]
	count(read.path) > 0
}

_read(i, place) if {
	count(place) > 1
	some read in reading.reads[i]
	array.slice(read.path, 0, count(place)) == place
	_used(i, read, place)
}

_used(_, read, place) if count(read.path) > count(place)

# The whole item as an argument of a function.
_used(i, read, place) if {
	read.path == place
	some call in policy.calls
	call.terms[0].value[0].value in (policy.functions | policy.libraries)
	some n, argument in call.terms
	n > 0
	argument == read.node
	input.rules[i]
}
