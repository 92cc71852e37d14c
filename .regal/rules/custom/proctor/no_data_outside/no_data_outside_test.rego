package custom.regal.rules.proctor["no-data-outside_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["no-data-outside"] as rule

_rows(text) := {violation.location.row | some violation in found} if {
	found := rule.report with input as sources.rule(text)
}

test_fail_imports if {
	_rows("import data.governance.main") == {11}
	_rows("import data.governance.index") == {11}
	_rows("import data.organisation") == {11}
	_rows("import data.governance.config.values") == {11}
	_rows("import input.facts") == {11}
}

test_fail_references if {
	_rows("compliant contains [\"models\", i] if data.governance.index.x[i]") == {11}
	_rows("compliant contains [\"models\", i] if data.governance.config.values.lists[i]") == {11}
	_rows("compliant contains [\"models\", i] if data.other[i]") == {11}
}

test_fail_configuration_under_another_name if {
	_rows("import data.governance.config.list") == set()
	_rows("import data.governance.config.values.lists as config") == {11}
}

test_success_libraries if {
	_rows("import data.governance.lib.people") == set()
	_rows("import data.governance.config") == set()
	_rows("compliant contains [] if data.governance.lib.people.person(input.actor.id)") == set()
}

test_success_outside_rules if {
	found := rule.report with input as sources.module("governance.main", "import data.governance.index")
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
