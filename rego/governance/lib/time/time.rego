# METADATA
# title: Time
# description: Reads timestamps without ever raising an error. What is not a strict RFC 3339 UTC time of this century is undefined.
package governance.lib.time

# Days are checked per month and leap year here, because the built-in parser raises an error on a day that does not
# exist, and one error would deny everything for everybody.
_pattern := concat("", [
	`^20(?:`,
	`\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])`,
	`|\d\d-(?:0[13-9]|1[0-2])-(?:29|30)`,
	`|\d\d-(?:0[13578]|1[02])-31`,
	`|(?:[02468][048]|[13579][26])-02-29`,
	`)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$`,
])

# METADATA
# description: Nanoseconds since 1970 of a timestamp such as 2026-01-31T12:00:00Z; undefined for anything else.
ns(timestamp) := time.parse_rfc3339_ns(timestamp) if {
	is_string(timestamp)
	regex.match(_pattern, timestamp)
}

# METADATA
# description: True when instant lies in the half-open interval from start until end.
within(instant, start, end) if {
	is_number(instant)
	ns(start) <= instant
	instant < ns(end)
}

# METADATA
# description: True when a timestamp is later than the clock of this decision; what is up at this instant is over.
ahead(timestamp) if ns(input.context.now) < ns(timestamp)
