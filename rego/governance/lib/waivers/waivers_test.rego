package governance.lib.waivers_test

import future.keywords.not

import data.governance.lib.time as clock
import data.governance.lib.waivers

_digest := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

_other_digest := "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

_waiver := {
	"id": "wvr_1",
	"rule": "deployment.image_pinned",
	"subject_digest": _digest,
	"environment": "prod",
	"item": ["urn:a"],
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"requested_by": "person:alice",
	"signed_by": "person:bruno",
}

_finding := {"rule": "deployment.image_pinned", "at": ["images", 0], "item": ["urn:a"], "status": "fail"}

_rule := {"waivable": {"max_days": 30}}

_context := {"subject_digest": _digest, "environment": "prod", "now": clock.ns("2026-03-02T12:00:00Z")}

_covers(waiver) if waivers.covers(waiver, _finding, _rule, _context)

_with(field, value) := json.patch(_waiver, [{"op": "replace", "path": sprintf("/%s", [field]), "value": value}])

_without(field) := json.remove(_waiver, [field])

_at(time) if waivers.covers(_waiver, _finding, _rule, object.union(_context, {"now": clock.ns(time)}))

test_a_waiver_covers_what_it_was_signed_for if _covers(_waiver)

test_each_part_is_needed if {
	every field in [
		"rule",
		"subject_digest",
		"environment",
		"item",
		"from",
		"until",
		"requested_by",
		"signed_by",
	] {
		not _covers(_without(field))
		every value in [null, true, "", 0, [], {}] {
			not _covers(_with(field, value))
		}
	}
}

test_what_is_no_object_is_no_waiver if {
	every other in [null, true, 1, "wvr_1", [], [_waiver], set()] {
		not _covers(other)
	}
	not _covers({})
	not _covers({}.absent)
}

test_it_holds_for_one_rule if {
	not _covers(_with("rule", "deployment.image_registry_allowed"))
	not _covers(_with("rule", "*"))
	not _covers(_with("rule", "image_pinned"))
}

test_it_holds_for_one_subject if {
	not _covers(_with("subject_digest", _other_digest))
	not _covers(_with("subject_digest", "*"))
}

# A digest that nobody computed matches no other digest that nobody computed.
test_no_digest_matches_no_digest if {
	every nothing in [null, true, 0, [], {}] {
		waiver := _with("subject_digest", nothing)
		not waivers.covers(waiver, _finding, _rule, object.union(_context, {"subject_digest": nothing}))
		elsewhere := _with("environment", nothing)
		not waivers.covers(elsewhere, _finding, _rule, object.union(_context, {"environment": nothing}))
	}
	not waivers.covers(_without("subject_digest"), _finding, _rule, json.remove(_context, ["subject_digest"]))
	not waivers.covers(_without("environment"), _finding, _rule, json.remove(_context, ["environment"]))
}

test_it_holds_in_one_environment if {
	every environment in ["staging", "Prod", "prod ", "*"] {
		not _covers(_with("environment", environment))
	}
}

# The item is named by its identity: an index would move on to another item when the order changes.
test_it_holds_for_one_named_item if {
	every item in [["urn:b"], [], ["urn:a", "urn:b"], "urn:a", [0], ["images", 0], [["urn:a"]], null] {
		not _covers(_with("item", item))
	}
}

test_it_covers_a_failure_and_nothing_else if {
	every status in ["not_evaluable", "pass", "exempt", "Fail", "", null, true] {
		not waivers.covers(_waiver, object.union(_finding, {"status": status}), _rule, _context)
	}
	not waivers.covers(_waiver, json.remove(_finding, ["status"]), _rule, _context)
}

test_only_a_waivable_rule_can_be_waived if {
	every waivable in [false, null, true, 30, "30", [], {}, {"max_days": null}, {"max_days": "30"}, {"max_days": [30]}] {
		not waivers.covers(_waiver, _finding, {"waivable": waivable}, _context)
	}
	not waivers.covers(_waiver, _finding, {}, _context)
}

test_the_interval_is_half_open if {
	_at("2026-03-01T00:00:00Z")
	not _at("2026-02-28T23:59:59.999999999Z")
	_at("2026-03-30T23:59:59.999999999Z")
	not _at("2026-03-31T00:00:00Z")
	not _at("2026-04-01T00:00:00Z")
}

test_it_lasts_no_longer_than_the_rule_permits if {
	_covers(_with("until", "2026-03-31T00:00:00Z"))
	not _covers(_with("until", "2026-03-31T00:00:00.000000001Z"))
	not _covers(_with("until", "2027-03-31T00:00:00Z"))
	not waivers.covers(_waiver, _finding, {"waivable": {"max_days": 29}}, _context)
	waivers.covers(_waiver, _finding, {"waivable": {"max_days": 31}}, _context)
}

test_there_is_no_for_ever if {
	every time in ["9999-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "never", "2026-02-30T00:00:00Z", "2026-03-31"] {
		not _covers(_with("until", time))
		not _covers(_with("from", time))
	}
	not _covers(_with("until", "2026-03-01T00:00:00Z"))
	not _covers(_with("until", "2026-02-01T00:00:00Z"))
}

test_without_a_clock_nothing_is_covered if {
	every now in [null, true, "2026-03-02T12:00:00Z", [], {}] {
		not waivers.covers(_waiver, _finding, _rule, object.union(_context, {"now": now}))
	}
	not waivers.covers(_waiver, _finding, _rule, json.remove(_context, ["now"]))
}

test_two_different_people_sign if {
	not _covers(_with("signed_by", "person:alice"))
	not _covers(_with("requested_by", "person:bruno"))
	every name in ["bruno", "Person:bruno", "user:bruno@corp.example", "person:bob", "unresolved:kubernetes", "person:bruno "] {
		not _covers(_with("signed_by", name))
		not _covers(_with("requested_by", name))
	}
}

test_no_service_requests_or_signs if {
	not _covers(_with("signed_by", "service:releasebot"))
	not _covers(_with("requested_by", "service:releasebot"))
}
