package governance.lib.people_test

import future.keywords.not

import data.governance.lib.people

# What names somebody and is no minted id: other spellings, logins of other systems, and what stands for nobody.
_nobody := [
	null,
	true,
	0,
	[],
	{},
	["person:alice"],
	{"id": "person:alice"},
	"",
	"alice",
	"A.User",
	"a.user@corp.example",
	"user:alice",
	"unresolved:kubernetes",
	"person:",
	"person:bob",
	"person:Alice",
	"person:alice ",
	" person:alice",
	"person:alice\n",
	"person:alice.user",
	"person:al-ice",
	"person:älice",
	"person:alice person:bruno",
	"Person:alice",
	"xperson:alice",
	"person:person:alice",
	"group:alice",
	"person:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]

_services_of_nobody := ["service:", "service:bot", "service:Bot1", "service:bot1 ", "service:bot-1", "services:bot1", "service:bot1\n", "service:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]

test_a_minted_id_is_a_person if {
	people.person("person:alice")
	people.person("person:a7x2")
	people.person("person:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	not people.person("service:releasebot")
}

test_a_person_or_a_service_is_a_principal if {
	people.principal("person:alice")
	people.principal("service:releasebot")
	people.principal("service:bot1")
	people.principal("service:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
}

test_nothing_else_is_anybody if {
	every name in array.concat(_nobody, _services_of_nobody) {
		not people.person(name)
		not people.principal(name)
	}
}

test_two_people_are_distinct if {
	people.distinct("person:alice", "person:bruno")
	people.distinct("person:bruno", "person:alice")
	people.distinct("person:alice", "service:releasebot")
	not people.distinct("person:alice", "person:alice")
}

# Raw, `null != "person:alice"`, `"" != ...` and every alias `!= ` the minted id are true.
test_raw_inequality_makes_anybody_two_people if {
	every name in _nobody {
		name != "person:alice"
	}
}

test_nobody_is_distinct_from_anybody if {
	every name in array.concat(_nobody, _services_of_nobody) {
		not people.distinct(name, "person:alice")
		not people.distinct("person:alice", name)
		not people.distinct(name, name)
		not people.separate(name, "person:alice")
		not people.separate("person:alice", name)
		not people.separate("service:releasebot", name)
		not people.separate(name, name)
	}
}

test_undefined_is_distinct_from_nobody if {
	not people.person({}.absent)
	not people.principal({}.absent)
	not people.distinct({}.absent, "person:alice")
	not people.distinct("person:alice", {}.absent)
	not people.separate({}.absent, "person:alice")
	not people.separate("person:alice", {}.absent)
}

# A service neither votes nor signs, so it is never the first of two distinct ones.
test_a_service_is_never_distinct_from_a_person if {
	not people.distinct("service:releasebot", "person:alice")
	not people.distinct("service:releasebot", "service:otherbot")
}

test_any_two_principals_are_separate if {
	people.separate("person:alice", "person:bruno")
	people.separate("service:releasebot", "person:alice")
	people.separate("service:releasebot", "service:otherbot")
	people.separate("service:alice", "person:alice")
	not people.separate("person:alice", "person:alice")
	not people.separate("service:releasebot", "service:releasebot")
}
