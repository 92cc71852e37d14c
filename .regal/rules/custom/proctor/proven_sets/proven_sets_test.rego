package custom.regal.rules.proctor["proven-sets_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["proven-sets"] as rule

_rows(text) := {violation.location.row | some violation in found} if {
	found := rule.report with input as sources.rule(text)
}

_right := "compliant contains [\"models\", i] if { some i, model in input.facts.models }"

_beside(text) := _rows(concat("\n", [_right, text]))

test_fail_no_set if {
	_rows("compliant if input.purpose == \"x\"") == {11}
	_rows("compliant := [[\"models\", 0]]") == {11}
	_rows("compliant[v] if v := input.purpose") == {11}
}

test_fail_without_compliant if {
	_rows("compliance contains [\"models\", 0] if input.purpose") == {10, 11}
	_rows("exempt contains [\"models\", 0] if input.purpose") == {10}
}

test_fail_public_names if {
	_beside("violation contains \"x\" if input.purpose") == {12}
	_beside("right(x) if x == 1") == {12}
	_beside("compliant.models contains 0 if input.purpose") == {12}
}

test_success_private_names if {
	_beside("_right(x) if x == 1") == set()
	_beside("exempt contains [\"models\", 0] if input.purpose") == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
