# METADATA
# title: Places
# description: >-
#   Where a rule looks. A scope is a list of at most two level names: [] is the whole request, ["models"] each model,
#   ["datasets", "columns"] each column of each dataset. A place is a path below facts, such as ["models", 0].
package governance.lib.places

import future.keywords.not

import data.governance.lib.evidence

# METADATA
# description: All places of a scope with what stands there, as an object keyed by path.
items([], facts) := {[]: facts}

items([level], facts) := _expand({[]: facts}, level)

items([outer, inner], facts) := _expand(_expand({[]: facts}, outer), inner)

_expand(parents, level) := {array.concat(path, [level, index]): item |
	some path, parent in parents
	is_object(parent)
	is_array(parent[level])
	some index, item in parent[level]
}

# METADATA
# description: What evidence on an item must be about - its digest, else its own reference; undefined if it has neither.
key(item) := item.digest if {
	is_string(item.digest)
	item.digest != ""
} else := item.id if {
	is_string(item.id)
	item.id != ""
}

# METADATA
# description: The key of the item at a path; a nested item is only identified together with its parent.
about([_, _], item, _) := key(item)

about([outer, index, _, _], item, facts) := sprintf("%s#%s", [key(facts[outer][index]), key(item)])

# METADATA
# description: >-
#   Why the lists of a scope are not proven complete, as a set of gaps. A list is complete only when its items are
#   exactly the parts from which the subject's digest was computed; a nested list must match its own proven count.
gaps([], _, _, _) := set()

gaps([level], facts, parts, _) := _list_gaps(level, facts, parts)

gaps([outer, inner], facts, parts, now) := _list_gaps(outer, facts, parts) | {gap |
	some index, parent in facts[outer]
	some gap in _nested_gaps(outer, index, inner, parent, now)
}

_list_gaps(level, facts, _) := {{"at": [level], "gap": "list_absent"}} if {
	not is_array(facts[level])
}

_list_gaps(level, facts, parts) := set() if {
	is_array(facts[level])
	_complete(facts[level], parts[level])
}

_list_gaps(level, facts, parts) := {{"at": [level], "gap": "list_incomplete"}} if {
	is_array(facts[level])
	not _complete(facts[level], parts[level])
}

_complete(items, parts) if {
	is_array(parts)
	keys := [key(item) | some item in items]
	count(keys) == count(items)
	count({name | some name in keys}) == count(keys)
	count(parts) == count(keys)
	{name | some name in keys} == {part | some part in parts}
}

_nested_gaps(_, _, inner, parent, now) := set() if _whole(inner, parent, now)

_nested_gaps(outer, index, inner, parent, now) := {{"at": [outer, index, inner], "gap": "list_incomplete"}} if {
	not _whole(inner, parent, now)
}

_whole(inner, parent, now) if {
	is_object(parent)
	is_array(parent[inner])
	_counted(inner, parent, now)
}

_counted(inner, parent, now) if {
	at := sprintf("%s_count", [inner])
	need := {"at": at, "fields": {"count": "number"}, "min_rank": 1, "max_age_s": 0}
	evidence.proven(need, parent, key(parent), now)
	parent[at].count == count(parent[inner])
	names := {key(item) | some item in parent[inner]}
	count(names) == count(parent[inner])
}

# METADATA
# description: The lists of a scope that hold nothing, as gaps; a rule that may not be empty fails there.
empties([], _) := set()

empties([level], facts) := _empty_list(level, facts)

empties([outer, inner], facts) := _empty_list(outer, facts) | {{"at": [outer, index, inner], "gap": "list_empty"} |
	some index, parent in facts[outer]
	is_array(parent[inner])
	count(parent[inner]) == 0
}

_empty_list(level, facts) := {{"at": [level], "gap": "list_empty"} |
	is_array(facts[level])
	count(facts[level]) == 0
}

# METADATA
# description: The identity of a place, one id for each level; undefined when an id is missing or not text.
identity([], [], _) := []

identity([outer, index], [field], facts) := [id] if {
	id := facts[outer][index][field]
	_text(id)
}

identity([outer, index, inner, position], [first, second], facts) := [one, two] if {
	one := facts[outer][index][first]
	two := facts[outer][index][inner][position][second]
	_text(one)
	_text(two)
}

_text(value) if {
	is_string(value)
	value != ""
}
