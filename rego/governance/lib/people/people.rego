# METADATA
# title: People
# description: >-
#   Who is who. Two principals are distinct only when both are ids that the engine minted; a missing, unresolved or
#   foreign name is never proven to be somebody else.
package governance.lib.people

# METADATA
# description: True for the id of a person.
person(id) if {
	is_string(id)
	regex.match(`^person:[a-z0-9]{4,64}$`, id)
}

# METADATA
# description: True for the id of a person or of a service.
principal(id) if person(id)

principal(id) if {
	is_string(id)
	regex.match(`^service:[a-z0-9]{4,64}$`, id)
}

# METADATA
# description: True when someone is a person and other is a different person or a service.
distinct(someone, other) if {
	person(someone)
	principal(other)
	someone != other
}

# METADATA
# description: True when both are principals and not the same one.
separate(one, other) if {
	principal(one)
	principal(other)
	one != other
}
