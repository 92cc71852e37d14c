package governance.rules.registration.recipe_complete_test

import data.testing

_code := "registration.recipe_complete"

_sample := data.samples.registration

_parts := _sample.facts.models[1].recipe.parts

_second := {["models", 1]: ["fail", "deny"]}

_unknown := {["models", 1]: ["not_evaluable", "deny"]}

_with(pointer, value) := testing.with_value(_sample, sprintf("/facts/models/1/recipe/%s", [pointer]), value)

test_the_sample_passes if testing.says(_code, _sample) == "pass"

test_each_part_is_needed if {
	count(_parts) == 5
	every part in _parts {
		left := [other | some other in _parts; other != part]
		testing.findings(_code, _with("parts", left)) == _second
	}
	testing.findings(_code, _with("parts", [])) == _second
}

test_more_than_is_needed_does_no_harm if {
	testing.says(_code, _with("parts", array.concat(_parts, ["hardware"]))) == "pass"
}

test_what_it_names_can_still_be_fetched if {
	testing.findings(_code, _with("lost", ["urn:ol:s3%3A%2F%2Flake:payments"])) == _second
}

test_a_recipe_that_is_not_kept_proves_nothing if {
	testing.findings(_code, testing.without(_sample, "/facts/models/1/recipe/digest")) == _unknown
	testing.findings(_code, testing.without(_sample, "/facts/models/1/recipe")) == _unknown
}

test_a_look_of_half_a_year_ago_proves_nothing if {
	testing.findings(_code, _with("evidence/observed_at", "2025-08-01T00:00:00Z")) == _unknown
}
