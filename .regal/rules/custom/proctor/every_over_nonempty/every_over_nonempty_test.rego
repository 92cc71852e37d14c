package custom.regal.rules.proctor["every-over-nonempty_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["every-over-nonempty"] as rule

_text := "all_right if every name in input.facts.workload.names { name == \"x\" }"

test_fail_in_rule_and_library if {
	in_rule := rule.report with input as sources.rule(_text)
	count(in_rule) == 1
	in_library := rule.report with input as sources.module("governance.lib.names", _text)
	count(in_library) == 1
}

test_success_in_test if {
	found := rule.report with input as sources.module("governance.lib.names_test", _text)
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
