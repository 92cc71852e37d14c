package governance.rules.deployment.image_registry_allowed_test

import data.testing

_code := "deployment.image_registry_allowed"

_sample := data.samples.deployment

_registries := "/facts/images/1/reference/registries"

_from(registries) := testing.findings(_code, testing.with_value(_sample, _registries, registries))

_second := {["images", 1]: ["fail", "deny"]}

test_listed_registries_pass if {
	testing.says(_code, _sample) == "pass"
	_from(["docker.io/kserve"]) == {}
	_from(["registry.example.com"]) == {}
	_from(["registry.example.com/ml", "ghcr.io/mlflow"]) == {}
}

test_another_registry_is_denied_where_it_stands if {
	_from(["docker.io"]) == _second
	_from(["evil.example/ml"]) == _second
	first := testing.with_value(_sample, "/facts/images/0/reference/registries", ["quay.io/x"])
	testing.findings(_code, first) == {["images", 0]: ["fail", "deny"]}
	testing.named(_code, first) == {[_sample.facts.images[0].id]}
}

test_names_that_only_begin_alike_are_denied if {
	every near in [
		"docker.io/kserve-evil",
		"docker.io/kserv",
		"registry.example.com.evil.example/ml",
		"registry.example.comx",
		"REGISTRY.EXAMPLE.COM",
		"evil.example/registry.example.com",
		" registry.example.com",
	] {
		_from([near]) == _second
	}
}

test_one_wrong_name_of_several_is_enough if {
	_from(["registry.example.com/ml", "evil.example/ml"]) == _second
	_from(["evil.example/ml", "registry.example.com/ml"]) == _second
}

test_an_image_from_nowhere_is_denied if _from([]) == _second

test_an_empty_or_missing_list_allows_no_registry if {
	every lists in [{"image_registries": []}, {"image_registries": [""]}, {"image_registries": null}, {"image_registrie": ["registry.example.com"]}, {}] {
		found := testing.findings(_code, _sample) with data.governance.config.values.lists as lists
		found == {["images", 0]: ["fail", "deny"], ["images", 1]: ["fail", "deny"]}
	}
}

test_an_image_of_which_nothing_is_known_is_not_evaluable if {
	testing.findings(_code, testing.without(_sample, _registries)) == {["images", 1]: ["not_evaluable", "deny"]}
	every value in [null, "registry.example.com", {"0": "registry.example.com"}, ["registry.example.com", null], [""]] {
		_from(value) == {["images", 1]: ["not_evaluable", "deny"]}
	}
}

test_a_list_that_lost_an_image_is_not_evaluable if {
	testing.says(_code, testing.without(_sample, "/facts/images/1")) == "not_evaluable"
}
