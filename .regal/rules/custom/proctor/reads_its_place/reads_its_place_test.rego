package custom.regal.rules.proctor["reads-its-place_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["reads-its-place"] as rule

_said(text) := {violation.description | some violation in found} if {
	found := rule.report with input as sources.rule(text)
}

_shape := {"places of `models/*` are written [\"models\", \"i\"]"}

_unread := {"names a place without reading the item at its own index"}

_head(head) := _said(sprintf("compliant contains %s if {\n\tsome i, model in input.facts.models\n\tmodel.registration.matches == 1\n}", [head]))

_body(body) := _said(sprintf("compliant contains [\"models\", i] if {\n\t%s\n}", [body]))

test_fail_places_of_another_shape if {
	_head("[\"model\", i]") == _shape
	_head("[i]") == _shape
	_head("i") == _shape
	_head("[\"models\", 0]") == _shape
	_head("[\"models\", i, \"columns\", 0]") == _shape
	_head("\"models\"") == _shape
	_head("[]") == _shape
}

test_fail_loop_not_joined if {
	_body("some i, _ in input.facts.models\n\tsome model in input.facts.models\n\tmodel.registration.matches == 1") == _unread
}

test_fail_nothing_read if {
	_body("some i, _ in input.facts.models") == _unread
	_body("some i, _ in input.facts.models\n\tinput.purpose == \"x\"") == _unread
}

test_fail_index_of_something_else if {
	_body("some i, _ in input.facts.workload.names\n\tinput.purpose == \"x\"") == _unread
}

test_success_each_way_to_read if {
	_body("some i, model in input.facts.models\n\tmodel.registration.matches == 1") == set()
	_body("some i\n\tinput.facts.models[i].registration.matches == 1") == set()
	_body("some i, m in input.facts.models\n\tr := m.registration\n\tr.matches == 1") == set()
}

test_success_through_a_function if {
	text := `
compliant contains ["models", i] if {
	some i, model in input.facts.models
	_right(model)
}

_right(model) if model.registration.matches == 1
`
	_said(text) == set()
}

test_success_whole_request if {
	found := rule.report with input as sources.whole("compliant contains [] if input.purpose == \"x\"")
	found == set()
}

test_fail_whole_request_without_reading if {
	found := rule.report with input as sources.whole("compliant contains [] if true")
	{violation.description | some violation in found} == _unread
}

test_fail_whole_request_with_a_place if {
	text := "compliant contains [\"models\", i] if some i, m in input.facts.models"
	found := rule.report with input as sources.whole(text)
	{violation.description | some violation in found} == {"places of `` are written []"}
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
