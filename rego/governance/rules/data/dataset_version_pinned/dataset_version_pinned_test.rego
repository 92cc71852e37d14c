package governance.rules.data.dataset_version_pinned_test

import data.testing

_code := "data.dataset_version_pinned"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

test_the_sample_passes_before_training_and_at_promotion if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, data.samples.registration) == "pass"
}

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

test_a_dataset_that_can_change_is_denied if testing.findings(_code, _with("reference/pinned", false)) == _second

test_only_true_pins if {
	every value in ["true", 1, null] {
		testing.findings(_code, _with("reference/pinned", value)) == _unknown
	}
}

test_a_waiver_names_one_dataset if {
	loose := _with("reference/pinned", false)
	waiver := {
		"id": "wvr_1",
		"rule": _code,
		"subject_digest": loose.subject.digest,
		"environment": "prod",
		"item": [loose.facts.datasets[1].id],
		"from": "2026-03-01T00:00:00Z",
		"until": "2026-03-03T00:00:00Z",
		"requested_by": "person:alice",
		"signed_by": "person:bruno",
	}
	testing.findings(_code, testing.with_value(loose, "/waivers", [waiver])) == {["datasets", 1]: ["fail", "waived"]}
	other := object.union(waiver, {"item": [loose.facts.datasets[0].id]})
	testing.findings(_code, testing.with_value(loose, "/waivers", [other])) == _second
}
