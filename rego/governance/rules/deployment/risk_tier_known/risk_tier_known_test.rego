package governance.rules.deployment.risk_tier_known_test

import data.testing

_code := "deployment.risk_tier_known"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_factors := ["exposure", "autonomy", "data_class"]

_pointer(factor) := sprintf("/facts/models/1/risk/%s", [factor])

test_known_factors_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		tier := testing.decision(sample).tier
		[tier.value, tier.unknown, tier.points] == ["high", [], 4]
	}
}

test_a_factor_that_the_table_does_not_know_is_denied_at_its_model if {
	every sample in _samples {
		every factor in _factors {
			every value in ["unknown", "Internal", "internal ", "*"] {
				testing.findings(_code, testing.with_value(sample, _pointer(factor), value)) == _second
			}
		}
	}
}

# Each factor has its own values: `internal` is an exposure and a class of data, and no autonomy.
test_a_value_of_another_factor_is_unknown if {
	every sample in _samples {
		testing.findings(_code, testing.with_value(sample, _pointer("autonomy"), "internal")) == _second
		testing.findings(_code, testing.with_value(sample, _pointer("exposure"), "personal")) == _second
	}
}

test_a_missing_factor_is_not_evaluable_and_takes_the_worst_band if {
	every sample in _samples {
		every factor in _factors {
			testing.findings(_code, testing.without(sample, _pointer(factor))) == _unknown
			every value in [null, "", 0, true, [], {}] {
				testing.findings(_code, testing.with_value(sample, _pointer(factor), value)) == _unknown
			}
		}
		testing.decision(testing.without(sample, "/facts/models/1/risk")).tier.value == "critical"
	}
}

test_what_the_author_says_of_the_risk_proves_nothing if {
	every sample in _samples {
		said := testing.with_value(sample, "/facts/models/1/risk/evidence/tier", "declared")
		testing.findings(_code, said) == _unknown
	}
}

test_a_judgement_of_more_than_a_year_ago_is_stale if {
	every sample in _samples {
		at := "/facts/models/1/risk/evidence/observed_at"
		testing.findings(_code, testing.with_value(sample, at, "2025-03-02T12:00:00Z")) == _unknown
		testing.says(_code, testing.with_value(sample, at, "2025-03-02T12:00:01Z")) == "pass"
	}
}

test_without_its_table_nothing_is_known if {
	every sample in _samples {
		found := testing.findings(_code, sample) with data.governance.config.values.tiers as {}
		found == {["models", 0]: ["fail", "deny"], ["models", 1]: ["fail", "deny"]}
	}
}

test_no_waiver_covers_it if {
	some sample in _samples
	sample.stage == "runtime"
	waiver := {
		"id": "wvr_1",
		"rule": _code,
		"subject_digest": sample.subject.digest,
		"environment": "prod",
		"item": ["models:/scorer/2"],
		"from": "2026-03-01T00:00:00Z",
		"until": "2026-03-03T00:00:00Z",
		"requested_by": "person:alice",
		"signed_by": "person:bruno",
	}
	strange := testing.with_values(sample, {_pointer("exposure"): "unknown", "/waivers": [waiver]})
	testing.findings(_code, strange) == _second
}
