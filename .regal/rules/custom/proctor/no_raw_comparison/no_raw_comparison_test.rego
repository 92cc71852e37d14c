package custom.regal.rules.proctor["no-raw-comparison_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["no-raw-comparison"] as rule

_with(comparison) := sources.rule(sprintf(
	`
compliant contains ["models", i] if {
	some i, model in input.facts.models
	%s
}
`,
	[comparison],
))

test_fail_each_comparison if {
	every operator in ["<", "<=", ">", ">=", "!="] {
		found := rule.report with input as _with(sprintf("model.registration.matches %s 1", [operator]))
		count(found) == 1
	}
}

test_fail_in_comprehension if {
	found := rule.report with input as _with("count({n | some n in input.facts.workload.names; n != \"x\"}) == 1")
	count(found) == 1
}

test_success_equality if {
	found := rule.report with input as _with("model.registration.matches == 1")
	found == set()
}

test_success_library if {
	text := "at_least(value, limit) if value >= limit"
	found := rule.report with input as sources.module("governance.lib.compare", text)
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
