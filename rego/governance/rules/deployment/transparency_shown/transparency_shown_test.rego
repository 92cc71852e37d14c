package governance.rules.deployment.transparency_shown_test

import data.testing

_code := "deployment.transparency_shown"

_samples := [data.samples.deployment, data.samples.runtime]

_exempt := data.samples.exempt_transparency_shown

_denied := {[]: ["fail", "deny"]}

_unknown := {[]: ["not_evaluable", "deny"]}

_hidden(sample) := testing.with_value(sample, "/facts/notice/shown", false)

test_a_notice_that_is_shown_passes_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_a_notice_that_is_not_shown_is_denied if {
	every sample in _samples {
		testing.findings(_code, _hidden(sample)) == _denied
	}
}

test_where_the_duty_does_not_apply_there_is_nothing_to_show if {
	testing.says(_code, _exempt) == "exempt"
	every sample in _samples {
		testing.says(_code, testing.with_value(_hidden(sample), "/facts/transparency/applies", false)) == "exempt"
	}
}

# That nobody knows whether it applies is no excuse, nor is what somebody wrote.
test_only_evidence_excuses if {
	every sample in _samples {
		every value in [null, "false", 0, [], {}] {
			testing.findings(_code, testing.with_value(_hidden(sample), "/facts/transparency/applies", value)) == _unknown
		}
		testing.findings(_code, testing.without(sample, "/facts/transparency")) == _unknown
	}
	testing.findings(_code, testing.with_value(_exempt, "/facts/transparency/evidence/tier", "declared")) == _unknown
	stale := testing.with_value(_exempt, "/facts/transparency/evidence/observed_at", "2025-09-03T12:00:00Z")
	testing.findings(_code, stale) == _unknown
}

test_an_unknown_notice_is_none if {
	every sample in _samples {
		testing.findings(_code, testing.without(sample, "/facts/notice")) == _unknown
		testing.findings(_code, testing.with_value(sample, "/facts/notice/shown", "true")) == _unknown
	}
}

# AI Act, Art. 113: from 2 August 2026 on.
test_before_its_day_it_only_warns if {
	every sample in _samples {
		early := testing.with_value(_hidden(sample), "/context/effective_at", "2026-08-01T23:59:59.999999Z")
		testing.findings(_code, early) == {[]: ["fail", "warn"]}
		its_day := testing.with_value(_hidden(sample), "/context/effective_at", "2026-08-02T00:00:00Z")
		testing.findings(_code, its_day) == _denied
	}
}
