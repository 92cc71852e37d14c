# METADATA
# title: Risk tier
# description: >-
#   Computes the risk tier from proven facts. Each factor's value scores points from a table that is data; the sum
#   falls into a band. A factor that is unknown, unproven or not in the table takes the worst band.
package governance.lib.tiers

import future.keywords.not

import data.governance.lib.evidence
import data.governance.lib.places
import data.governance.lib.time as clock

_table := data.governance.config.values.tiers

_source := data.governance.index.tiers[input.subject.kind]

# METADATA
# description: >-
#   The tier of this decision, what each factor of the riskiest item contributes, the factors that nobody could prove,
#   and those that the profile does not score.
assessment := {
	"value": _value,
	"unknown": [name | some name in _unknown],
	"unscored": _unscored,
	"at": _decisive,
	"factors": _contributions,
	"points": _points,
}

default _value := "critical"

_value := _band(_points) if {
	_ready
	count(_unknown) == 0
}

_ready if {
	is_object(_source)
	is_object(_table.factors)
	count(_factors) > 0
	is_array(_table.bands)
}

# The factors that are scored for this kind of subject, with the group in which each stands.
_factors[name] := need if {
	some need in _source.needs
	some name, _ in need.fields
	_table.factors[name].group == need.at
}

# The lowest band whose limit the points do not exceed; the last band has no limit.
_band(points) := [band.tier | some band in _table.bands; _under(points, band)][0]

_under(points, band) if points <= band.up_to

_items := places.items(_source.levels, input.facts)

# The riskiest item decides.
_points := max({0} | {total | some total in _totals})

_totals[path] := sum([points | some points in scores]) if some path, scores in _scores

default _decisive := []

_decisive := min({path | some path, total in _totals; total == _points})

default _contributions := {}

_contributions := {name: {"value": _items[_decisive][_factors[name].at][name], "points": points} |
	some name, points in _scores[_decisive]
}

default _unscored := []

_unscored := _source.unscored

_unknown contains "subject" if not _ready

_unknown contains _source.levels[0] if {
	_ready
	not _complete
}

_complete if {
	is_object(input.facts)
	count(places.gaps(_source.levels, input.facts, input.subject.parts, _now)) == 0
}

_unknown contains sprintf("%s: %s", [concat("/", [sprintf("%v", [part]) | some part in path]), name]) if {
	_ready
	some path, _ in _items
	not _all_scored(path)
	some name, _ in _factors
	not _scores[path][name]
}

_all_scored(path) if count(_scores[path]) == count(_factors)

# The points of every factor that is proven and in the table, by path and factor.
_scores[path][name] := points if {
	some path, item in _items
	some need in _source.needs
	evidence.proven(need, item, _about(path, item), _now)
	some name, _ in need.fields
	points := _table.factors[name].points[item[need.at][name]]
}

# The factors of the whole request are about the subject; those of an item, about the item.
_about(path, item) := places.about(path, item, input.facts) if count(path) > 0

_about([], _) := input.subject.digest

_now := clock.ns(input.context.now)

# METADATA
# description: True when every factor that stands in the group of that name has a value that the table knows.
known(name, group) if {
	factors := {factor: entry.points | some factor, entry in _table.factors; entry.group == name}
	count(factors) > 0
	strangers := [factor | some factor, points in factors; not points[group[factor]]]
	count(strangers) == 0
}
