# METADATA
# title: Compare
# description: >-
#   Typed comparisons. Rego orders values of different types, so a raw comparison of null or text with a number can
#   allow; these are undefined unless both sides are what they should be.
package governance.lib.compare

import future.keywords.not

# METADATA
# description: True when both are numbers and value is at least limit.
at_least(value, limit) if {
	is_number(value)
	is_number(limit)
	value >= limit
}

# METADATA
# description: True when both are numbers and value is at most limit.
at_most(value, limit) if {
	is_number(value)
	is_number(limit)
	value <= limit
}

# METADATA
# description: >-
#   True when part of whole is at least percent: all are numbers, part is neither negative nor more than whole, and
#   whole is not 0, since of nothing there is no part. Counts are multiplied, never divided, so limits are exact.
percent_at_least(part, whole, percent) if {
	is_number(part)
	is_number(whole)
	is_number(percent)
	part >= 0
	whole > 0
	part <= whole
	part * 100 >= whole * percent
}

# METADATA
# description: True when both are the same SHA-256 digest; two equal texts that are none are not.
same_digest(one, other) if {
	is_string(one)
	regex.match(`^sha256:[0-9a-f]{64}$`, one)
	one == other
}

# METADATA
# description: True when items is a non-empty array whose every element is text that occurs in allowed.
all_in(items, allowed) if {
	is_array(items)
	count(items) > 0
	is_array(allowed)
	strays := [item | some item in items; not _listed(item, allowed)]
	count(strays) == 0
}

# METADATA
# description: True when items is an array without elements.
none(items) if {
	is_array(items)
	count(items) == 0
}

default _listed(_, _) := false

_listed(item, allowed) if {
	is_string(item)
	item in allowed
}

# METADATA
# description: >-
#   True when paths is a non-empty array of text whose every element is one of roots or lies below one, by whole
#   segments: ghcr.io/team lies below ghcr.io and not below ghcr.io/te.
all_under(paths, roots) if {
	is_array(paths)
	count(paths) > 0
	is_array(roots)
	strays := [path | some path in paths; not _under(path, roots)]
	count(strays) == 0
}

default _under(_, _) := false

_under(path, roots) if {
	is_string(path)
	some root in roots
	is_string(root)
	root != ""
	startswith(sprintf("%s/", [path]), sprintf("%s/", [root]))
}
