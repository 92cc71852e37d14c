package governance.rules.deployment.image_signed_test

import data.testing

_code := "deployment.image_signed"

_sample := data.samples.deployment

_second := {["images", 1]: ["fail", "deny"]}

_unknown := {["images", 1]: ["not_evaluable", "deny"]}

_with(field, value) := testing.with_value(_sample, sprintf("/facts/images/1/signature/%s", [field]), value)

test_signed_images_pass if testing.says(_code, _sample) == "pass"

test_a_signature_that_does_not_hold_is_denied_where_it_stands if {
	testing.findings(_code, _with("verified", false)) == _second
	first := testing.with_value(_sample, "/facts/images/0/signature/verified", false)
	testing.findings(_code, first) == {["images", 0]: ["fail", "deny"]}
}

test_a_good_signature_of_somebody_else_is_denied if {
	every signer in ["mallory@example.com", "release@registry.example.com.evil.example", "Release@registry.example.com", "*"] {
		testing.findings(_code, _with("signer", signer)) == _second
	}
}

test_a_signature_that_nobody_checked_proves_nothing if {
	every tier in ["declared", "observed"] {
		testing.findings(_code, _with("evidence/tier", tier)) == _unknown
	}
}

test_the_signature_of_another_image_proves_nothing if {
	testing.findings(_code, _with("evidence/about", _sample.facts.images[0].digest)) == _unknown
}

test_a_check_of_last_week_is_stale if {
	testing.findings(_code, _with("evidence/observed_at", "2026-02-23T12:00:00Z")) == _unknown
	testing.says(_code, _with("evidence/observed_at", "2026-02-23T12:00:01Z")) == "pass"
}

test_without_a_list_nobody_may_sign if {
	every lists in [{}, {"image_signers": []}, {"image_signers": null}] {
		found := testing.says(_code, _sample) with data.governance.config.values.lists as lists
		found == "fail"
	}
}

test_an_image_of_which_nothing_is_known_is_not_evaluable if {
	testing.findings(_code, testing.without(_sample, "/facts/images/1/signature")) == _unknown
	every value in [null, "true", 1, []] {
		testing.findings(_code, _with("verified", value)) == _unknown
	}
}
