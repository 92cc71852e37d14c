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
# description: The tier of this decision and the factors that nobody could prove.
assessment := {"value": _value, "unknown": [name | some name in _unknown]}

default _value := "critical"

_value := _band(_points) if {
	_ready
	count(_unknown) == 0
}

_ready if {
	is_object(_source)
	is_object(_table.factors)
	count(_table.factors) > 0
	is_array(_table.bands)
}

# The lowest band whose limit the points do not exceed; the last band has no limit.
_band(points) := [band.tier | some band in _table.bands; _under(points, band)][0]

_under(points, band) if points <= band.up_to

_items := places.items(_source.levels, input.facts)

# The riskiest item decides.
_points := max({0} | {sum([points | some key, points in _scores; key[0] == path]) | some path, _ in _items})

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
	count(_scores) < count(_items) * count(_table.factors)
	some path, _ in _items
	some name, _ in _table.factors
	not _scores[[path, name]]
}

# The points of every factor that is proven and in the table, by path and factor.
_scores[[path, name]] := points if {
	some path, item in _items
	evidence.proven(_source.need, item, _about(path, item), _now)
	some name, values in _table.factors
	points := values[item[_source.need.at][name]]
}

# The factors of the whole request are about the subject; those of an item, about the item.
_about(path, item) := places.about(path, item, input.facts) if count(path) > 0

_about([], _) := input.subject.digest

_now := clock.ns(input.context.now)

# METADATA
# description: True when every factor of a risk group has a value that the table knows.
known(risk) if {
	count(_table.factors) > 0
	strangers := [name | some name, values in _table.factors; not values[risk[name]]]
	count(strangers) == 0
}
