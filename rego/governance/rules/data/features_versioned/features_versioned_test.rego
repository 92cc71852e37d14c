package governance.rules.data.features_versioned_test

import data.testing

_code := "data.features_versioned"

_sample := data.samples.training

_second := {["datasets", 1]: ["fail", "deny"]}

_unknown := {["datasets", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/datasets/1/%s", [pointer]), value)

_without(pointer) := testing.without(_sample, sprintf("/facts/datasets/1/%s", [pointer]))

test_the_sample_passes_at_every_stage if {
	testing.says(_code, _sample) == "pass"
	testing.says(_code, data.samples.data) == "pass"
	testing.says(_code, data.samples.registration) == "pass"
}

test_a_run_without_any_dataset_proves_nothing if {
	none := testing.with_values(_sample, {"/facts/datasets": [], "/subject/parts/datasets": []})
	testing.findings(_code, none) == {["datasets"]: ["not_evaluable", "deny"]}
}

test_a_version_that_can_change_is_denied if testing.findings(_code, _with("feature_set/pinned", false)) == _second

test_a_feature_that_the_version_does_not_define_is_denied if {
	testing.findings(_code, _with("feature_set/used", ["amount_30d", "age"])) == _second
	testing.findings(_code, _with("feature_set/defined", ["amount_30d"])) == _second
	testing.findings(_code, _with("feature_set/defined", [])) == _second
}

test_no_features_are_not_all_of_them if testing.findings(_code, _with("feature_set/used", [])) == _second

test_an_owner_is_a_principal if {
	every owner in ["team:fraud", "olga", "person:", "unresolved:catalog"] {
		testing.findings(_code, _with("feature_set/owner", owner)) == _second
	}
	testing.says(_code, _with("feature_set/owner", "service:featurestore")) == "pass"
}

test_what_identifies_the_features_is_needed if {
	every field in ["name", "version", "definition"] {
		testing.findings(_code, _without(sprintf("feature_set/%s", [field]))) == _unknown
		testing.findings(_code, _with(sprintf("feature_set/%s", [field]), "")) == _unknown
	}
}

test_what_the_feature_store_does_not_say_proves_nothing if {
	testing.findings(_code, _without("feature_set")) == _unknown
	testing.findings(_code, _without("form")) == _unknown
	testing.findings(_code, _with("feature_set/evidence/tier", "declared")) == _unknown
}

test_other_datasets_have_no_features_to_version if {
	testing.says(_code, data.samples.exempt_features_versioned) == "exempt"
}

test_only_a_proven_false_exempts if {
	every value in ["false", 0, null] {
		testing.findings(_code, testing.with_value(
			data.samples.exempt_features_versioned,
			"/facts/datasets/1/form/feature_set",
			value,
		)) == _unknown
	}
	testing.findings(_code, testing.with_value(
		data.samples.exempt_features_versioned,
		"/facts/datasets/1/form/evidence/tier",
		"declared",
	)) == _unknown
}
