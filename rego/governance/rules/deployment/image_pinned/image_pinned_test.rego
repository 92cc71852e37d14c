package governance.rules.deployment.image_pinned_test

import data.testing

_code := "deployment.image_pinned"

_sample := data.samples.deployment

_pinned := "/facts/images/1/reference/pinned"

_second := {["images", 1]: ["fail", "deny"]}

test_pinned_images_pass if testing.says(_code, _sample) == "pass"

test_an_image_by_tag_is_denied_where_it_stands if {
	by_tag := testing.with_value(_sample, _pinned, false)
	testing.findings(_code, by_tag) == _second
	testing.counts(_code, by_tag) == {"places": 2, "compliant": 1, "exempt": 0}
	first := testing.with_value(_sample, "/facts/images/0/reference/pinned", false)
	testing.findings(_code, first) == {["images", 0]: ["fail", "deny"]}
}

test_only_true_is_pinned if {
	every value in ["true", 1, null, [true], {}] {
		testing.findings(_code, testing.with_value(_sample, _pinned, value)) == {["images", 1]: ["not_evaluable", "deny"]}
	}
}

test_an_image_of_which_nothing_is_known_is_not_evaluable if {
	testing.findings(_code, testing.without(_sample, "/facts/images/1/reference")) == {["images", 1]: ["not_evaluable", "deny"]}
	testing.findings(_code, testing.without(_sample, _pinned)) == {["images", 1]: ["not_evaluable", "deny"]}
}

test_what_was_read_from_another_image_proves_nothing if {
	other := _sample.facts.images[0].digest
	moved := testing.with_value(_sample, "/facts/images/1/reference/evidence/about", other)
	testing.findings(_code, moved) == {["images", 1]: ["not_evaluable", "deny"]}
	testing.gaps(_code, moved) == {"other_subject"}
}

test_a_reading_from_yesterday_is_stale if {
	stale := testing.with_value(_sample, "/facts/images/1/reference/evidence/observed_at", "2026-03-01T12:00:00Z")
	testing.findings(_code, stale) == {["images", 1]: ["not_evaluable", "deny"]}
	testing.gaps(_code, stale) == {"stale"}
}

test_without_images_nothing_is_unpinned if {
	testing.says(_code, testing.with_values(_sample, {"/facts/images": [], "/subject/parts/images": []})) == "nothing"
}

test_a_list_that_lost_an_image_is_not_evaluable if {
	testing.says(_code, testing.without(_sample, "/facts/images/0")) == "not_evaluable"
	testing.says(_code, testing.with_value(_sample, "/facts/images", [])) == "not_evaluable"
}

_waiver := {
	"id": "wvr_1",
	"rule": _code,
	"subject_digest": _sample.subject.digest,
	"environment": "prod",
	"item": [_sample.facts.images[1].id],
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"requested_by": "person:alice",
	"signed_by": "person:bruno",
}

test_a_waiver_covers_a_tag_and_not_what_is_unknown if {
	waived := testing.with_values(_sample, {_pinned: false, "/waivers": [_waiver]})
	testing.findings(_code, waived) == {["images", 1]: ["fail", "waived"]}
	unknown := testing.without(waived, _pinned)
	testing.findings(_code, unknown) == {["images", 1]: ["not_evaluable", "deny"]}
}
