package governance.config_test

import future.keywords.not

import data.governance.config

_values := {
	"lists": {"image_registries": ["ghcr.io"], "empty": []},
	"thresholds": {"waivers_active": {"low": 5, "medium": 3, "high": 2}, "zero": {"low": 0, "critical": 0}},
}

_tiers := ["low", "medium", "high", "critical"]

test_a_list_is_found_by_its_name if {
	config.list("image_registries") == ["ghcr.io"] with data.governance.config.values as _values
	config.list("empty") == [] with data.governance.config.values as _values
}

# An unknown name must not look like an empty list: it is undefined, and proves nothing.
test_an_unknown_list_is_undefined if {
	every name in ["image_registrie", "Image_registries", "", "waivers_active", null, 0, [], {}, ["image_registries"]] {
		not config.list(name) with data.governance.config.values as _values
	}
	not config.list("image_registries") with data.governance.config.values as {}
}

test_a_threshold_is_that_of_the_risk_tier if {
	every pair in [["low", 5], ["medium", 3], ["high", 2]] {
		config.threshold("waivers_active") == pair[1] with data.governance.config.values as _values
			with data.governance.lib.tiers.assessment as {"value": pair[0], "unknown": []}
	}
	config.threshold("zero") == 0 with data.governance.config.values as _values
		with data.governance.lib.tiers.assessment as {"value": "low", "unknown": []}
}

test_a_tier_without_a_value_has_no_threshold if {
	every tier in ["critical", "Low", "*", "", null, {}] {
		not config.threshold("waivers_active") with data.governance.config.values as _values
			with data.governance.lib.tiers.assessment as {"value": tier, "unknown": []}
	}
}

test_an_unknown_threshold_is_undefined if {
	every name in ["waivers", "", "image_registries", null, 0, [], {}] {
		not config.threshold(name) with data.governance.config.values as _values
			with data.governance.lib.tiers.assessment as {"value": "low", "unknown": []}
	}
}

# Without any input the tier is the worst, so the strictest number holds.
test_without_a_known_tier_the_worst_number_holds if {
	config.threshold("zero") == 0 with data.governance.config.values as _values
	not config.threshold("waivers_active") with data.governance.config.values as _values
}

test_the_compiled_configuration_has_a_number_for_every_tier if {
	values := data.governance.config.values
	count(values.thresholds) > 0
	every numbers in values.thresholds {
		object.keys(numbers) == {tier | some tier in _tiers}
		every number in numbers {
			is_number(number)
		}
	}
	count(values.lists) > 0
	every names in values.lists {
		is_array(names)
	}
}
