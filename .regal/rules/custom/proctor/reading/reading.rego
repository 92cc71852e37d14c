# METADATA
# description: >-
#   Which paths below `input` the names of a rule stand for, and so what it reads. Followed are `some ... in`, `:=`,
#   names for a path (`_models := input.facts.models`) and arguments of functions in the same file. What can't be
#   followed here is not reported here: the build refuses it.
# schemas:
#   - input: schema.regal.ast
package custom.proctor.reading

import future.keywords.not

import data.custom.proctor.policy

# A path is a list of names; the index of a list is `*` and the variable that holds it.
_step(part) := part.value if part.type == "string"

_step(part) := sprintf("*%v", [part.value]) if part.type != "string"

_parts(term) := [term.value] if term.type == "var"

_parts(term) := array.concat([term.value[0].value], [_step(part) | some i, part in term.value; i > 0]) if {
	term.type == "ref"
}

# What each rule binds: a name, and the path that it stands for, which may start with another name.
_bound[i] contains [terms[2].value, array.concat(_parts(terms[3]), [sprintf("*%v", [terms[1].value])])] if {
	some i, rule in input.rules
	walk(rule, [_, node])
	node.symbols[0].type == "call"
	terms := node.symbols[0].value
	terms[0].value[1].value == "member_3"
	terms[2].type == "var"
}

_bound[i] contains [terms[1].value, array.concat(_parts(terms[2]), ["*"])] if {
	some i, rule in input.rules
	walk(rule, [_, node])
	node.symbols[0].type == "call"
	terms := node.symbols[0].value
	terms[0].value[1].value == "member_2"
	terms[1].type == "var"
}

_bound[i] contains [terms[1].value, _parts(terms[2])] if {
	some i, rule in input.rules
	walk(rule, [_, terms])
	terms[0].type == "ref"
	terms[0].value[0].value in {"assign", "eq"}
	terms[1].type == "var"
}

_bound[i] contains [policy.name(rule), _parts(rule.head.value)] if {
	some rule in input.rules
	not rule.head.args
	not rule.head.key
	some i, _ in input.rules
}

_start := {["input", ["input"]]}

# One step: every bound name whose path starts with a known one is known.
_known(bound, known) := known | {[name, array.concat(base, array.slice(path, 1, count(path)))] |
	some [name, path] in bound
	some [first, base] in known
	first == path[0]
}

_all(bound, known) := _known(bound, _known(bound, _known(bound, _known(bound, known))))

_names[i] := object.get(_bound, i, set()) if some i, _ in input.rules

# Names outside functions, then the arguments of functions that those call, then of functions that these call.
_outside[i] := _all(_names[i], _start) if {
	some i, rule in input.rules
	not rule.head.args
}

_first[i] := _all(_names[i], _start | _given(rule, _outside)) if {
	some i, rule in input.rules
	rule.head.args
}

_second[i] := _all(_names[i], _start | _given(rule, _first)) if {
	some i, rule in input.rules
	rule.head.args
}

_scopes[i] contains known if some i, known in _outside

_scopes[i] contains known if some i, known in _first

_scopes[i] contains known if some i, known in _second

_given(function, callers) := {[argument.value, path] |
	some i, known in callers
	walk(input.rules[i], [_, terms])
	terms[0].type == "ref"
	[part.value | some part in terms[0].value] == [policy.name(function)]
	some n, argument in function.head.args
	argument.type == "var"
	some path in _resolved(terms[n + 1], known)
}

_resolved(term, known) := {array.concat(base, array.slice(parts, 1, count(parts))) |
	parts := _parts(term)
	some [name, base] in known
	name == parts[0]
}

# METADATA
# description: >-
#   What each rule of the module reads, by its number: the path, and the node that reads it. Whole items and groups are
#   reads as well: that is how they get into a function.
reads[i] contains {"path": array.slice(path, 1, count(path)), "node": node} if {
	some i, rule in input.rules
	some known in _scopes[i]
	walk(rule, [_, node])
	node.type in {"var", "ref"}
	some path in _resolved(node, known)
	count(path) > 1
}

# METADATA
# description: A path without the names of its indices, which is what a declaration can be held against.
shape(path) := [_plain(part) | some part in path]

_plain(part) := "*" if startswith(part, "*")

_plain(part) := part if not startswith(part, "*")
