package custom.regal.rules.proctor["total-calls_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["total-calls"] as rule

_said(text) := {violation.description | some violation in found} if {
	found := rule.report with input as sources.rule(text)
}

_only(name) := {sprintf("%s: a rule calls only count, lib and config", [name])}

test_fail_built_ins if {
	_said("compliant contains [] if startswith(input.purpose, \"x\")") == _only("startswith")
	_said("compliant contains [] if lower(input.purpose) == \"x\"") == _only("lower")
	_said("compliant contains [] if regex.match(`x`, input.purpose)") == _only("regex.match")
	_said("_n := count(input.facts.models) + 1") == _only("plus")
	_said("compliant contains [] if time.now_ns() == 1") == _only("time.now_ns")
}

test_fail_inside_comprehension_and_head if {
	_said("_n := {upper(n) | some n in input.facts.workload.names}") == _only("upper")
	_said("compliant contains [\"models\", to_number(i)] if some i, _ in input.facts.models") == _only("to_number")
}

test_success_library_may if {
	found := rule.report with input as sources.module("governance.lib.names", "a(x) if startswith(x, \"y\")")
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
