package governance.rules.registration.use_classified_test

import data.testing

_code := "registration.use_classified"

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_samples := {data.samples.registration, data.samples.deployment, data.samples.runtime}

_with(sample, pointer, value) := testing.with_value(sample, sprintf("/facts/models/1/%s", [pointer]), value)

test_the_samples_pass if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
	}
}

test_a_value_that_the_table_does_not_know_is_denied if {
	every sample in _samples {
		every field in ["purpose_class", "affected_groups"] {
			testing.findings(_code, _with(sample, sprintf("use/%s", [field]), "unheard-of")) == _second
		}
	}
}

test_the_authors_own_word_is_not_enough if {
	said := _with(data.samples.deployment, "use/evidence/tier", "declared")
	testing.findings(_code, said) == _unknown
	testing.decision(said).tier.value == "critical"
}

test_vulnerable_people_raise_the_tier if {
	raised := testing.decision(_with(data.samples.registration, "use/affected_groups", "vulnerable"))
	raised.tier.value == "critical"
	raised.tier.at == ["models", 1]
	raised.tier.factors.affected_groups == {"value": "vulnerable", "points": 3}
}
