package governance.rules.deployment.retrieval_governed_test

import data.testing

_code := "deployment.retrieval_governed"

_samples := [data.samples.deployment, data.samples.runtime]

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_other := "sha256:9999999999999999999999999999999999999999999999999999999999999999"

_with(sample, pointer, value) := testing.with_value(sample, sprintf("/facts/models/1/%s", [pointer]), value)

test_the_samples_pass_at_both_stages if {
	every sample in _samples {
		testing.says(_code, sample) == "pass"
		testing.says(_code, _with(sample, "retrieval/licences", ["CC-BY-4.0", "internal"])) == "pass"
	}
}

test_an_index_that_nobody_reviewed_is_denied if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "retrieval/index", _other)) == _second
		testing.findings(_code, _with(sample, "retrieval/reviewed", _other)) == _second
	}
}

test_two_equal_names_of_an_index_pin_nothing if {
	some sample in _samples
	named := testing.with_values(sample, {
		"/facts/models/1/retrieval/index": "handbook",
		"/facts/models/1/retrieval/reviewed": "handbook",
	})
	testing.findings(_code, named) == _second
}

test_one_source_whose_terms_forbid_it_is_enough if {
	every sample in _samples {
		testing.findings(_code, _with(sample, "retrieval/licences", ["internal", "CC-BY-NC-4.0"])) == _second
		testing.findings(_code, _with(sample, "retrieval/licences", ["unknown"])) == _second
		testing.findings(_code, _with(sample, "retrieval/licences", [])) == _second
	}
}

test_tenants_are_kept_apart if {
	every sample in _samples {
		every way in ["single", "partitioned", "filtered"] {
			testing.says(_code, _with(sample, "retrieval/tenancy", way)) == "pass"
		}
		every way in ["shared", "Single", "unknown"] {
			testing.findings(_code, _with(sample, "retrieval/tenancy", way)) == _second
		}
	}
}

test_what_looks_nothing_up_has_no_index if {
	testing.says(_code, data.samples.exempt_retrieval_governed) == "exempt"
}

test_an_exemption_is_not_taken_from_what_somebody_says if {
	sample := data.samples.exempt_retrieval_governed
	testing.findings(_code, _with(sample, "language/evidence/tier", "declared")) == _unknown
	testing.findings(_code, _with(sample, "language/retrieval", true)) == _unknown
}

test_nothing_else_that_is_false_exempts if {
	every sample in _samples {
		other := testing.with_values(sample, {
			"/facts/models/1/language/prompted": false,
			"/facts/models/1/language/tools": false,
			"/facts/models/1/retrieval/tenancy": "shared",
		})
		testing.findings(_code, other) == _second
	}
}
