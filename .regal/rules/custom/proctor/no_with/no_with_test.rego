package custom.regal.rules.proctor["no-with_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["no-with"] as rule

_text := "compliant contains [\"models\", 0] if _right with input as {}"

test_fail_in_rule_and_library if {
	in_rule := rule.report with input as sources.rule(_text)
	count(in_rule) == 1
	in_library := rule.report with input as sources.module("governance.lib.names", _text)
	count(in_library) == 1
	in_main := rule.report with input as sources.module("governance.main", _text)
	count(in_main) == 1
}

test_success_in_test if {
	found := rule.report with input as sources.module("governance.rules.deployment.example_test", _text)
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
