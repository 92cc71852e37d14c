package custom.regal.rules.proctor["no-default_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["no-default"] as rule

_count(text) := count(found) if found := rule.report with input as sources.rule(text)

test_fail_default_rule if _count("default _right := true") == 1

test_fail_default_function if _count("default _right(_) := true") == 1

test_fail_look_up_with_default if {
	_count("compliant contains [] if object.get(input.facts, [\"workload\", \"ok\"], true)") == 1
}

test_fail_else if _count("_right(x) if { x == 1 } else := true") == 1

test_success_library if {
	found := rule.report with input as sources.module("governance.lib.names", "default _right(_) := false")
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
