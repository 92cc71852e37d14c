package custom.regal.rules.proctor["literal-names_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["literal-names"] as rule

_count(call) := count(found) if {
	text := sprintf("import data.governance.config\ncompliant contains [] if input.purpose in %s", [call])
	found := rule.report with input as sources.rule(text)
}

test_fail_computed_name if {
	_count("config.list(input.purpose)") == 1
	_count("config.list(_name)") == 1
	_count("config.threshold(_name)") == 1
}

test_success_literal_name if _count("config.list(\"purposes\")") == 0

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
