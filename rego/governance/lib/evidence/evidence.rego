# METADATA
# title: Evidence
# description: >-
#   Whether a group of facts is proven: present, typed, dated, fresh, strong enough and about the right thing.
#   Everything that is not proven is a gap. Functions here never raise an error, whatever they are given.
package governance.lib.evidence

import future.keywords.not

import data.governance.lib.time as clock

_rank := {"declared": 0, "observed": 1, "verified": 2}

# Clocks of different systems differ; evidence from further ahead than this would never go stale.
_skew_ns := 300000000000

# METADATA
# description: >-
#   True when the group that need names on item is fully proven at the instant now (nanoseconds) and is about the
#   given digest or reference.
proven(need, item, about, now) if {
	is_string(about)
	about != ""
	group := group_at(item, need.at)
	is_object(group)
	is_object(group.evidence)
	group.evidence.about == about
	_rank[group.evidence.tier] >= need.min_rank
	observed := clock.ns(group.evidence.observed_at)
	_not_ahead(observed, now)
	_fresh(need, observed, now)
	count([field | some field, type in need.fields; typed(group, field, type)]) == count(need.fields)
}

# METADATA
# description: The group of that name on an item, or the item itself where the name is empty; null where there is none.
group_at(item, "") := item

group_at(item, at) := object.get(item, at, null) if {
	at != ""
	is_object(item)
}

group_at(item, at) := null if {
	at != ""
	not is_object(item)
}

# METADATA
# description: True when the field of group has the named type and carries a value.
typed(group, field, "string") if {
	is_string(group[field])
	group[field] != ""
}

typed(group, field, "number") if is_number(group[field])

typed(group, field, "boolean") if is_boolean(group[field])

typed(group, field, "timestamp") if clock.ns(group[field])

typed(group, field, "strings") if {
	is_array(group[field])
	strays := [value | some value in group[field]; not _text(value)]
	count(strays) == 0
}

_text(value) if {
	is_string(value)
	value != ""
}

_not_ahead(observed, now) if {
	is_number(now)
	observed <= now + _skew_ns
}

_fresh(need, _, _) if need.max_age_s == 0

_fresh(need, observed, now) if {
	is_number(now)
	need.max_age_s > 0
	now - observed < need.max_age_s * 1000000000
}

# METADATA
# description: >-
#   Why the group is not proven, as a set of gaps; never empty, so that a place that is not proven always says why.
gaps(need, item, _, _) := {{"gap": "absent"}} if {
	not is_object(group_at(item, need.at))
}

gaps(need, item, about, now) := found if {
	group := group_at(item, need.at)
	is_object(group)
	known := _field_gaps(need, group) | _evidence_gaps(need, group, about, now)
	found := {gap | some gap in known} | {gap | count(known) == 0; gap := {"gap": "unproven"}}
}

_field_gaps(need, group) := {{"gap": gap, "field": field} |
	some field, type in need.fields
	not typed(group, field, type)
	gap := {true: "mistyped", false: "missing"}[_has(group, field)]
}

default _has(_, _) := false

_has(group, field) if field in object.keys(group)

_evidence_gaps(_, group, _, _) := {{"gap": "unattributed"}} if {
	not is_object(group.evidence)
}

_evidence_gaps(need, group, about, now) := found if {
	is_object(group.evidence)
	found := {{"gap": gap} |
		some gap in ["other_subject", "weak", "undated", "future", "stale"]
		not _proves(gap, need, group.evidence, about, now)
	}
}

_proves("other_subject", _, evidence, about, _) if {
	is_string(about)
	about != ""
	evidence.about == about
}

_proves("weak", need, evidence, _, _) if _rank[evidence.tier] >= need.min_rank

_proves("undated", _, evidence, _, _) if clock.ns(evidence.observed_at)

_proves("future", _, evidence, _, now) if _not_ahead(clock.ns(evidence.observed_at), now)

_proves("stale", need, evidence, _, now) if _fresh(need, clock.ns(evidence.observed_at), now)
